"""Requests of more rows than Aurora DSQL takes in a transaction are done in parts."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from hearth.errors import Unavailable
from tests.contract.tasks.harness import Harness

CSV = {"content-type": "text/csv"}


def words(number: int, of: int) -> str:
    return " ".join(f"{of}w{n}" for n in range(number))


def test_no_transaction_writes_more_than_dsql_takes(harness: Harness) -> None:
    written: list[int] = []
    engine = harness.db.engine

    def begun(*_: Any) -> None:
        written.append(0)

    def ran(_c: Any, cursor: Any, sql: str, *_: Any) -> None:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")) and cursor.rowcount > 0:
            written[-1] += cursor.rowcount

    event.listen(engine, "begin", begun)
    event.listen(engine, "after_cursor_execute", ran)
    created = harness.ask(
        "POST",
        "/bulk",
        {
            "operations": [
                {"op": "create", "task": {"title": "t", "description": words(650, n)}}
                for n in range(6)
            ]
        },
    ).json()
    assert created["succeeded"] == 6
    changed = harness.ask(
        "POST",
        "/bulk",
        {
            "operations": [
                {"op": "update", "id": item["id"], "changes": {"description": words(550, 50 + n)}}
                for n, item in enumerate(created["items"])
            ]
            + [{"op": "complete", "id": item["id"]} for item in created["items"]]
            + [{"op": "delete", "id": item["id"]} for item in created["items"]]
        },
    ).json()
    assert (changed["succeeded"], changed["failed"]) == (18, 0)
    event.remove(engine, "begin", begun)
    event.remove(engine, "after_cursor_execute", ran)
    assert 1_300 < max(written) <= 3_000


def file_of(number: int) -> bytes:
    lines = [f"{n},Task {n} of many" for n in range(number)]
    return "\r\n".join(["uid,title", *lines, ""]).encode()


def test_a_file_of_a_thousand_tasks_is_imported_and_one_of_more_is_refused(
    sqlite_harness: Harness,
) -> None:
    harness = sqlite_harness
    answer = harness.ask("POST", "/import", content=file_of(1_001), headers=CSV)
    assert answer.status_code == 400
    assert "1000" in answer.json()["error"]["message"]
    assert harness.list()["total"] == 0
    answer = harness.ask("POST", "/import", content=file_of(1_000), headers=CSV)
    assert (answer.status_code, answer.json()["created"]) == (200, 1_000)
    assert [item["index"] for item in answer.json()["items"]] == list(range(1_000))
    assert harness.list(search="999")["total"] == 1


def test_a_request_that_broke_off_says_so_and_goes_on_when_it_is_repeated(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = CSV | {"Idempotency-Key": "k"}
    add = harness.ledger.add
    calls = 0

    def breaks(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Unavailable("the database does not answer")
        return add(*given)

    monkeypatch.setattr(harness.ledger, "add", breaks)
    answer = harness.ask("POST", "/import", content=file_of(10), headers=headers).json()
    monkeypatch.undo()
    first = answer["created"]
    assert 0 < first < 10
    assert answer["failed"] == 10 - first
    assert answer["items"][-1]["error"]["message"] == "the database does not answer"
    assert harness.list()["total"] == first
    answer = harness.ask("POST", "/import", content=file_of(10), headers=headers).json()
    assert (answer["created"], answer["failed"]) == (10, 0)
    assert harness.list()["total"] == 10
    again = harness.ask("POST", "/import", content=file_of(10), headers=headers)
    assert again.json() == answer
    other = harness.ask("POST", "/import", content=file_of(9), headers=headers)
    assert other.status_code == 409
