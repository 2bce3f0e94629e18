"""Saved models: whole or not there, loaded only if the manifest agrees, named and taken back."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
from sqlalchemy import inspect

from functions.clustering.algorithms.fitted import ClusterModel
from functions.clustering.repository.tables import metadata, models_table
from functions.clustering.saved.model_file import dump_model, load_model
from hearth.errors import Conflict, ModelFailed, NotFound, Unavailable
from tests.contract.clustering.harness import ANA, BOSS, Harness, manifest_of, model


def rezipped(data: bytes, **changes: bytes | None) -> bytes:
    """The archive with members replaced, added or (None) left out."""
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        members = {name: source.read(name) for name in source.namelist()} | changes
        for name, content in members.items():
            if content is not None:
                target.writestr(name, content)
    return result.getvalue()


def poisoned() -> bytes:
    """As a file that calls os.system when it is loaded would look."""
    schema = {
        "__class__": "system",
        "__module__": "posix",
        "__loader__": "FunctionNode",
        "__id__": 1,
        "content": {"module_path": "posix", "function": "system"},
        "protocol": 2,
        "_skops_version": "0.16.0",
    }
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    return result.getvalue()


# ---- files ----


def test_a_model_round_trips() -> None:
    fitted = model()
    again = load_model(dump_model(fitted))
    assert isinstance(again, ClusterModel)
    assert again.columns == fitted.columns
    np.testing.assert_array_equal(again.points, fitted.points)
    assert again.points.dtype == np.float32


def test_the_same_model_gives_the_same_bytes() -> None:
    assert dump_model(model()) == dump_model(model())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be read"),
        (b"\x80\x04\x95\x10\x00\x00\x00", "cannot be read"),
        (dump_model(model())[:-40], "cannot be read"),
        (rezipped(dump_model(model()), **{"schema.json": None}), "cannot be read"),
        (rezipped(dump_model(model()), **{"schema.json": b"{}"}), "cannot be read"),
        (rezipped(dump_model(model()), **{"../evil.py": b"1"}), "holds what no model has"),
        (rezipped(dump_model(model()), **{"9.npy": b"\x00" * 300_000_000}), "unpacks to 300"),
        (poisoned(), "posix.system, which is never loaded"),
    ],
)
def test_a_file_that_is_not_a_model_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ModelFailed, match=message):
        load_model(data)


# ---- kept ----


def test_a_saved_model_is_found_by_id_and_once_it_is_promoted_by_name(harness: Harness) -> None:
    kept = harness.keep()
    assert harness.registry.find(kept.model_id) == kept
    with pytest.raises(NotFound, match="no model is promoted to the name 'rooms'"):
        harness.registry.find("rooms")
    harness.registry.promote(kept.model_id, BOSS.id)
    assert harness.registry.find("rooms") == kept


def test_a_model_whose_file_could_not_be_stored_does_not_exist(home: Harness) -> None:
    home.store.offline = True
    with pytest.raises(Unavailable):
        home.keep()
    assert home.get("/models")["models"] == []


def test_a_model_whose_row_could_not_be_written_does_not_exist(
    home: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(home.registry, "add", fail)
    with pytest.raises(Unavailable):
        home.keep()
    assert home.get("/models")["models"] == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[:-1], "is not the one that was saved"),
        (lambda data: bytes([data[0] ^ 1]) + data[1:], "sha256 does not agree"),
        (lambda _: poisoned(), "is not the one that was saved"),
        (lambda _: None, "does not exist"),
    ],
)
def test_a_file_that_does_not_agree_with_its_manifest_is_not_loaded(
    home: Harness, spoil: Any, message: str
) -> None:
    kept = home.keep()
    data = spoil(home.store.objects.pop(kept.file_key))
    if data is not None:
        home.store.objects[kept.file_key] = data
    status, code, told = home.refused("/score", {"model": kept.model_id, "data": [[1, 2]]})
    assert (status, code) == (500, "MODEL_FAILED")
    assert message in told


def test_a_malicious_file_is_refused_though_its_manifest_agrees(home: Harness) -> None:
    evil = poisoned()
    manifest = manifest_of(evil)
    home.registry.save(manifest, evil)
    status, code, told = home.refused("/score", {"model": manifest.model_id, "data": [[1, 2]]})
    assert (status, code) == (500, "MODEL_FAILED")
    assert "posix.system, which is never loaded" in told


def test_a_model_of_another_version_of_the_library_is_a_conflict_that_names_both(
    home: Harness,
) -> None:
    kept = home.keep(libraries={"scikit-learn": "1.2.3", "skops": "0.1"})
    status, code, told = home.refused("/score", {"model": kept.model_id, "data": [[1, 2]]})
    assert (status, code) == (409, "CONFLICT")
    assert "fitted with scikit-learn 1.2.3 and here is" in told


def test_a_file_with_another_models_columns_is_not_used(home: Harness) -> None:
    data = dump_model(model(("x", "y")))
    manifest = manifest_of(data)
    home.registry.save(manifest, data)
    _, code, told = home.refused("/score", {"model": manifest.model_id, "data": [[1, 2]]})
    assert code == "MODEL_FAILED"
    assert "is that of another model" in told


def test_a_model_whose_file_differs_from_its_manifest_is_not_kept(home: Harness) -> None:
    with pytest.raises(ModelFailed, match="is not the one that its manifest names"):
        home.registry.save(manifest_of(b"one"), b"two")
    assert home.get("/models")["models"] == []


# ---- listed and compared ----


def test_models_are_listed_newest_first_by_pages_and_by_name(harness: Harness) -> None:
    kept = [harness.keep(model_id=f"01J{n:023d}", name=f"m{n % 2}") for n in range(5)]
    ids = [one.model_id for one in reversed(kept)]
    first = harness.get("/models", query="limit=2")
    assert [one["model_id"] for one in first["models"]] == ids[:2]
    rest = harness.get("/models", query=f"limit=3&cursor={first['next_cursor']}")
    assert [one["model_id"] for one in rest["models"]] == ids[2:]
    assert rest["next_cursor"] is None
    named = harness.get("/models", query="name=m1")
    assert [one["model_id"] for one in named["models"]] == [ids[1], ids[3]]


def test_models_are_compared_property_by_property(harness: Harness) -> None:
    one = harness.keep(metrics={"silhouette": 0.4})
    two = harness.keep(metrics={"silhouette": 0.6}, training_sha256="1" * 64)
    told = harness.get("/models/compare", query=f"id={one.model_id}&id={two.model_id}")
    fields = {field["field"]: field for field in told["fields"]}
    assert fields["metrics.silhouette"]["values"] == [0.4, 0.6]
    assert fields["metrics.silhouette"]["differs"]
    assert not fields["parameters.n_clusters"]["differs"]
    assert (told["same_operation"], told["same_training_data"]) == (True, False)


# ---- names ----


def promoted(harness: Harness, name: str = "rooms") -> str | None:
    found: str | None = harness.get("/models/status")["promoted"].get(name)
    return found


def test_a_model_is_promoted_and_rolled_back(harness: Harness) -> None:
    one, two, three = (harness.keep().model_id for _ in range(3))
    for model_id in (one, two, three):
        harness.clock.advance(1)
        assert harness.post(f"/models/{model_id}/promote", None)["promoted"]
        assert promoted(harness) == model_id
    harness.clock.advance(1)
    assert harness.post(f"/models/{three}/rollback", None)["model_id"] == two
    assert harness.post(f"/models/{two}/rollback", None)["model_id"] == one
    assert promoted(harness) == one


def test_a_repeated_roll_back_goes_back_once(harness: Harness) -> None:
    one, two, three = (harness.keep().model_id for _ in range(3))
    for model_id in (one, two, three):
        harness.clock.advance(1)
        harness.post(f"/models/{model_id}/promote", None)
    harness.post(f"/models/{three}/rollback", None)
    status, code, _ = harness.refused(f"/models/{three}/rollback", None)
    assert (status, code) == (409, "CONFLICT")
    assert promoted(harness) == two


def test_promoting_again_changes_nothing(harness: Harness) -> None:
    one, two = harness.keep().model_id, harness.keep().model_id
    for model_id in (one, two, two):
        harness.clock.advance(1)
        harness.post(f"/models/{model_id}/promote", None)
    assert harness.post(f"/models/{two}/rollback", None)["model_id"] == one


def test_the_first_of_its_name_cannot_be_rolled_back(harness: Harness) -> None:
    one = harness.keep().model_id
    harness.post(f"/models/{one}/promote", None)
    status, _, message = harness.refused(f"/models/{one}/rollback", None)
    assert status == 409
    assert "no model was called rooms before" in message
    assert promoted(harness) == one


def test_a_promoted_model_is_not_deleted_and_another_one_leaves_nothing(harness: Harness) -> None:
    one, two = harness.keep(), harness.keep()
    for kept in (one, two):
        harness.clock.advance(1)
        harness.post(f"/models/{kept.model_id}/promote", None)
    status, _, message = harness.refused(f"/models/{two.model_id}", None, method="DELETE")
    assert status == 409
    assert "promote another or roll back first" in message
    assert harness.ask("DELETE", f"/models/{one.model_id}") == (204, None)
    assert one.file_key not in harness.store.objects
    assert harness.refused(f"/models/{one.model_id}", None, method="GET")[0] == 404
    # Nor can a roll-back bring it back.
    assert harness.refused(f"/models/{two.model_id}/rollback", None)[0] == 409


@pytest.mark.parametrize("what", ["promote", "rollback"])
def test_a_model_that_does_not_exist_is_not_found(harness: Harness, what: str) -> None:
    status, code, _ = harness.refused("/models/01J00000000000000000000000/" + what, None)
    assert (status, code) == (404, "NOT_FOUND")


def test_changing_models_needs_the_permission_to_manage(home: Harness) -> None:
    kept = home.keep()
    for method, path in (("POST", "/promote"), ("POST", "/rollback"), ("DELETE", "")):
        status, _, message = home.refused(f"/models/{kept.model_id}{path}", None, ANA, method)
        assert status == 403
        assert "clustering:manage" in message
    assert home.get(f"/models/{kept.model_id}", ANA)["name"] == "rooms"


def test_a_repeated_save_changes_nothing(harness: Harness) -> None:
    kept = harness.keep()
    harness.db.write(lambda tx: harness.registry.add(tx, kept.model_copy(update={"rows": 99})))
    assert harness.registry.find(kept.model_id).rows == 10


def test_the_tables_are_those_of_the_migration(harness: Harness) -> None:
    found = inspect(harness.db.engine)
    for table in metadata.sorted_tables:
        columns = {column["name"]: column for column in found.get_columns(table.name)}
        assert set(columns) == set(table.columns.keys()), table.name
        indexes = {str(index["name"]) for index in found.get_indexes(table.name)}
        assert {str(index.name) for index in table.indexes} <= indexes
    assert models_table.name == "clustering_models"


def test_a_roll_back_without_a_promotion_is_a_conflict(harness: Harness) -> None:
    with pytest.raises(Conflict, match="is not promoted"):
        harness.registry.roll_back(harness.keep().model_id, BOSS.id)
