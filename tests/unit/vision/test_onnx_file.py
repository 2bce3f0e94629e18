from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hearth.errors import ModelFailed
from hearth_vision.onnx_file import MAX_BYTES, OnnxFile, read_onnx_file


def message(field: int, payload: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return bytes([field << 3 | 2, len(payload)]) + payload


SMALLEST = b"\x08\x0a" + message(7, b"")  # an IR version and an empty graph


def write(path: Path, data: bytes) -> Path:
    file = path / "m.onnx"
    file.write_bytes(data)
    return file


def test_hash_and_metadata_are_read(tmp_path: Path) -> None:
    pair = message(1, b"names") + message(2, b"{0: 'person', 1: 'helmet'}")
    file = read_onnx_file(write(tmp_path, SMALLEST + message(14, pair)))
    assert file.classes == ("person", "helmet")
    assert len(file.sha256) == 64


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"GIF89a not a model", "not an ONNX file"),
        (b"\x08\x0a", "it holds no graph"),
        (SMALLEST[:-1], "cut short"),
        (SMALLEST + b"\x0b", "not an ONNX file"),
        (b"\xff" * 64, "not an ONNX file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not an ONNX file"),
    ],
)
def test_a_file_that_is_not_a_model_is_rejected(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(ModelFailed, match=reason):
        read_onnx_file(write(tmp_path, data))


def test_a_missing_file_and_a_folder_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ModelFailed, match=r"nowhere\.onnx does not exist"):
        read_onnx_file(tmp_path / "nowhere.onnx")
    with pytest.raises(ModelFailed, match="is not a file"):
        read_onnx_file(tmp_path)


def test_a_file_over_one_gigabyte_is_rejected_without_reading_it(tmp_path: Path) -> None:
    file = write(tmp_path, SMALLEST)
    with file.open("r+b") as handle:
        handle.truncate(MAX_BYTES + 1)  # sparse: takes no room
    with pytest.raises(ModelFailed, match=f"at most {MAX_BYTES}"):
        read_onnx_file(file)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=64), st.binary(max_size=64).map(lambda b: SMALLEST + b)))
def test_any_bytes_give_a_model_file_or_one_clear_error(tmp_path: Path, data: bytes) -> None:
    file = write(tmp_path, data)
    with contextlib.suppress(ModelFailed):
        assert read_onnx_file(file).path == file


@pytest.mark.parametrize(
    ("text", "names"),
    [("", ()), ("['a', 'b']", ("a", "b")), ("{1: 'b', 0: 'a'}", ("a", "b"))],
)
def test_class_names_of_the_exporter_come_in_order(text: str, names: tuple[str, ...]) -> None:
    assert OnnxFile(Path("m.onnx"), "", {"names": text}).classes == names


@pytest.mark.parametrize("text", ["{0: 'a', 2: 'c'}", "{0: 1}", "rubbish(", "__import__('os')"])
def test_invalid_class_names_in_metadata_are_rejected(text: str) -> None:
    with pytest.raises(ModelFailed, match="class names cannot be read"):
        _ = OnnxFile(Path("m.onnx"), "", {"names": text}).classes


@pytest.mark.parametrize(
    ("text", "size"),
    [("", None), ("[480, 640]", (480, 640)), ("320", (320, 320)), ("'big'", None), ("[1]", None)],
)
def test_the_exporters_input_size_is_read(text: str, size: tuple[int, int] | None) -> None:
    assert OnnxFile(Path("m.onnx"), "", {"imgsz": text}).input_size == size
