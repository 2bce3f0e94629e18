"""Saved filters of tasks, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.tasks.api import create_app
from functions.tasks.saved_filters import SAVED_FILTERS
from hearth.http.app import lambda_handler_for
from hearth.resource.table import schema_differences
from tests.contract.tasks.desk import ANA, BEN, GUEST, Desk
from tests.support.events import load_event
from tests.support.fakes import LambdaContext


def save(desk: Desk, name: str = "Urgent", **query: Any) -> dict[str, Any]:
    answer = desk.ask("POST", "/filters", {"name": name, "query": query})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_the_table_is_what_the_declaration_says(desk: Desk) -> None:
    assert desk.db.read(lambda tx: schema_differences(tx, SAVED_FILTERS)) == []


def test_the_recorded_event_saves_a_filter(desk: Desk) -> None:
    handler = lambda_handler_for(create_app(desk.service))
    answer = handler(load_event("tasks/http_api_save_filter"), LambdaContext())
    assert answer["statusCode"] == 201
    assert json.loads(answer["body"])["query"]["tags"] == ["home"]


def test_a_list_and_an_export_go_by_a_saved_filter(desk: Desk) -> None:
    for title, priority in (("b", "urgent"), ("a", "urgent"), ("c", "low")):
        desk.make(title, priority=priority, tags=["home"] if title == "a" else [])
        desk.clock.advance(1)
    saved = save(desk, priority=["urgent"], order="asc")
    assert desk.titles(saved=saved["id"]) == ["b", "a"]
    # What the query itself says goes first.
    assert desk.titles(saved=saved["id"], order="desc") == ["a", "b"]
    assert desk.titles(saved=saved["id"], tags=["home"]) == ["a"]
    assert desk.titles(saved=saved["id"], priority="low") == ["c"]
    export = desk.ask("GET", "/export", saved=saved["id"]).text
    assert len(export.strip().splitlines()) == 3, "a heading and two tasks"


def test_pages_of_a_saved_filter_follow_each_other(desk: Desk) -> None:
    for n in range(5):
        desk.make(str(n))
        desk.clock.advance(1)
    saved = save(desk, order="asc")
    first = desk.list(saved=saved["id"], limit=3)
    second = desk.list(saved=saved["id"], limit=3, cursor=first["next_cursor"])
    titles = [task["title"] for page in (first, second) for task in page["tasks"]]
    assert titles == ["0", "1", "2", "3", "4"]


def test_a_saved_filter_shows_no_task_that_its_owner_may_not_see(desk: Desk) -> None:
    desk.make("of ana", who=ANA)
    saved = save(desk)
    assert desk.ask("GET", "", who=BEN, saved=saved["id"]).status_code == 404
    desk.make("of ben", who=BEN)
    assert desk.titles(saved=saved["id"]) == ["of ana"]


def test_the_words_of_the_path_are_no_task(desk: Desk) -> None:
    save(desk)
    assert [one["name"] for one in desk.ask("GET", "/filters").json()["items"]] == ["Urgent"]
    assert desk.ask("GET", "/filters", who=GUEST).status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        {"status": ["nope"]},
        {"status": "pending"},
        {"cursor": "x"},
        {"page": 2},
        {"saved": "01J00000000000000000000000"},
        {"unknown": 1},
        {"due_before": "tomorrow"},
    ],
)
def test_a_query_that_a_list_would_reject_is_not_saved(desk: Desk, query: dict[str, Any]) -> None:
    answer = desk.ask("POST", "/filters", {"name": "x", "query": query})
    assert answer.status_code == 400, answer.text
    assert desk.ask("GET", "/filters").json()["items"] == []


def test_what_is_saved_is_answered_as_it_was_given(desk: Desk) -> None:
    query = {"due_before": "2026-12-01", "overdue": True, "search": "grass"}
    saved = save(desk, **query)
    assert saved["query"].items() >= query.items()
    path = f"/filters/{saved['id']}"
    changed = desk.ask("PATCH", path, {"query": {"search": "hay"}}).json()
    assert (changed["query"]["search"], changed["query"]["overdue"]) == ("hay", False)
    assert desk.ask("DELETE", path, headers={"If-Match": '"1"'}).status_code == 412
    assert desk.ask("DELETE", path).status_code == 200
    assert desk.ask("GET", "", saved=saved["id"]).status_code == 404
