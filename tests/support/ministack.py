"""MiniStack: S3 and SQS in a process of its own, with events from one to the other."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.daemons import answers, free_port, running


@contextlib.contextmanager
def ministack(
    folder: Path, port: int | None = None, host: str = "127.0.0.1", lambdas: bool = False
) -> Iterator[str]:
    """A MiniStack as the local runtime starts it; yields its endpoint URL.

    Args:
        folder: Where its objects are kept. A second server on the same folder finds them again.
        port: Where it listens; a free one by default.
        host: An address of this machine; the loopback by default.
        lambdas: Whether its Lambda may start containers.
    """
    port = port or free_port()
    endpoint = f"http://{host}:{port}"
    for name in ("objects", "state", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    env = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": host,
        "MINISTACK_HOST": host,
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder / "objects"),
        "STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder / "tmp"),
        "IOT_MTLS_ENABLED": "0",  # or it opens 0.0.0.0:8883
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }
    if not lambdas:
        env["DOCKER_HOST"] = "unix:///nonexistent"  # it would look for containers of its own
    command = [sys.executable, "-m", "ministack"]
    with running(command, ready=answers(f"{endpoint}/_ministack/health"), env=env):
        yield endpoint
