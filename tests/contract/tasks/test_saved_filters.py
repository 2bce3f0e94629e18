"""Saved filters of tasks, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.tasks.api import create_app
from functions.tasks.saved_filters import SAVED_FILTERS
from hearth.http.app import lambda_handler_for
from hearth.resource.table import schema_differences
from tests.contract.tasks.harness import ANA, BEN, GUEST, Harness
from tests.support.events import load_event
from tests.support.fakes import LambdaContext


def save(harness: Harness, name: str = "Urgent", **query: Any) -> dict[str, Any]:
    answer = harness.ask("POST", "/filters", {"name": name, "query": query})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_the_table_is_what_the_declaration_says(harness: Harness) -> None:
    assert harness.db.read(lambda tx: schema_differences(tx, SAVED_FILTERS)) == []


def test_the_recorded_event_saves_a_filter(harness: Harness) -> None:
    handler = lambda_handler_for(create_app(harness.services))
    answer = handler(load_event("tasks/http_api_save_filter"), LambdaContext())
    assert answer["statusCode"] == 201
    assert json.loads(answer["body"])["query"]["tags"] == ["home"]


def test_a_list_and_an_export_go_by_a_saved_filter(harness: Harness) -> None:
    for title, priority in (("b", "urgent"), ("a", "urgent"), ("c", "low")):
        harness.make(title, priority=priority, tags=["home"] if title == "a" else [])
        harness.clock.advance(1)
    saved = save(harness, priority=["urgent"], order="asc")
    assert harness.titles(saved=saved["id"]) == ["b", "a"]
    # What the query itself says goes first.
    assert harness.titles(saved=saved["id"], order="desc") == ["a", "b"]
    assert harness.titles(saved=saved["id"], tags=["home"]) == ["a"]
    assert harness.titles(saved=saved["id"], priority="low") == ["c"]
    export = harness.ask("GET", "/export", saved=saved["id"]).text
    assert len(export.strip().splitlines()) == 3, "a heading and two tasks"


def test_pages_of_a_saved_filter_follow_each_other(harness: Harness) -> None:
    for n in range(5):
        harness.make(str(n))
        harness.clock.advance(1)
    saved = save(harness, order="asc")
    first = harness.list(saved=saved["id"], limit=3)
    second = harness.list(saved=saved["id"], limit=3, cursor=first["next_cursor"])
    titles = [task["title"] for page in (first, second) for task in page["tasks"]]
    assert titles == ["0", "1", "2", "3", "4"]


def test_a_saved_filter_shows_no_task_that_its_owner_may_not_see(harness: Harness) -> None:
    harness.make("of ana", who=ANA)
    saved = save(harness)
    assert harness.ask("GET", "", who=BEN, saved=saved["id"]).status_code == 404
    harness.make("of ben", who=BEN)
    assert harness.titles(saved=saved["id"]) == ["of ana"]


def test_the_words_of_the_path_are_no_task(harness: Harness) -> None:
    save(harness)
    assert [one["name"] for one in harness.ask("GET", "/filters").json()["items"]] == ["Urgent"]
    assert harness.ask("GET", "/filters", who=GUEST).status_code == 403


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
def test_a_query_that_a_list_would_reject_is_not_saved(
    harness: Harness, query: dict[str, Any]
) -> None:
    answer = harness.ask("POST", "/filters", {"name": "x", "query": query})
    assert answer.status_code == 400, answer.text
    assert harness.ask("GET", "/filters").json()["items"] == []


def test_what_is_saved_is_answered_as_it_was_given(harness: Harness) -> None:
    query = {"due_before": "2026-12-01", "overdue": True, "search": "grass"}
    saved = save(harness, **query)
    assert saved["query"].items() >= query.items()
    path = f"/filters/{saved['id']}"
    changed = harness.ask("PATCH", path, {"query": {"search": "hay"}}).json()
    assert (changed["query"]["search"], changed["query"]["overdue"]) == ("hay", False)
    assert harness.ask("DELETE", path, headers={"If-Match": '"1"'}).status_code == 412
    assert harness.ask("DELETE", path).status_code == 200
    assert harness.ask("GET", "", saved=saved["id"]).status_code == 404
