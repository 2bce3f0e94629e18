"""Record of a model in the registry: one JSON document beside its files.

{name}/{digest}/record.json     this
{name}/{digest}/model.onnx      the file as it was added
{name}/{digest}/openvino.*      OpenVINO's graph and weights, for `float32` and `bf16`
{name}/{digest}/int8.*          the quantized ones
served.json                     which model and variant are in force
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from hearth_vision.served_model import SERVED, Arithmetic

RECORD: Final = "record.json"
ORIGINAL: Final = "original"
DIGEST_SIGNS: Final = 12
"""Of the sha256, in a model's id: 48 bits, for people; whole hashes are compared."""

UNKNOWN_LICENCE: Final = "unknown"
MAX_LICENCE: Final = 200

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

TAKEN: Final = frozenset({"clustering", SERVED})
"""Reserved names below `models/`, the first one by another function."""

VariantName = Literal["float32", "bf16", "int8"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Frozen(BaseModel):
    # Records of a later version may say more.
    model_config = ConfigDict(frozen=True, extra="ignore")


class FileRecord(_Frozen):
    """A file below the registry's folder; size in bytes."""

    file: str = Field(max_length=300)
    sha256: Sha256
    size: int = Field(ge=0)


class Agreement(_Frozen):
    """How a variant's detections on held-out frames compare with those of the original.

    Attributes:
        frames: Held out: not used for calibration.
        confidence: The threshold on both sides.
        iou: From which two boxes of one class are the same object.
        original: Detections of the original.
        variant: Detections of the variant.
        matched: In both.
        f1_person: Of people alone; None where the model has no such class, or finds none.
        f1: 2 · matched / (original + variant); 1 is perfect.
        iou_median: Of matched boxes; None without any.
        score_difference_median: Of matched boxes, absolute; None without any.
        score_difference_max: Likewise.
        frames_with_person: (original, variant); None where the model has no such class.
    """

    frames: int
    confidence: float
    iou: float
    original: int
    variant: int
    matched: int
    f1: float
    iou_median: float | None
    score_difference_median: float | None
    score_difference_max: float | None
    frames_with_person: tuple[int, int] | None
    f1_person: float | None = None


class VariantRecord(_Frozen):
    """Another form of the same network.

    Attributes:
        name: `float32`, `bf16` or `int8`.
        files: OpenVINO's graph, then its weights.
        precision: Of the arithmetic outside what is quantized.
        method: How it was made, for people.
        agreement: With the original; None where it was not compared.
        accepted: Whether it may be promoted.
        reason: Why, or why not.
        speed: Frames a second relative to the original on ONNX Runtime, in one run on one machine.
        processor: What that was measured on.
        made_at: RFC 3339.
    """

    name: VariantName
    files: tuple[FileRecord, ...] = Field(min_length=2, max_length=2)
    precision: Arithmetic
    method: str
    agreement: Agreement | None
    accepted: bool
    reason: str
    speed: float | None
    processor: str
    made_at: str


class ModelRecord(_Frozen):
    """A model of the registry.

    Attributes:
        name: `[a-z0-9][a-z0-9._-]*`.
        source: The file's name, or the URL without its query, that it came from.
        original: The ONNX file.
        licence: As its giver says it (an SPDX identifier); `unknown` where nobody said.
        family: How it is decoded: `yolov8-onnx`, `yolox-onnx`, …
        input_size: (height, width), pixels; None where the model takes any.
        classes: In the model's order.
        warnings: What was odd about it.
        added_at: RFC 3339.
    """

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")
    source: str
    original: FileRecord
    licence: str = Field(max_length=MAX_LICENCE)
    family: str
    input_size: tuple[int, int] | None
    classes: tuple[str, ...] = Field(min_length=1)
    warnings: tuple[str, ...] = ()
    added_at: str
    variants: tuple[VariantRecord, ...] = ()

    @property
    def id(self) -> str:
        """`name@` and the first digits of the hash."""
        return f"{self.name}@{self.original.sha256[:DIGEST_SIGNS]}"

    @property
    def folder(self) -> str:
        """Below the registry's folder."""
        return f"{self.name}/{self.original.sha256[:DIGEST_SIGNS]}"

    def variant(self, name: str) -> VariantRecord | None:
        """The variant of that name."""
        return next((variant for variant in self.variants if variant.name == name), None)

    def files(self) -> tuple[FileRecord, ...]:
        """Every file; those that variants share once."""
        found = [self.original, *(file for variant in self.variants for file in variant.files)]
        return tuple({file.file: file for file in found}.values())


class Promotion(_Frozen):
    """A promotion of a model and variant."""

    model_id: str
    variant: str
    at: str


class ServedFile(_Frozen):
    """As `hearth_vision.served_model` reads it."""

    file: str
    sha256: Sha256


class ServedRecord(_Frozen):
    model_id: str
    variant: str
    precision: Arithmetic
    classes: tuple[str, ...]
    input_size: tuple[int, int] | None
    original: ServedFile
    program: tuple[ServedFile, ...]


class ServedDocument(_Frozen):
    """`served.json`: what is in force, and what was before, the newest last."""

    schema_version: Literal[1] = 1
    served: ServedRecord | None = None
    history: tuple[Promotion, ...] = ()
