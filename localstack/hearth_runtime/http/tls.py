"""TLS of the HTTP API, with a certificate that its issuer renews while the stack runs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from hearth_runtime.observe.logs import LogStream
from hearth_runtime.stack_state import SetupError

_INTERVAL_S = 60.0


class Certificate:
    """A certificate chain with its private key, in PEM files.

    Raises:
        SetupError: A file cannot be read, or they do not belong together.
    """

    def __init__(self, chain: Path, key: Path) -> None:
        self._files = (chain, key)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.set_alpn_protocols(["http/1.1"])
        try:
            self._modified = self._read_times()
            self._load()
        except ssl.SSLError as error:
            reason = error.reason or str(error)
            raise SetupError(
                f"--tls-cert {chain} and --tls-key {key} are no certificate with its key in PEM"
                f" ({reason.lower().replace('_', ' ')})."
            ) from error
        except OSError as error:
            raise SetupError(
                f"{error.filename or chain} cannot be read: {error.strerror}."
            ) from error

    async def reload(
        self, logs: LogStream, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Use a renewed certificate for new connections. Runs until it is cancelled.

        Raises:
            OSError: The new files cannot be read; the old certificate stays.
        """
        while True:
            await sleep(_INTERVAL_S)
            modified = self._read_times()
            if modified == self._modified:
                continue
            self._load()
            self._modified = modified
            logs.write("INFO", "the certificate was renewed", file=str(self._files[0]))

    def _load(self) -> None:
        chain, key = self._files
        # Without a password an encrypted key would be asked for on the terminal.
        self.context.load_cert_chain(chain, key, password="")

    def _read_times(self) -> tuple[int, ...]:
        return tuple(file.stat().st_mtime_ns for file in self._files)
