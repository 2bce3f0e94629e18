"""How long one no-op invocation takes through the Invoke API, beside what it can't go below.

    python tests/performance/invoke.py [--calls 2000] [--json]

One client, one connection kept alive, one call after the other; the sides take turns within one
run, so that a busy machine is busy for all of them:

    floor       the handler called in this process (awslambdaric's own JSON in and out), plus one
                bare HTTP round trip to another process that answers at once: no queue, no
                supervision, no log
    hearth      POST /2015-03-31/functions/noop/invocations, the function in its own process, two
                replicas, the log file and the metrics switched on
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import multiprocessing
import multiprocessing.connection
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# In place of this script's own folder, whose module names are nobody's business.
sys.path[:1] = [str(ROOT), str(ROOT / "localstack")]

from aiohttp import web  # noqa: E402
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller  # noqa: E402

from hearth_runtime.engine.engine import Engine  # noqa: E402
from hearth_runtime.engine.functions import FunctionSpec  # noqa: E402
from hearth_runtime.http.invoke_api import invoke_app  # noqa: E402
from hearth_runtime.launchers.process import ProcessLauncher  # noqa: E402
from hearth_runtime.observe.logs import LogStream  # noqa: E402
from hearth_runtime.observe.metrics import Metrics  # noqa: E402
from tests.support.lambdas.behaviour import lambda_handler  # noqa: E402

PAYLOAD = b'{"key": "frames/gate/20261121T080000.000000Z.jpg"}'
PATH = "/2015-03-31/functions/noop/invocations"
BLOCK = 50  # calls of one side before the other has its turn


async def serve_hearth(pipe: multiprocessing.connection.Connection) -> None:
    """Serve the Invoke API until the pipe says stop; sends its port first."""
    handler = "tests.support.lambdas.behaviour.lambda_handler"
    with tempfile.TemporaryDirectory() as directory:
        engine = Engine(
            [FunctionSpec("hearth-noop", "noop", handler, memory_mb=512)],
            launcher=ProcessLauncher(ROOT),
            logs=LogStream(Path(directory) / "events.jsonl"),
            metrics=Metrics(),
            replicas={"noop": 2},
        )
        await engine.start()
        begun = time.perf_counter()
        await engine.invoke("noop", PAYLOAD)
        first_ms = (time.perf_counter() - begun) * 1000
        both = [engine.invoke("noop", b'{"do": "sleep", "seconds": 0.3}') for _ in range(2)]
        await asyncio.gather(*both)
        runner = web.AppRunner(invoke_app(engine), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send((runner.addresses[0][1], first_ms))
        await asyncio.to_thread(pipe.recv)
        await runner.cleanup()
        await engine.stop(grace_s=1)


class Bare(asyncio.Protocol):
    """Answers every packet with the same small response."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(head % len(PAYLOAD) + PAYLOAD)


async def serve_bare(pipe: multiprocessing.connection.Connection) -> None:
    """Serve the bare round trip until the pipe says stop."""
    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", 0)
    pipe.send((server.sockets[0].getsockname()[1], 0.0))
    await asyncio.to_thread(pipe.recv)
    server.close()


def in_process(name: str, pipe: multiprocessing.connection.Connection) -> None:
    asyncio.run({"hearth": serve_hearth, "bare": serve_bare}[name](pipe))


@contextlib.contextmanager
def server(name: str) -> Iterator[tuple[int, float]]:
    """A server in a process of its own: its port, and milliseconds of its first invocation."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=in_process, args=(name, theirs))
    process.start()
    try:
        yield ours.recv()
        ours.send("stop")
        process.join(10)
    finally:
        process.kill()


def http_call(port: int) -> Callable[[], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call() -> bytes:
        connection.request("POST", PATH, PAYLOAD)
        return connection.getresponse().read()

    return call


def plain_call() -> bytes:
    marshaller = LambdaMarshaller()
    event = marshaller.unmarshal_request(PAYLOAD)
    answer, _ = marshaller.marshal_response(lambda_handler(event, None))
    return answer.encode()


def measure(sides: dict[str, Callable[[], bytes]], calls: int) -> dict[str, list[float]]:
    """Milliseconds of every call, by side; the sides take turns."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for call in sides.values():
        for _ in range(BLOCK):
            assert json.loads(call()) == json.loads(PAYLOAD)
    for _ in range(calls // BLOCK):
        for name, call in sides.items():
            for _ in range(BLOCK):
                begun = time.perf_counter()
                call()
                times[name].append((time.perf_counter() - begun) * 1000)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with server("hearth") as (hearth_port, first_ms), server("bare") as (bare_port, _):
        sides = {
            "in_process": plain_call,
            "bare_http": http_call(bare_port),
            "hearth": http_call(hearth_port),
        }
        times = measure(sides, options.calls)
    figures = {
        name: {
            "p50_ms": round(statistics.median(values), 4),
            "p95_ms": round(statistics.quantiles(values, n=20)[-1], 4),
        }
        for name, values in times.items()
    }
    floor = figures["in_process"]["p50_ms"] + figures["bare_http"]["p50_ms"]
    summary = {
        **figures,
        "floor_p50_ms": round(floor, 4),
        "hearth_to_floor": round(figures["hearth"]["p50_ms"] / floor, 2),
        "first_invocation_ms": round(first_ms, 1),
        "calls": options.calls,
    }
    if options.json:
        print(json.dumps(summary))
        return
    for name, figure in figures.items():
        print(f"{name:<12} p50 {figure['p50_ms']:.3f} ms   p95 {figure['p95_ms']:.3f} ms")
    print(f"hearth / (in_process + bare_http), p50: {summary['hearth_to_floor']}")
    print(f"first invocation of a sleeping function: {first_ms:.0f} ms")


if __name__ == "__main__":
    main()
