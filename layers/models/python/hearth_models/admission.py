"""Checks a model file before it enters the registry, and writes its record."""

from __future__ import annotations

from pathlib import Path

from hearth.errors import ModelFailed
from hearth_models.files import file_record
from hearth_models.record import DIGEST_SIGNS, MAX_LICENCE, UNKNOWN_LICENCE, ModelRecord
from hearth_vision.backends.onnx_runtime import leaves_size_free
from hearth_vision.class_meaning import what_is_missing
from hearth_vision.decoding.end_to_end import EndToEndDecoder
from hearth_vision.detector import DetectorConfig
from hearth_vision.loading import load_detector
from hearth_vision.onnx_file import has_external_data, read_onnx_file

_FREE_SIZE = "it leaves its input's size free and names none"


def admit(
    path: Path, name: str, source: str, classes: tuple[str, ...], licence: str, added_at: str
) -> ModelRecord:
    """Run a model once and describe it.

    It is run on ONNX Runtime, in float32: what is checked is the file, not a conversion.

    Args:
        path: ONNX file.
        classes: Names; empty means those in the file.
        licence: As its giver says it; empty means what the file says.
        added_at: RFC 3339.

    Raises:
        ModelFailed: It is no detector that we can read, or answers nonsense; one sentence.
    """
    file = read_onnx_file(path)
    if has_external_data(path):
        raise ModelFailed(
            f"model {path.name} keeps its weights in another file, which would not come along; "
            f"export it as one file"
        )
    detector = load_detector(
        DetectorConfig(path, classes, backend="onnxruntime", precision="float32")
    )
    record = file_record(path, "")
    if record.sha256 != file.sha256:
        raise ModelFailed(f"model {path} changed while it was read; add it again")
    warnings = list(detector.info.notes)
    named = "".join(sign for sign in file.metadata.get("license", "") if sign.isprintable())
    licence = licence or named.strip()[:MAX_LICENCE]
    if not licence:
        licence = UNKNOWN_LICENCE
        warnings.append(
            "no licence was given and the file names none: it is recorded as unknown; say it with "
            "--licence (for example Apache-2.0), and find out before you pass the model on"
        )
    elif "AGPL" in licence.upper():
        warnings.append(
            f"its licence is {licence}: whoever offers it over a network owes the users its source"
        )
    if file.classes and classes and file.classes != classes:
        warnings.append(
            f"the {len(classes)} class names given differ from the {len(file.classes)} in the file;"
            f" those given are used"
        )
    warnings += what_is_missing(detector.info.classes)
    if detector.info.method == EndToEndDecoder.method:
        warnings.append(
            "its suppression is inside the graph: on test images it shows neither its scores nor "
            "how many classes it has, so look at its answers on images of yours before you "
            "promote it"
        )
    if file.input_size is None and leaves_size_free(path):
        size = detector.info.input_size
        at = f" {size[1]} x {size[0]} is" if size else " 640 x 640 is"
        warnings.append(f"{_FREE_SIZE}:{at} used; export it at the size of its training")
    folder = f"{name}/{record.sha256[:DIGEST_SIGNS]}"
    return ModelRecord(
        name=name,
        source=source,
        original=record.model_copy(update={"file": f"{folder}/model.onnx"}),
        licence=licence,
        family=detector.info.method,
        input_size=detector.info.input_size or file.input_size,
        classes=detector.info.classes,
        warnings=tuple(warnings),
        added_at=added_at,
    )
