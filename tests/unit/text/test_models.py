from __future__ import annotations

import json
from pathlib import Path

import pytest

from hearth.errors import ModelUnavailable
from hearth_text.models import MINILM, Variant, find_files, network_sha256


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An installed model of a few bytes."""
    home = tmp_path / MINILM.name
    home.mkdir()
    network = home / "int8.xml"
    network.write_text("<net/>")
    network.with_suffix(".bin").write_bytes(b"weights")
    manifest = {"variants": {"int8": {"sha256": network_sha256(network)}}}
    (home / "model.json").write_text(json.dumps(manifest))
    return home


def test_an_installed_model_is_found_with_its_hash(home: Path) -> None:
    files = find_files(home.parent, MINILM.name, Variant.INT8)
    assert files.network == home / "int8.xml"
    assert files.sha256 == network_sha256(home / "int8.xml")


@pytest.mark.parametrize("name", ["int8.xml", "int8.bin"])
def test_a_file_with_another_hash_is_refused(home: Path, name: str) -> None:
    (home / name).write_bytes(b"changed")
    with pytest.raises(ModelUnavailable, match=r"is not the network that was made.*scripts/models"):
        find_files(home.parent, MINILM.name, Variant.INT8)


@pytest.mark.parametrize("name", ["model.json", "int8.xml", "int8.bin"])
def test_a_missing_file_is_named_with_the_remedy(home: Path, name: str) -> None:
    (home / name).unlink()
    with pytest.raises(ModelUnavailable, match="scripts/models"):
        find_files(home.parent, MINILM.name, Variant.INT8)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"variants": []}', '{"variants": {"int8": 5}}'])
def test_an_invalid_manifest_is_reported(home: Path, text: str) -> None:
    (home / "model.json").write_text(text)
    with pytest.raises(ModelUnavailable, match="scripts/models"):
        find_files(home.parent, MINILM.name, Variant.INT8)


def test_a_missing_variant_is_named(home: Path) -> None:
    with pytest.raises(ModelUnavailable, match="without its variant float32"):
        find_files(home.parent, MINILM.name, Variant.FLOAT32)
