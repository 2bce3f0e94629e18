"""The known text models, and the content of an installed model's folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from hearth.errors import ModelUnavailable

MANIFEST: Final = "model.json"
TOKENIZER: Final = "tokenizer.json"
INSTALL: Final = "scripts/models"


class Variant(StrEnum):
    """How weights and arithmetic of a model are quantized."""

    FLOAT32 = "float32"
    """Not quantized; bfloat16 arithmetic where the processor has it, unless disabled."""
    WEIGHTS_INT8 = "int8-weights"
    """INT8 weights; activations are quantized at run time, in groups. No calibration."""
    INT8 = "int8"
    """INT8 weights and activations, with ranges learned from calibration texts (NNCF)."""


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """A sentence encoder.

    Attributes:
        name: Its folder's name, and what a request calls it.
        repository: Where it is published, which other programs call it by.
        dimensions: Of a vector.
        max_tokens: Of one text, special tokens included; more are not read.
        licence: SPDX identifier.
        default: The variant that is used where none is asked for.
    """

    name: str
    repository: str
    dimensions: int
    max_tokens: int
    licence: str
    default: Variant = Variant.WEIGHTS_INT8

    @property
    def names(self) -> frozenset[str]:
        """The names that a request may use."""
        return frozenset({self.name, self.repository})


MINILM: Final = EmbeddingModel(
    name="all-MiniLM-L6-v2",
    repository="sentence-transformers/all-MiniLM-L6-v2",
    dimensions=384,
    max_tokens=256,
    licence="Apache-2.0",
)
EMBEDDING_MODELS: Final = (MINILM,)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """One variant of an installed model.

    Attributes:
        network: OpenVINO IR (.xml; its weights, .bin, lie beside it).
        tokenizer: `tokenizer.json`.
        sha256: Of the network, both files, hexadecimal.
    """

    network: Path
    tokenizer: Path
    sha256: str


def check_installed(folder: Path, name: str) -> None:
    """Check that a model is installed, without reading it.

    Raises:
        ModelUnavailable: It is not.
    """
    if not (folder / name / MANIFEST).is_file():
        raise ModelUnavailable(
            f"model {name} is not installed in {folder}; run {INSTALL} to make it"
        )


def find_files(folder: Path, name: str, variant: Variant) -> ModelFiles:
    """Return the content of a model's folder, checked against its manifest.

    Args:
        folder: Of all models.
        name: The name of the model.

    Raises:
        ModelUnavailable: It is not installed, or its files are others than when it was made.
    """
    home = folder / name
    remedy = f"run {INSTALL} to make it"
    check_installed(folder, name)
    try:
        manifest = json.loads((home / MANIFEST).read_text(encoding="utf-8"))
        expected = manifest["variants"][variant.value]["sha256"]
    except KeyError as error:
        raise ModelUnavailable(
            f"model {name} is installed without its variant {variant}; {remedy}"
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise ModelUnavailable(
            f"model {name}: its {MANIFEST} cannot be read ({type(error).__name__}); {remedy} anew"
        ) from error
    network = home / f"{variant.value}.xml"
    try:
        found = network_sha256(network)
    except OSError as error:
        raise ModelUnavailable(
            f"model {name}: {error.filename} cannot be read ({error.strerror}); {remedy} anew"
        ) from error
    if found != expected:
        raise ModelUnavailable(
            f"model {name}: {network.name} is not the network that was made (sha256 {found[:12]}…, "
            f"not {str(expected)[:12]}…); {remedy} anew"
        )
    return ModelFiles(network, home / TOKENIZER, found)


def network_sha256(network: Path) -> str:
    """Return the SHA-256 of an OpenVINO IR, its .xml and then its .bin; hexadecimal.

    Raises:
        OSError: One of them cannot be read.
    """
    digest = hashlib.sha256()
    for path in (network, network.with_suffix(".bin")):
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
