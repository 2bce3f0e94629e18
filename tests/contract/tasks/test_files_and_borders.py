"""Import and export through the API, and what a hostile caller sends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.tasks.harness import ANA, BEN, BOSS, Harness

CSV = {"content-type": "text/csv; charset=utf-8"}
ICS = {"content-type": "text/calendar"}


def send(harness: Harness, kind: str, data: bytes, who: Any = ANA, **headers: str) -> Any:
    given = {"csv": CSV, "ics": ICS}[kind] | headers
    answer = harness.ask("POST", "/import", content=data, headers=given, who=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def counts(body: Any) -> tuple[int, int, int, int]:
    return body["created"], body["updated"], body["unchanged"], body["failed"]


@pytest.fixture
def filled(harness: Harness) -> Harness:
    harness.make("=HYPERLINK(1)", description="a\n'b\r\nc", tags=["x", "y"], due_date="2026-12-01")
    harness.make("water", due_date="2026-11-02T08:00:00Z", repeat_rule="FREQ=WEEKLY", reminders=[5])
    done = harness.make("done", estimated_hours=1.5, actual_hours=2)
    harness.ask("POST", f"/{done['id']}/complete")
    return harness


@pytest.mark.parametrize("kind", ["csv", "ics"])
def test_an_export_changes_nothing_where_it_came_from_and_makes_copies_elsewhere(
    filled: Harness, kind: str
) -> None:
    file = filled.ask("GET", "/export", format=kind)
    assert file.headers["content-type"].startswith({"csv": "text/csv", "ics": "text/cal"}[kind])
    assert file.headers["content-disposition"] == f'attachment; filename="tasks.{kind}"'
    assert counts(send(filled, kind, file.content)) == (0, 0, 3, 0)
    assert counts(send(filled, kind, file.content, BEN)) == (3, 0, 0, 0)
    assert counts(send(filled, kind, file.content, BEN)) == (0, 0, 3, 0)
    kept = ("title", "description", "status", "priority", "tags", "due_date", "repeat_rule")
    mine, copies = ([{n: t[n] for n in kept} for t in filled.list(who, sort="priority")["tasks"]]
                    for who in (ANA, BEN))  # fmt: skip
    assert sorted(mine, key=str) == sorted(copies, key=str)
    assert filled.ask("GET", "/stats", who=BEN).json()["by_status"]["completed"] == 1
    # Again after one was changed: that one alone goes back to what the file says.
    changed = filled.list(BEN)["tasks"][0]
    filled.ask("PUT", f"/{changed['id']}", {"title": "renamed"}, who=BEN)
    assert counts(send(filled, kind, file.content, BEN)) == (0, 1, 2, 0)


def test_a_formula_is_text_in_the_csv(filled: Harness) -> None:
    text = filled.ask("GET", "/export").text
    assert "'=HYPERLINK(1)" in text
    assert ",=HYPERLINK" not in text


def test_an_identifier_of_another_program_belongs_to_a_person(harness: Harness) -> None:
    """Ben gives Ana a task under the UID that an entry of her own calendar has."""
    data = b"uid,title,assignee\r\nshared@example.org,%b,%b\r\n"
    ana, ben = ANA.id.encode(), BEN.id.encode()
    (trap,) = send(harness, "csv", data % (b"from Ben", ana), who=BEN)["items"]
    (own,) = send(harness, "csv", data % (b"see a doctor", ana))["items"]
    assert own["outcome"] == "created"
    assert own["id"] != trap["id"]
    assert harness.ask("GET", f"/{trap['id']}", who=BEN).json()["task"]["title"] == "from Ben"
    assert harness.ask("GET", f"/{own['id']}", who=BEN).status_code == 404
    (again,) = send(harness, "csv", data % (b"see a doctor", ana))["items"]
    assert (again["id"], again["outcome"]) == (own["id"], "unchanged")
    # Ben cannot take hers either, whoever is named in his file.
    (other,) = send(harness, "csv", data % (b"from Ben again", ben), who=BEN)["items"]
    assert other["id"] == trap["id"]


def test_a_task_of_another_that_one_has_exported_is_not_doubled(harness: Harness) -> None:
    task = harness.make("water", assignee=ANA.id, who=BEN)
    text = harness.ask("GET", "/export").content
    (item,) = send(harness, "csv", text)["items"]
    assert (item["id"], item["outcome"]) == (task["id"], "unchanged")


def test_a_deleted_task_is_made_again_by_its_file(harness: Harness) -> None:
    data = b"uid,title\r\nu-1,from a file\r\n"
    (item,) = send(harness, "csv", data)["items"]
    harness.ask("DELETE", f"/{item['id']}")
    assert counts(send(harness, "csv", data)) == (1, 0, 0, 0)
    history = harness.ask("GET", f"/{item['id']}/history").json()["history"]
    assert [entry["version"] for entry in history] == [1]


def test_lines_that_are_wrong_fail_by_themselves(harness: Harness) -> None:
    data = (
        b"uid,title,repeat_rule,due_date\r\n1,good,,\r\n2,,,\r\n"
        b"3,never,FREQ=SECONDLY,2026-11-02\r\n1,good again,,\r\n"
    )
    body = send(harness, "csv", data)
    assert counts(body) == (1, 1, 0, 2)
    assert [item["outcome"] for item in body["items"]] == ["created", "failed", "failed", "updated"]
    assert harness.titles() == ["good again"]


def test_an_export_goes_on_where_it_stopped(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        harness.make(f"t{number}")
    monkeypatch.setattr("functions.tasks.files.exchange.MAX_EXPORT", 2)
    titles: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        answer = harness.ask("GET", "/export", **cursor)
        titles += [line.split(",")[1] for line in answer.text.splitlines()[1:]]
        cursor = {"cursor": answer.headers.get("x-next-cursor", "")}
    assert titles == ["t4", "t3", "t2", "t1", "t0"]
    assert "x-next-cursor" not in answer.headers


def test_an_import_with_a_key_is_done_once(harness: Harness) -> None:
    key = {"Idempotency-Key": "file-1"}
    first = send(harness, "csv", b"title\r\nx\r\n", **key)
    assert send(harness, "csv", b"title\r\nx\r\n", **key) == first
    again = harness.ask("POST", "/import", content=b"title\r\ny\r\n", headers=CSV | key)
    assert again.status_code == 409


def test_a_file_of_another_kind_is_refused(sqlite_harness: Harness) -> None:
    for headers in ({}, {"content-type": "application/json"}, {"content-type": "text/html"}):
        answer = sqlite_harness.ask("POST", "/import", content=b"title\r\nx\r\n", headers=headers)
        assert answer.status_code == 400
        assert "text/csv" in answer.json()["error"]["message"]


# ---- hostile callers ----

SQL = ["'; DROP TABLE tasks; --", "' OR '1'='1", '" OR ""="', "%", "_", "\\", "%27", "\u0027||1"]


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_value_is_a_value(harness: Harness, text: str) -> None:
    task = harness.make(text, description=text, category=text)
    harness.make("other")
    assert harness.get(task["id"])["title"] == text
    assert [t["id"] for t in harness.list(category=text)["tasks"]] == [task["id"]]
    assert [t["id"] for t in harness.list(search=text.split()[0])["tasks"]] == [task["id"]]
    assert harness.list()["total"] == 2


@pytest.mark.parametrize(
    "query",
    [
        "sort=title;DROP TABLE tasks",
        "order=desc,(select 1)",
        "status=done",
        "priority=5",
        "tags=a|b",
        "page=0",
        "page=99999999999999999999",
        "page=-1",
        "limit=101",
        "limit=18446744073709551617",
        "search=%00",
        "category=%00",
        "assignee=%00",
        "search=" + "x" * 201,
        "search=a b c d e f g h i",
        "due_before=yesterday",
        "due_before=2026-13-01",
        "due_after=0000-00-00T00:00:00Z",
        "due_after=9999-12-31T23:59:59-14:00",
        "due_before=0001-01-01T00:00:00%2B14:00",
        "due_before=1700000000",
        "cursor=%00",
        "cursor=W10",
        "cursor=" + "a" * 3000,
        "unknown=1",
    ],
)
def test_a_query_outside_its_limits_is_a_400(sqlite_harness: Harness, query: str) -> None:
    answer = sqlite_harness.ask("GET", f"?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    "fields",
    [
        {"title": ""},
        {"title": "   "},
        {"title": "a\nSet-Cookie: x"},
        {"title": "\x00"},
        {"title": "\ud800"},
        {"title": "x" * 201},
        {"title": ["x"]},
        {"title": 7},
        {"description": "x" * 4001},
        {"description": "\x00"},
        {"description": "\udfff"},
        {"tags": ["a"] * 11},
        {"tags": ["a,b"]},
        {"tags": ["\ud83d"]},
        {"category": "\x07"},
        {"assignee": "a b"},
        {"priority": "critical"},
        {"status": "completed"},
        {"progress": 101},
        {"progress": 2**64},
        {"estimated_hours": -1},
        {"estimated_hours": 1e308},
        {"due_date": "2026-11-02T10:00:00"},
        {"due_date": "9999-12-31T23:59:59-01:00"},
        {"due_date": 1e400},
        {"due_date": 1700000000},
        {"reminders": [-1]},
        {"reminders": [10**12]},
        {"parent_id": "../../etc/passwd"},
        {"id": "01KAJQ6T1M5W8Y2Z3X4V5B6N7M"},
        {"created_by": "somebody"},
    ],
    ids=lambda fields: json.dumps(fields)[:50],
)
def test_a_field_outside_its_limits_is_a_400_and_stores_nothing(
    sqlite_harness: Harness, fields: dict[str, Any]
) -> None:
    body = json.dumps({"title": "x"} | fields).encode()
    headers = {"content-type": "application/json"}
    answer = sqlite_harness.ask("POST", "", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert len(answer.content) < 20_000
    assert sqlite_harness.list()["total"] == 0


def test_the_ends_of_time_can_be_stored_and_listed(harness: Harness) -> None:
    first = harness.make("first", due_date="0001-01-01T00:00:00Z")
    last = harness.make("last", due_date="9999-12-31T23:59:59Z")
    assert first["due_date"] == "0001-01-01T00:00:00Z"
    assert harness.get(last["id"])["due_date"] == "9999-12-31T23:59:59Z"
    assert harness.titles(sort="due_date", order="asc", limit=1) == ["first"]
    assert harness.ask("GET", "/export", format="ics").status_code == 200
    assert harness.ask("GET", "/export", format="csv").status_code == 200


def test_ten_megabytes_and_deep_json_are_refused_before_they_are_read(
    sqlite_harness: Harness,
) -> None:
    json_type = {"content-type": "application/json"}
    for path, headers in (("", json_type), ("/bulk", json_type), ("/import", CSV)):
        answer = sqlite_harness.ask("POST", path, content=b"x" * 10_000_000, headers=headers)
        assert answer.status_code == 413
    deep = b'{"title":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    answer = sqlite_harness.ask("POST", "", content=deep, headers=json_type)
    assert answer.status_code == 400
    assert "deep" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["x", "01kajq6t1m5w8y2z3x4v5b6n7m", "%00", "..", "8" * 26])
def test_an_id_that_is_none_is_never_looked_for(sqlite_harness: Harness, path: str) -> None:
    for method in ("GET", "DELETE"):
        assert sqlite_harness.ask(method, f"/{path}", who=BOSS).status_code in (400, 404, 405)


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\x7f"])
def test_a_key_that_is_none_is_refused(sqlite_harness: Harness, key: str) -> None:
    answer = sqlite_harness.ask("POST", "", {"title": "x"}, headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert sqlite_harness.list()["total"] == 0
