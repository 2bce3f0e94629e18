"""HTTPS of a whole stack: what `hearth up --tls-cert --tls-key` serves."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import urllib.request
from pathlib import Path

import pytest

from hearth_runtime.http.owner import read_owner_key
from hearth_runtime.http.tls import Certificate
from hearth_runtime.stack_state import SetupError
from tests.contract.runtime_edges.http_client import request
from tests.support.smtp_server import self_signed
from tests.support.stack_process import small_stack
from tests.unit.runtime_edges.fakes import MemoryLogs


def test_a_stack_speaks_https_and_its_owner_reaches_it_whatever_the_certificates_name(
    tmp_path: Path,
) -> None:
    pem = self_signed(tmp_path)
    data = tmp_path / "data"
    with small_stack(data, tls=[str(pem), str(pem)]) as state:
        assert state.gateway_url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=pem)
        asked = urllib.request.Request(f"{state.gateway_url}/public", headers={"X-A": "b"})
        with urllib.request.urlopen(asked, context=context, timeout=20) as answer:
            body = answer.read()
        assert b'"x-forwarded-proto": "https"' in body
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(asked, timeout=20)
        assert state.owner_url.startswith("http://127.0.0.1:")
        bearer = f"Bearer {read_owner_key(data)}"
        assert request(f"{state.owner_url}/echo/x", Authorization=bearer).status == 200


def test_a_renewed_certificate_is_taken(tmp_path: Path) -> None:
    pem = self_signed(tmp_path)
    certificate = Certificate(pem, pem)
    logs = MemoryLogs()

    async def main() -> None:
        calls = 0

        async def sleep(_: float) -> None:
            nonlocal calls
            calls += 1
            if calls == 2:
                self_signed(tmp_path)
            if calls == 4:
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await certificate.reload(logs, sleep)

    asyncio.run(main())
    assert [record["message"] for record in logs.records] == ["the certificate was renewed"]


def test_files_that_are_no_pair_are_named(tmp_path: Path) -> None:
    pem = self_signed(tmp_path)
    (tmp_path / "other").mkdir()
    other = self_signed(tmp_path / "other")
    with pytest.raises(SetupError, match=r"with its key in PEM .key values mismatch"):
        Certificate(pem, other)
    with pytest.raises(SetupError, match=r"absent\.pem cannot be read: No such file"):
        Certificate(tmp_path / "absent.pem", pem)
    shutil.copy(__file__, tmp_path / "text.pem")
    with pytest.raises(SetupError, match=r"--tls-cert .*text\.pem and --tls-key"):
        Certificate(tmp_path / "text.pem", pem)
