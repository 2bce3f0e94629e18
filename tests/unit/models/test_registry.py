"""The registry in a folder: what it keeps, what it refuses, and the way back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from hearth.errors import Conflict, InvalidInput, ModelFailed, NotFound
from hearth_models.files import Folder, file_record
from hearth_models.record import Agreement, ModelRecord, VariantRecord
from hearth_models.registry import MAX_HISTORY, Registry, check_name
from hearth_vision.served_model import model_source, read_served

TIME = "2026-11-26T12:00:00Z"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(Folder(tmp_path / "models"), lambda: TIME)


def given(
    tmp_path: Path, content: bytes, name: str = "helmets", source: str = "best.onnx"
) -> tuple[ModelRecord, Path]:
    path = tmp_path / f"{hashlib.sha256(content).hexdigest()}.onnx"
    path.write_bytes(content)
    file = file_record(path, f"{name}/{hashlib.sha256(content).hexdigest()[:12]}/model.onnx")
    return ModelRecord(
        name=name,
        source=source,
        original=file,
        licence="Apache-2.0",
        family="yolov8-onnx",
        input_size=(64, 96),
        classes=("helmet", "person"),
        added_at=TIME,
    ), path


def added(registry: Registry, tmp_path: Path, content: bytes, **also: str) -> ModelRecord:
    return registry.add(*given(tmp_path, content, **also))


def with_variant(
    registry: Registry, record: ModelRecord, tmp_path: Path, *, accepted: bool
) -> ModelRecord:
    files = []
    for suffix in (".xml", ".bin"):
        path = tmp_path / f"int8{suffix}"
        path.write_bytes(suffix.encode())
        files.append(file_record(path, f"{record.folder}/int8{suffix}"))
        registry.files.add(f"{record.folder}/int8{suffix}", path)
    agreement = Agreement(
        frames=50,
        confidence=0.5,
        iou=0.5,
        original=100,
        variant=100,
        matched=80,
        f1=0.8,
        iou_median=0.9,
        score_difference_median=0.01,
        score_difference_max=0.2,
        frames_with_person=None,
    )
    variant = VariantRecord(
        name="int8",
        files=tuple(files),
        precision="auto",
        method="by hand",
        agreement=agreement,
        accepted=accepted,
        reason="below the bound: F1 0.800",
        speed=2.0,
        processor="none",
        made_at=TIME,
    )
    changed = record.model_copy(update={"variants": (variant,)})
    registry.save(changed)
    return changed


def test_an_empty_registry_lists_and_serves_no_model(registry: Registry) -> None:
    assert registry.records() == []
    assert registry.served().served is None
    with pytest.raises(NotFound, match="there is none: `hearth models add` one"):
        registry.find("helmets")
    with pytest.raises(Conflict, match="nothing to go back to"):
        registry.roll_back()


def test_a_model_is_found_by_name_and_by_the_first_digits_of_its_hash(
    registry: Registry, tmp_path: Path
) -> None:
    record = added(registry, tmp_path, b"one")
    assert registry.find("helmets") == record
    assert registry.find(record.id) == record
    assert registry.find(record.id[:-6]) == record
    copy = tmp_path / "models" / record.original.file
    assert copy.read_bytes() == b"one"


def test_a_new_data_folder_is_private(tmp_path: Path) -> None:
    added(Registry(Folder(tmp_path / "data/models")), tmp_path, b"one")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert not list((tmp_path / "data").rglob(".new-*"))


def test_the_same_bytes_again_change_nothing(registry: Registry, tmp_path: Path) -> None:
    first = added(registry, tmp_path, b"one")
    record, path = given(tmp_path, b"one")
    again = registry.add(record.model_copy(update={"added_at": "2027-01-01T00:00:00Z"}), path)
    assert again == first
    assert len(registry.records()) == 1


def test_the_same_bytes_with_other_classes_are_rejected(registry: Registry, tmp_path: Path) -> None:
    added(registry, tmp_path, b"one")
    record, path = given(tmp_path, b"one")
    with pytest.raises(Conflict, match="other class names"):
        registry.add(record.model_copy(update={"classes": ("a", "b")}), path)


def test_a_name_that_means_two_models_asks_which(registry: Registry, tmp_path: Path) -> None:
    one, two = (added(registry, tmp_path, content) for content in (b"one", b"two"))
    with pytest.raises(Conflict, match="means 2 models") as caught:
        registry.find("helmets")
    assert one.id in caught.value.message
    assert two.id in caught.value.message


def test_an_address_with_other_bytes_than_before_is_rejected(
    registry: Registry, tmp_path: Path
) -> None:
    url = "https://example.org/best.onnx"
    record = added(registry, tmp_path, b"one", source=url)
    registry.refuse_changed_source(url, record.original.sha256)
    registry.refuse_changed_source("https://example.org/other.onnx", "0" * 64)
    with pytest.raises(Conflict, match=r"gave other bytes when .* --sha256 000"):
        registry.refuse_changed_source(url, "0" * 64)


def test_a_promotion_writes_what_the_detector_needs(registry: Registry, tmp_path: Path) -> None:
    record = with_variant(registry, added(registry, tmp_path, b"one"), tmp_path, accepted=True)
    registry.promote(record, "int8")
    served = read_served(tmp_path / "models/served.json")
    assert (served.model_id, served.variant) == (record.id, "int8")
    assert served.classes == ("helmet", "person")
    assert [file.file.rpartition("/")[2] for file in served.files] == [
        "model.onnx",
        "int8.xml",
        "int8.bin",
    ]


def test_rolling_back_returns_to_the_model_and_variant_before(
    registry: Registry, tmp_path: Path
) -> None:
    one = with_variant(registry, added(registry, tmp_path, b"one"), tmp_path, accepted=True)
    two = added(registry, tmp_path, b"two")
    registry.promote(one, "int8")
    registry.promote(one, "original")
    registry.promote(two, "original")
    places = [registry.roll_back().served for _ in range(2)]
    assert [(p.model_id, p.variant) for p in places if p] == [
        (one.id, "original"),
        (one.id, "int8"),
    ]
    with pytest.raises(Conflict, match="nothing to go back to"):
        registry.roll_back()


def test_a_variant_below_the_bound_is_promoted_by_force_only(
    registry: Registry, tmp_path: Path
) -> None:
    record = with_variant(registry, added(registry, tmp_path, b"one"), tmp_path, accepted=False)
    with pytest.raises(Conflict, match=r"not accepted: below the bound: F1 0\.800.*--force"):
        registry.promote(record, "int8")
    assert registry.served().served is None
    assert registry.promote(record, "int8", force=True).served is not None


def test_promoting_the_current_or_a_missing_variant_is_rejected(
    registry: Registry, tmp_path: Path
) -> None:
    record = added(registry, tmp_path, b"one")
    registry.promote(record, "original")
    with pytest.raises(Conflict, match="in force already"):
        registry.promote(record, "original")
    with pytest.raises(NotFound, match="has no variant bf16; it has original"):
        registry.promote(record, "bf16")


def test_the_history_is_bounded(registry: Registry, tmp_path: Path) -> None:
    one, two = (added(registry, tmp_path, content) for content in (b"one", b"two"))
    for _ in range(MAX_HISTORY):
        registry.promote(one, "original")
        registry.promote(two, "original")
    assert len(registry.served().history) == MAX_HISTORY


def test_a_model_in_force_is_not_removed_and_another_one_leaves_nothing(
    registry: Registry, tmp_path: Path
) -> None:
    one, two = (added(registry, tmp_path, content) for content in (b"one", b"two"))
    registry.promote(one, "original")
    registry.promote(two, "original")
    with pytest.raises(Conflict, match="is in force"):
        registry.remove(two)
    registry.remove(one)
    assert registry.records() == [two]
    assert not (tmp_path / "models" / one.folder).exists()
    with pytest.raises(Conflict, match="nothing to go back to"):
        registry.roll_back()


def test_a_file_changed_after_it_was_added_is_detected_by_every_reader(
    registry: Registry, tmp_path: Path
) -> None:
    record = added(registry, tmp_path, b"one")
    registry.promote(record, "original")
    assert [problem for _, problem in registry.verify(record, tmp_path)] == [None]
    (tmp_path / "models" / record.original.file).write_bytes(b"two")
    [(_, problem)] = registry.verify(record, tmp_path)
    assert problem is not None
    assert "has changed since it was added" in problem
    with pytest.raises(ModelFailed, match="has changed since it was added"):
        model_source(tmp_path / "models", (), openvino=True)


def test_a_missing_file_is_detected(registry: Registry, tmp_path: Path) -> None:
    record = added(registry, tmp_path, b"one")
    registry.promote(record, "original")
    (tmp_path / "models" / record.original.file).unlink()
    [(_, problem)] = registry.verify(record, tmp_path)
    assert problem is not None
    assert "is missing" in problem
    with pytest.raises(ModelFailed, match="cannot be read"):
        model_source(tmp_path / "models", (), openvino=True)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{}", '{"schema_version": 2}', '{"schema_version": 1, "served": 7}',
     '{"schema_version": 1, "served": null}', "[" * 5000],
)  # fmt: skip
def test_a_broken_served_json_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "served.json").write_text(text)
    with pytest.raises(ModelFailed, match="promote") as caught:
        model_source(tmp_path, (), openvino=True)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("file", ["../x.onnx", "/etc/passwd", ""])
def test_a_served_json_names_no_file_outside_its_folder(
    registry: Registry, tmp_path: Path, file: str
) -> None:
    registry.promote(added(registry, tmp_path, b"one"), "original")
    manifest = tmp_path / "models/served.json"
    document = json.loads(manifest.read_text())
    document["served"]["original"]["file"] = file
    manifest.write_text(json.dumps(document))
    with pytest.raises(ModelFailed, match="promote the model again"):
        model_source(tmp_path / "models", (), openvino=True)


def test_without_openvino_the_original_replaces_a_variant_with_a_note(
    registry: Registry, tmp_path: Path
) -> None:
    record = with_variant(registry, added(registry, tmp_path, b"one"), tmp_path, accepted=True)
    registry.promote(record, "int8")
    fast = model_source(tmp_path / "models", (), openvino=True)
    assert (fast.variant, fast.program.name, fast.notes) == ("int8", "int8.xml", ())
    slow = model_source(tmp_path / "models", (), openvino=False)
    assert (slow.variant, slow.program.name) == ("original", "model.onnx")
    assert "Variant int8 needs OpenVINO" in slow.notes[0]
    assert slow.sha256 == fast.sha256 == record.original.sha256


def test_other_class_names_than_the_records_are_rejected(
    registry: Registry, tmp_path: Path
) -> None:
    registry.promote(added(registry, tmp_path, b"one"), "original")
    with pytest.raises(ModelFailed, match="class names are given, and differ"):
        model_source(tmp_path / "models", ("a",), openvino=True)


@pytest.mark.parametrize("name", ["clustering", "served.json"])
def test_a_reserved_name_is_rejected(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"the name {name} is taken in a registry"):
        check_name(name)


def test_a_broken_record_names_the_field(registry: Registry, tmp_path: Path) -> None:
    record = added(registry, tmp_path, b"one")
    path = tmp_path / "models" / record.folder / "record.json"
    path.write_text(path.read_text().replace('"Apache-2.0"', "7"))
    with pytest.raises(ModelFailed, match="is not a record of a model: licence"):
        registry.records()


@pytest.mark.parametrize("name", ["", "A", "-a", "a b", "a/b", "..", "x" * 64, "é"])
def test_names_that_are_unsafe_paths_are_rejected(name: str) -> None:
    with pytest.raises(InvalidInput, match="is no name for a model"):
        check_name(name)
