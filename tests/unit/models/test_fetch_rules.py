"""Which addresses are fetched; nothing here opens a socket."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from hearth.errors import InvalidInput
from hearth_models.fetch import FetchRules, fetch, shown


def resolver(*addresses: str) -> object:
    def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.5",
        "192.168.1.9",
        "172.16.0.1",
        "169.254.169.254",  # where a cloud keeps credentials
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "224.0.0.1",
    ],
)
def test_addresses_of_this_machine_and_its_networks_are_rejected(
    tmp_path: Path, address: str
) -> None:
    with pytest.raises(InvalidInput, match="--allow-private"):
        fetch(
            "https://models.example.org/best.onnx",
            tmp_path / "m",
            FetchRules(),
            resolver=resolver(address),  # type: ignore[arg-type]
        )


def test_one_bad_address_among_good_ones_is_enough(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"is 10\.0\.0\.1"):
        fetch(
            "https://models.example.org/best.onnx",
            tmp_path / "m",
            FetchRules(),
            resolver=resolver("93.184.216.34", "10.0.0.1"),  # type: ignore[arg-type]
        )


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/m.onnx",
        "ftp://example.org/m.onnx",
        "file:///etc/passwd",
        "gopher://example.org/",
        "https://",
        "https:///m.onnx",
    ],
)
def test_other_schemes_and_broken_addresses_are_rejected(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidInput):
        fetch(url, tmp_path / "m", FetchRules(), resolver=resolver("93.184.216.34"))  # type: ignore[arg-type]


def test_secrets_of_an_address_are_not_recorded() -> None:
    url = "https://user:secret@example.org/m.onnx?token=secret#x"
    assert shown(url) == "https://example.org/m.onnx"
