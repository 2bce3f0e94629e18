"""How long a request takes through the gateway, against the same application under uvicorn.

    python -m tests.performance.gateway [--requests 2000]

As the machine's owner, whom nobody asks; with a token that the authorizer was asked about once; and
with one that it is asked about every time. One client, kept-alive connections, requests one after
the other; all servers run at once and take turns in blocks of 100, so that a noisy moment falls on
all of them.
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
    token = {"Authorization": 'Bearer {"isAuthorized": true, "context": {"principal_id": "u"}}'}
    try:
        with (
            tempfile.TemporaryDirectory() as one,
            tempfile.TemporaryDirectory() as two,
            small_stack(Path(one)) as asking_once,
            small_stack(Path(two), parameters={"ReauthorizeEvery": "0"}) as asking_always,
        ):
            ways: dict[str, tuple[str, dict[str, str]]] = {
                "uvicorn": (f"http://127.0.0.1:{port}", {}),
                "owner": (asking_once.gateway_url, {}),
                "token_cached": (asking_once.gateway_url, token),
                "token_asked": (asking_always.gateway_url, token),
            }
            connections = {name: connection(url) for name, (url, _) in ways.items()}
            times: dict[str, list[float]] = {name: [] for name in ways}
            for name, (_, headers) in ways.items():
                block(connections[name], headers, 20)
            for _ in range(given.requests // BLOCK):
                for name, (_, headers) in ways.items():
                    times[name] += block(connections[name], headers, BLOCK)
            for one_connection in connections.values():
                one_connection.close()
    finally:
        uvicorn.terminate()
        uvicorn.wait(10)
    peer = statistics.median(times["uvicorn"])
    result = {
        name: {
            "p50_ms": round(statistics.median(taken), 3),
            "p95_ms": round(sorted(taken)[int(len(taken) * 0.95)], 3),
            "ratio": round(statistics.median(taken) / peer, 2),
        }
        for name, taken in times.items()
    }
    print(json.dumps(result, indent=2))


def connection(url: str) -> http.client.HTTPConnection:
    address = urlsplit(url)
    return http.client.HTTPConnection(address.hostname or "", address.port)


def block(
    connection: http.client.HTTPConnection, headers: dict[str, str], count: int
) -> list[float]:
    """Milliseconds of each of `count` requests, every one answered as it should be."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        connection.request("GET", PATH, headers=headers)
        response = connection.getresponse()
        body = response.read()
        times.append((time.perf_counter() - began) * 1000)
        assert (response.status, json.loads(body)) == (200, {"item_id": "gate", "q": "1"})
    return times


if __name__ == "__main__":
    main()
