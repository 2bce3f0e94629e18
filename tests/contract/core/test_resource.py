"""The nine operations on a resource over HTTP, on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest

from hearth.db import Database
from hearth.resource.operations import operations_of
from hearth.resource.service import ResourceService
from tests.support.resource_harness import ANA, BEN, GUEST, NOWHERE, ResourceHarness
from tests.support.resources import GADGETS, gadgets


@pytest.fixture
def harness(db: Database) -> ResourceHarness:
    return ResourceHarness(db)


# ---- one row ----


def test_a_row_is_created_read_changed_and_deleted(harness: ResourceHarness) -> None:
    answer = harness.ask("POST", "", {"name": "Desk Lamp", "weight": 1.5, "shape": {"corners": 4}})
    made = answer.json()
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    assert answer.headers["Location"] == f"/api/v1/gadgets/{made['id']}"
    assert made["slug"] == "desk-lamp", "derived"
    assert (made["color"], made["count"], made["enabled"]) == ("red", 0, True), "defaults"
    assert made["owner_id"] == ANA.id
    assert made["created_at"] == made["updated_at"] == "2026-11-02T07:30:00Z"
    assert harness.ask("GET", f"/{made['id']}").json() == made
    harness.clock.advance(60)
    changed = harness.ask("PATCH", f"/{made['id']}", {"name": "Lamp", "weight": None})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert changed.json() == made | {
        "name": "Lamp",
        "slug": "lamp",
        "weight": None,
        "version": 2,
        "updated_at": "2026-11-02T07:31:00Z",
    }
    deleted = harness.ask("DELETE", f"/{made['id']}")
    assert (deleted.status_code, deleted.json()) == (200, {"success": True})
    for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        assert harness.ask(method, f"/{made['id']}", body).status_code == 404
    assert harness.ask("GET", f"/{made['id']}/history").status_code == 404


def test_a_change_to_what_is_there_already_makes_no_version(harness: ResourceHarness) -> None:
    made = harness.make(password="hush")
    for body in ({}, {"name": "Lamp"}, {"password": "hush"}):
        assert harness.ask("PATCH", f"/{made['id']}", body).json() == made
    assert harness.events("updated") == []


def test_the_row_of_somebody_else_does_not_exist(harness: ResourceHarness) -> None:
    row_id = harness.make()["id"]
    for method, path, body in (
        ("GET", f"/{row_id}", None),
        ("PATCH", f"/{row_id}", {"name": "Mine"}),
        ("DELETE", f"/{row_id}", None),
        ("GET", f"/{row_id}/history", None),
    ):
        theirs = harness.ask(method, path, body, who=BEN)
        nothing = harness.ask(method, path.replace(row_id, NOWHERE), body, who=BEN)
        assert theirs.status_code == nothing.status_code == 404
        message = nothing.json()["error"]["message"].replace(NOWHERE, row_id)
        assert theirs.json()["error"]["message"] == message
    for method, path, item in (
        ("PATCH", "/bulk", {"id": row_id, "changes": {"name": "Mine"}}),
        ("POST", "/bulk/delete", {"id": row_id}),
    ):
        [result] = harness.ask(method, path, {"items": [item]}, who=BEN).json()["items"]
        assert result["status"] == 404
    assert harness.ask("GET", who=BEN).json()["items"] == []
    # The name is free for another owner, and upsert finds only one's own row.
    upsert = harness.ask("PUT", "/bulk", {"items": [{"name": "Lamp"}]}, who=BEN).json()["items"]
    assert upsert[0]["status"] == 201
    assert harness.names() == ["Lamp"]


def test_shared_rows_are_everybody_s(db: Database) -> None:
    harness = ResourceHarness(db, gadgets(scope="shared"))
    made = harness.make()
    assert harness.ask("GET", f"/{made['id']}", who=BEN).json() == made
    assert harness.ask("POST", "", {"name": "Lamp"}, who=BEN).status_code == 409
    changed = harness.ask("PATCH", f"/{made['id']}", {"name": "Ours"}, who=BEN).json()
    assert (changed["name"], changed["owner_id"]) == ("Ours", ANA.id)
    history = harness.ask("GET", f"/{made['id']}/history").json()["items"]
    assert [entry["changed_by"] for entry in history] == [BEN.id, ANA.id]


def test_who_may_not_is_refused(harness: ResourceHarness) -> None:
    assert harness.ask("GET", who=None).status_code == 401
    for method, path in (("GET", ""), ("GET", f"/{NOWHERE}"), ("DELETE", f"/{NOWHERE}")):
        assert harness.ask(method, path, who=GUEST).status_code == 403
    for method, path in (("POST", "/bulk"), ("PATCH", "/bulk"), ("PUT", "/bulk")):
        assert harness.ask(method, path, {"items": [{"name": "x"}]}, who=GUEST).status_code == 403


# ---- ETag, If-Match, Idempotency-Key ----


def test_an_etag_guards_a_change(harness: ResourceHarness) -> None:
    path = f"/{harness.make()['id']}"
    fresh = harness.ask("GET", path)
    assert harness.ask("GET", path, headers={"If-None-Match": fresh.headers["ETag"]}).content == b""
    for known, status in (('"1"', 304), ('W/"1"', 304), ('"9", "1"', 304), ("*", 304),
                          ('"11"', 200), ('"2"', 200)):  # fmt: skip
        answer = harness.ask("GET", path, headers={"If-None-Match": known})
        assert answer.status_code == status, known
    for tag in ('"2"', 'W/"1"', '"x"', "1", '"0"', '"2", "3"'):
        answer = harness.ask("PATCH", path, {"name": "New"}, headers={"If-Match": tag})
        assert (answer.status_code, answer.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
        assert harness.ask("DELETE", path, headers={"If-Match": tag}).status_code == 412
    listed = harness.ask("PATCH", path, {"name": "New"}, headers={"If-Match": '"7", "1"'})
    assert (listed.status_code, listed.headers["ETag"]) == (200, '"2"')
    assert harness.ask("DELETE", path, headers={"If-Match": '"1"'}).status_code == 412
    assert harness.ask("DELETE", path, headers={"If-Match": "*"}).status_code == 200


def test_a_repeated_request_with_a_key_is_answered_again(harness: ResourceHarness) -> None:
    key = {"Idempotency-Key": "k1"}
    first = harness.ask("POST", "", {"name": "Lamp"}, headers=key)
    again = harness.ask("POST", "", {"name": "Lamp"}, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["ETag"] == first.headers["ETag"]
    assert "Idempotency-Replayed" not in first.headers
    other = harness.ask("POST", "", {"name": "Other"}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "CONFLICT")
    # A key is the caller's own, and of one operation.
    assert harness.ask("POST", "", {"name": "Lamp"}, headers=key, who=BEN).status_code == 201
    assert harness.ask("POST", "/bulk", {"items": [{"name": "x"}]}, headers=key).status_code == 409
    bulk = {"Idempotency-Key": "k2"}
    answers = [
        harness.ask("POST", "/bulk", {"items": [{"name": "a"}, {"name": "b"}]}, headers=bulk)
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert sorted(harness.names()) == ["Lamp", "a", "b"]


# ---- lists ----


def test_a_list_goes_by_pages(harness: ResourceHarness) -> None:
    for n in range(7):
        harness.make(f"g{n}", count=n)
        harness.clock.advance(1)
    query = {"filter": '{"count": {"$gte": 1}}', "order": "-count", "limit": 2}
    found, cursor = [], None
    while True:
        page = harness.ask("GET", **query, **({"cursor": cursor} if cursor else {})).json()
        found += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        harness.ask("DELETE", f"/{page['items'][-1]['id']}")  # the place stays
    assert found == ["g6", "g5", "g4", "g3", "g2", "g1"]


def test_a_query_that_is_none_is_rejected(harness: ResourceHarness) -> None:
    harness.make("a")
    harness.make("b")
    cursor = harness.ask("GET", limit=1).json()["next_cursor"]
    for wrong in (
        {"filter": '{"nope": 1}'},
        {"filter": "x" * 60_000},
        {"filter": '{"password": {"$contains": "h"}}'},
        {"order": "password"},
        {"order": "shape"},
        {"limit": 0},
        {"limit": 101},
        {"cursor": "x"},
        {"cursor": cursor, "order": "name"},
        {"cursor": cursor, "filter": '{"count": 0}'},
        {"fliter": "{}"},
    ):
        answer = harness.ask("GET", **wrong)
        assert answer.status_code == 400, wrong
        assert len(answer.content) < 5_000
    assert harness.ask("GET", cursor=cursor, limit=1).status_code == 200


def test_a_list_in_its_usual_order_reads_one_index(db: Database) -> None:
    if not db.is_sqlite:
        pytest.skip("PostgreSQL reads so few rows without an index")
    harness = ResourceHarness(db)
    harness.make()
    query = (
        "EXPLAIN QUERY PLAN SELECT * FROM gadgets WHERE owner_id = 'ana' "
        "ORDER BY created_at DESC, id DESC LIMIT 20"
    )
    plan = harness.db.read(lambda tx: str(tx.exec_driver_sql(query).all()))
    assert "ix_gadgets_created_at" in plan
    assert "TEMP B-TREE" not in plan


# ---- bulk ----


def test_each_item_of_a_bulk_call_succeeds_or_fails_by_itself(harness: ResourceHarness) -> None:
    harness.make("taken")
    answer = harness.ask(
        "POST", "/bulk", {"items": [{"name": n} for n in ("a", "taken", "reserved", "b", "a")]}
    ).json()
    assert [item["status"] for item in answer["items"]] == [201, 409, 409, 201, 409]
    assert (answer["succeeded"], answer["failed"]) == (2, 3)
    assert answer["items"][1]["error"] == {
        "code": "CONFLICT",
        "message": "gadget 'taken' exists already",
    }
    a, b = answer["items"][0], answer["items"][3]
    changes = [
        {"id": a["id"], "changes": {"count": 5}},
        {"id": b["id"], "version": 7, "changes": {"count": 5}},
        {"id": NOWHERE, "changes": {"count": 5}},
        {"id": b["id"], "version": 1, "changes": {"name": "a"}},
        {"id": a["id"], "version": 2, "changes": {"count": 6}},
    ]
    answer = harness.ask("PATCH", "/bulk", {"items": changes}).json()
    assert [item["status"] for item in answer["items"]] == [200, 412, 404, 409, 200]
    assert answer["items"][4]["version"] == 3
    gone = [{"id": a["id"], "version": 1}, {"id": a["id"]}, {"id": a["id"]}, {"id": b["id"]}]
    answer = harness.ask("POST", "/bulk/delete", {"items": gone}).json()
    assert [item["status"] for item in answer["items"]] == [412, 200, 404, 200]
    assert harness.names() == ["taken"]


def test_an_upsert_creates_what_is_missing_and_changes_what_is_there(
    harness: ResourceHarness,
) -> None:
    old = harness.make("old", count=1, notes="kept")
    items = [{"name": "old", "count": 2}, {"name": "new", "count": 3}, {"name": "new", "count": 4}]
    answer = harness.ask("PUT", "/bulk", {"items": items}).json()
    assert [item["status"] for item in answer["items"]] == [200, 201, 200]
    assert answer["items"][0]["id"] == old["id"]
    assert harness.ask("GET", f"/{old['id']}").json()["notes"] == "kept"
    assert sorted(harness.names(filter='{"count": {"$in": [2, 4]}}')) == ["new", "old"]
    again = harness.ask("PUT", "/bulk", {"items": items[:2]}).json()["items"]
    assert [(item["status"], item["version"]) for item in again] == [(200, 2), (200, 3)]


def test_upserts_at_the_same_time_make_one_row_of_each_name(harness: ResourceHarness) -> None:
    def upsert(n: int) -> list[int]:
        names = [f"g{k}" for k in range(10)]
        items = [{"name": name, "count": n} for name in (names if n % 2 else names[::-1])]
        answer = harness.ask("PUT", "/bulk", {"items": items})
        assert answer.status_code == 200, answer.text
        return [item["status"] for item in answer.json()["items"]]

    with ThreadPoolExecutor(4) as pool:
        statuses = [status for found in pool.map(upsert, range(8)) for status in found]
    assert set(statuses) <= {200, 201}
    assert statuses.count(201) == 10
    assert sorted(harness.names(limit=100)) == sorted(f"g{k}" for k in range(10))


def test_changes_at_the_same_time_are_all_counted(harness: ResourceHarness) -> None:
    row_id = harness.make()["id"]

    def change(n: int) -> int:
        return harness.ask("PATCH", f"/{row_id}", {"notes": f"n{n}"}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(change, range(12))) == {200}
    assert harness.ask("GET", f"/{row_id}").json()["version"] == 13
    versions = [e["version"] for e in harness.ask("GET", f"/{row_id}/history").json()["items"]]
    assert versions == list(range(13, 0, -1))


def test_of_changes_to_one_version_at_the_same_time_one_is_stored(harness: ResourceHarness) -> None:
    row_id = harness.make()["id"]

    def change(n: int) -> int:
        headers = {"If-Match": '"1"'}
        return harness.ask("PATCH", f"/{row_id}", {"count": n}, headers=headers).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(change, range(1, 9)))
    assert sorted(statuses) == [200] + [412] * 7
    assert harness.ask("GET", f"/{row_id}").json()["version"] == 2


def test_requests_with_one_key_at_the_same_time_make_one_row(harness: ResourceHarness) -> None:
    def create(_: int) -> httpx.Response:
        return harness.ask("POST", "", {"name": "Lamp"}, headers={"Idempotency-Key": "k"})

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(create, range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert harness.names() == ["Lamp"]


def test_a_resource_without_a_unique_field_has_all_but_upsert(db: Database) -> None:
    name, *others = GADGETS.fields
    harness = ResourceHarness(
        db, gadgets(fields=(replace(name, unique=False), *others), events=None)
    )
    made = [harness.make("Lamp", password=f"p{n}") for n in range(2)]
    answer = harness.ask("POST", "/bulk", {"items": [{"name": "Lamp"}] * 3}).json()
    assert [item["status"] for item in answer["items"]] == [201] * 3
    assert len(harness.names()) == 5
    assert harness.ask("PATCH", f"/{made[0]['id']}", {"name": "Torch"}).status_code == 200
    assert harness.ask("DELETE", f"/{made[1]['id']}").status_code == 200
    assert harness.ask("PUT", "/bulk", {"items": [{"name": "Lamp"}]}).status_code == 405
    assert next(row.get("password") for row in harness.service.every()) == "p0"


def test_rows_are_bounded(db: Database) -> None:
    harness = ResourceHarness(db, gadgets(max_rows=3))
    answer = harness.ask("POST", "/bulk", {"items": [{"name": f"g{n}"} for n in range(5)]}).json()
    assert [item["status"] for item in answer["items"]] == [201, 201, 201, 409, 409]
    full = harness.ask("POST", "", {"name": "x"})
    assert full.status_code == 409
    assert full.json()["error"]["message"] == "there are 3 gadgets; delete some first"
    assert harness.ask("POST", "", {"name": "x"}, who=BEN).status_code == 201


# ---- the declaration ----


def test_the_document_names_every_field_and_never_answers_a_secret(
    harness: ResourceHarness,
) -> None:
    document = harness.app.openapi()
    schemas = document["components"]["schemas"]
    assert set(schemas["GadgetOut"]["properties"]) == {field.name for field in GADGETS.stored}
    assert "password" in schemas["GadgetIn"]["properties"]
    assert schemas["GadgetIn"]["required"] == ["name"]
    assert schemas["GadgetIn"]["properties"]["name"]["maxLength"] == 80
    assert "slug" not in schemas["GadgetIn"]["properties"]
    assert "serial" not in schemas["GadgetChanges"]["properties"]
    assert "required" not in schemas["GadgetChanges"]
    operations = {
        operation["summary"]: (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert len(operations) == 10
    assert operations["Upsert Gadgets"] == ("put", "/api/v1/gadgets/bulk")


def test_operations_can_be_read_without_a_service() -> None:
    kinds = {one.kind: one for one in operations_of(GADGETS)}
    assert set(kinds) == {
        *("create", "get", "update", "delete", "list", "history"),
        *("bulk_create", "bulk_update", "bulk_upsert", "bulk_delete"),
    }
    assert all(hasattr(ResourceService, kind) for kind in kinds)
    assert kinds["create"].takes is not None
    assert kinds["create"].takes.__name__ == "GadgetIn"
    assert {one.permission for one in kinds.values()} == {"tasks:read", "tasks:write"}
    without_key = gadgets(fields=tuple(f for f in GADGETS.fields if not f.unique))
    assert "bulk_upsert" not in {one.kind for one in operations_of(without_key)}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"table": "Gadgets"}, "snake case"),
        ({"fields": (*GADGETS.fields, GADGETS.fields[0])}, "one field 'name' only"),
        ({"fields": (GADGETS.field("id"),)}, "one field 'id' only"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_rejected(
    changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        gadgets(**changes)


def test_the_shared_tables_are_what_the_code_says(db: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from hearth.resource.table import metadata

    options = {
        "include_name": lambda name, kind, _: kind != "table" or name in metadata.tables,
        "compare_type": True,
    }
    differences = db.read(
        lambda tx: compare_metadata(MigrationContext.configure(tx, opts=options), metadata)
    )
    assert list(differences) == []
