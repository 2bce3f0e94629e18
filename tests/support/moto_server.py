"""moto's server: S3 and SQS in a process of its own, without events from one to the other."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from tests.support.daemons import answers, free_port, running


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """A moto server on the loopback; yields its endpoint URL.

    A process and not moto's own thread: that one leaves its socket open, and it would share this
    interpreter's warnings and botocore hooks with the code under test.
    """
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, ready=answers(f"{endpoint}/moto-api/"), env={}):
        yield endpoint
