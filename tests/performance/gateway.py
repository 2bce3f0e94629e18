"""How long a request takes through the gateway, against the same application under uvicorn.

    python -m tests.performance.gateway [--requests 2000]

One client, one kept-alive connection, requests one after the other; both servers run at once and
take turns in blocks of 100, so that a noisy moment falls on both.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.daemons import free_port
from tests.support.stack_process import SMALL, small_stack

BLOCK = 100
PATH = "/items/gate?q=1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    given = parser.parse_args()
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "handlers.web:app", "--log-level", "error"]
    uvicorn = subprocess.Popen([*command, "--port", str(port)], cwd=SMALL.parent)
    try:
        with tempfile.TemporaryDirectory() as data, small_stack(Path(data)) as state:
            address = urlsplit(state.gateway_url)
            ours = http.client.HTTPConnection(address.hostname or "", address.port)
            peer = http.client.HTTPConnection("127.0.0.1", port)
            block(ours, 20)
            block(peer, 20)
            through_gateway: list[float] = []
            through_uvicorn: list[float] = []
            for _ in range(given.requests // BLOCK):
                through_gateway += block(ours, BLOCK)
                through_uvicorn += block(peer, BLOCK)
            ours.close()
            peer.close()
    finally:
        uvicorn.terminate()
        uvicorn.wait(10)
    result = {
        "gateway_p50_ms": round(statistics.median(through_gateway), 3),
        "gateway_p95_ms": round(sorted(through_gateway)[int(len(through_gateway) * 0.95)], 3),
        "uvicorn_p50_ms": round(statistics.median(through_uvicorn), 3),
        "ratio": round(statistics.median(through_gateway) / statistics.median(through_uvicorn), 2),
    }
    print(json.dumps(result, indent=2))


def block(connection: http.client.HTTPConnection, count: int) -> list[float]:
    """Milliseconds of each of `count` requests, every one answered as it should be."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        connection.request("GET", PATH)
        response = connection.getresponse()
        body = response.read()
        times.append((time.perf_counter() - began) * 1000)
        assert (response.status, json.loads(body)) == (200, {"item_id": "gate", "q": "1"})
    return times


if __name__ == "__main__":
    main()
