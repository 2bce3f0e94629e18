"""Tasks under load: 100,000 of them, through the gateway, on SQLite and on PostgreSQL.

    .venv/bin/python -m tests.performance.tasks [--tasks 100000] [--requests 200] [--engine both]

Printed for each engine: p50 and p95 of create, get, list (each filter and sort in turn) and stats
through a real stack, one client; what the database takes of a list, a count and stats; requests a
second of several clients through gateway and Lambda against the same application under plain
uvicorn with as many processes, in turns in one run; the first answer from sleep; memory.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from starlette.types import ASGIApp

from functions.tasks.api import create_app
from functions.tasks.queries import TaskQueries
from functions.tasks.repository.tables import tasks
from functions.tasks.repository.tasks import stored
from functions.tasks.schemas import TaskIn, TaskQuery
from functions.tasks.task import Actor, new_task
from functions.tasks.wiring import build_services
from hearth.db import Database
from hearth.http.auth import PERMISSIONS, Principal, Role
from hearth.ledger.events import Publisher
from hearth.ledger.ledger import Ledger
from hearth.migrations import upgrade
from tests.performance.whole_stack import memory_mb
from tests.support.callers import acting_as
from tests.support.chaos import descendants
from tests.support.daemons import free_port
from tests.support.fakes import MemoryQueues
from tests.support.postgres import postgres_server
from tests.support.stack_process import ROOT, small_stack

BASE = "/api/v1/tasks"
OWNER = Principal("local", "local", Role.ADMIN, PERMISSIONS[Role.ADMIN])
CLIENTS = 8
"""Enough that each of uvicorn's processes gets some of the connections."""
PEOPLE = ["local", *(f"person{n}" for n in range(20))]
STATUSES = ("pending", "in_progress", "blocked", "completed", "cancelled")
WORDS = [f"{a}{b}" for a in ("gar", "roo", "win", "doo", "pain", "fen") for b in range(300)]
QUERIES: list[dict[str, Any]] = [
    {},
    {"page": 2500, "limit": 20},
    {"status": "pending"},
    {"status": "blocked", "sort": "due_date", "order": "asc"},
    {"priority": "urgent"},
    {"sort": "priority"},
    {"sort": "updated_at", "limit": 100},
    {"category": "safety", "status": "pending", "priority": "high"},
    {"category": "nothing"},
    {"assignee": "person7"},
    {"assignee": "nobody", "sort": "due_date"},
    {"due_before": "2026-12-01", "due_after": "2026-11-20", "sort": "due_date"},
    {"overdue": "true"},
    {"tags": "roof"},
    {"tags": ["roof", "rare"]},
    {"search": "gar17"},
    {"search": "nothing such"},
    {"search": "roo"},
]

Address = tuple[str, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine", choices=["sqlite", "postgresql", "both"], default="both")
    given = parser.parse_args()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        os.environ.setdefault(name, "test")
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    engines = ["sqlite", "postgresql"] if given.engine == "both" else [given.engine]
    for engine in engines:
        with (
            tempfile.TemporaryDirectory() as folder,
            database(engine, Path(folder)) as url,
            unthrottled() as template,
        ):
            measure(engine, url, Path(folder), template, given)


@contextlib.contextmanager
def database(engine: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if engine == "sqlite":
        yield f"sqlite:///{folder}/tasks.db"
        return
    with postgres_server() as server:
        yield f"{server}/postgres"


@contextlib.contextmanager
def unthrottled() -> Iterator[Path]:
    """The template with a gateway that takes as many requests as it can."""
    text = (ROOT / "template.yaml").read_text()
    limits = "ThrottlingBurstLimit: 1000, ThrottlingRateLimit: 500"
    assert limits in text
    # Beside the real one: functions are found from where the template is.
    with tempfile.NamedTemporaryFile("w", dir=ROOT, suffix=".yaml") as copy:
        copy.write(text.replace(limits, "ThrottlingBurstLimit: 5000, ThrottlingRateLimit: 10000"))
        copy.flush()
        yield Path(copy.name)


def measure(engine: str, url: str, folder: Path, template: Path, given: argparse.Namespace) -> None:
    """Everything on one engine."""
    print(f"== {engine}, {given.tasks} tasks")
    ids = filled(url, given.tasks)
    in_database(url, given.requests)
    options: dict[str, Any] = {
        "template": str(template),
        "parameters": {"DatabaseUrl": url, "RequestsPerMinute": "10000000"},
        "replicas": {"tasks-api": 2},
        "idle_s": 8.0,
    }
    with small_stack(folder / "stack", **options) as state, uvicorn(url) as peers:
        address = urlsplit(state.gateway_url)
        ours = (address.hostname or "", address.port or 0)
        first = [timed(ours, "GET", f"{BASE}/{ids[0]}") for _ in range(2)]
        print(f"first answer from sleep {first[0] / 1000:.2f} s (goal 0.7), then {first[1]:.1f} ms")
        through_gateway(ours, ids, given.requests)
        throughput([ours], peers, ids, given.seconds, given.rounds)
        sizes = [memory_mb(pid) for pid, name in descendants(state.pid).items() if name == "tasks"]
        print(
            f"memory of each process of tasks and tasks-api, MB: {[round(size) for size in sizes]}"
        )


def filled(url: str, count: int) -> list[str]:
    """The ids of tasks that were there before the index of their words was: that is faster."""
    upgrade(url, "0011")
    ids = fill(url, count)
    began = time.perf_counter()
    upgrade(url)
    print(f"indexing the words of all: {time.perf_counter() - began:.1f} s")
    if not url.startswith("sqlite"):
        # What autovacuum does by itself a minute later.
        db = Database(url)
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as tx:
            tx.exec_driver_sql("VACUUM ANALYZE")
        db.close()
    return ids


def fill(url: str, count: int) -> list[str]:
    """Tasks of every kind; their ids."""
    chance = random.Random(3)
    db = Database(url)
    start = datetime(2026, 9, 1, tzinfo=UTC)
    ids: list[str] = []
    for begin in range(0, count, 5_000):
        rows = []
        for number in range(begin, min(count, begin + 5_000)):
            new = TaskIn(
                title=" ".join(chance.choices(WORDS, k=5)),
                description=" ".join(chance.choices(WORDS, k=20)),
                priority=chance.choice(("low", "medium", "high", "urgent")),
                category=chance.choice(("general", "home", "work", "safety")),
                tags=chance.sample(["roof", "garden", "car", "tax", "school"], 2)
                + (["rare"] if number % 1_000 == 0 else []),
                assignee=chance.choice([None, *PEOPLE]),
                due_date=start + timedelta(hours=chance.randrange(3_000)) if number % 3 else None,
            )
            made_at = start + timedelta(seconds=number * 60)
            row = stored(new_task(new, chance.choice(PEOPLE), made_at, ZoneInfo("UTC")))
            row["status"] = chance.choice(STATUSES)
            if row["status"] == "completed":
                row |= {"completed_at": made_at, "seconds_open": chance.randrange(100_000)}
            rows.append(row)
        db.write(lambda tx, rows=rows: tx.execute(tasks.insert(), rows))
        ids += [row["id"] for row in rows]
    db.close()
    return ids


def in_database(url: str, requests: int) -> None:
    """What the statements of one answer take together, for who sees all and who does not."""
    db = Database(url)
    spent = [0.0]
    read = db.read

    def timed_read(fn: Callable[[Any], Any]) -> Any:
        # With the rows: SQLite works while they are fetched.
        began = time.perf_counter()
        try:
            return read(fn)
        finally:
            spent[0] += time.perf_counter() - began

    db.read = timed_read  # type: ignore[method-assign]
    queries = TaskQueries(db, ZoneInfo("UTC"), lambda: datetime.now(UTC))
    for actor in (Actor("local", manages=True), Actor("person3")):
        who = "everybody's" if actor.manages else "one's own"
        by_query: dict[str, list[float]] = {}
        for number in range(requests):
            query = QUERIES[number % len(QUERIES)]
            spent[0] = 0.0
            queries.list(actor, TaskQuery.model_validate(query | _listed(query)))
            by_query.setdefault(json.dumps(query), []).append(spent[0] * 1000)
        show(f"database, lists of {who} tasks", [ms for of in by_query.values() for ms in of])
        slowest = sorted(by_query, key=lambda name: -max(sorted(by_query[name])[:-1] or [0]))[:4]
        for name in slowest:
            show(f"    {name}", by_query[name])
        times = []
        for _ in range(30):
            spent[0] = 0.0
            queries.stats(actor)
            times.append(spent[0] * 1000)
        show(f"database, stats of {who} tasks", times)
    db.close()


def _listed(query: dict[str, Any]) -> dict[str, Any]:
    lists = ("status", "priority", "tags")
    return {n: [v] for n, v in query.items() if n in lists and not isinstance(v, list)}


def through_gateway(ours: tuple[str, int], ids: list[str], requests: int) -> None:
    """Milliseconds of each kind of request, one client on one kept-alive connection."""
    connection = http.client.HTTPConnection(*ours)
    chance = random.Random(5)

    def create() -> None:
        body = {"title": "Paint the fence", "tags": ["fence"], "due_date": "2027-01-01"}
        ask(connection, "POST", BASE, body, 201)

    kinds: dict[str, Callable[[int], object]] = {
        "create": lambda n: create(),
        "get": lambda n: ask(connection, "GET", f"{BASE}/{chance.choice(ids)}"),
        "list": lambda n: ask(
            connection, "GET", f"{BASE}?{urlencode(QUERIES[n % len(QUERIES)], doseq=True)}"
        ),
        "stats": lambda n: ask(connection, "GET", f"{BASE}/stats"),
    }
    for name, call in kinds.items():
        times = []
        for number in range(requests):
            began = time.perf_counter()
            call(number)
            times.append((time.perf_counter() - began) * 1000)
        show(f"gateway, {name}", times)
    connection.close()


def throughput(
    ours: Sequence[Address], peers: Sequence[Address], ids: list[str], seconds: float, rounds: int
) -> None:
    """Requests a second of many clients: through Lambda and under uvicorn, in turns."""
    for name, path in (("get", lambda: f"{BASE}/{random.choice(ids)}"), ("list", lambda: BASE)):
        rates: dict[str, list[float]] = {"gateway": [], "uvicorn": []}
        for _ in range(rounds):
            for who, addresses in (("gateway", ours), ("uvicorn", peers)):
                rates[who].append(clients(addresses, path, seconds))
        best = {who: sorted(found)[len(found) // 2] for who, found in rates.items()}
        ratio = best["gateway"] / best["uvicorn"]
        print(
            f"{name}: {best['gateway']:.0f} requests/s through the gateway, "
            f"{best['uvicorn']:.0f} under uvicorn: {ratio:.0%} (goal 40 %)"
        )


def clients(addresses: Sequence[Address], path: Callable[[], str], seconds: float) -> float:
    """Requests a second of all clients together."""
    counts = [0] * CLIENTS
    until = time.perf_counter() + seconds

    def one(number: int) -> None:
        connection = http.client.HTTPConnection(*addresses[number % len(addresses)])
        while time.perf_counter() < until:
            ask(connection, "GET", path())
            counts[number] += 1
        connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    status: int = 200,
) -> None:
    """One request that is answered as it should be."""
    text = json.dumps(body) if body is not None else None
    connection.request(method, path, text, {"content-type": "application/json"})
    response = connection.getresponse()
    data = response.read()
    assert response.status == status, (response.status, data[:500])


def timed(address: tuple[str, int], method: str, path: str) -> float:
    """Milliseconds of one request on a connection of its own."""
    connection = http.client.HTTPConnection(*address)
    began = time.perf_counter()
    ask(connection, method, path)
    connection.close()
    return (time.perf_counter() - began) * 1000


def show(name: str, times: list[float]) -> None:
    """p50, p95 and the slowest."""
    ordered = sorted(times)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    print(f"{name}: p50 {ordered[len(ordered) // 2]:.1f}, p95 {p95:.1f}, max {ordered[-1]:.1f} ms")


@contextlib.contextmanager
def uvicorn(url: str) -> Iterator[list[Address]]:
    """The same application under uvicorn, in two processes; their addresses.

    Not `--workers 2`: the sockets that those share wait for more to send (Nagle), 40 ms an answer.
    """
    with contextlib.ExitStack() as running:
        addresses = []
        for _ in range(2):
            port = free_port()
            command = [sys.executable, "-m", "uvicorn", "--factory", "tests.performance.tasks:peer"]
            process = subprocess.Popen(
                [*command, "--log-level", "error", "--port", str(port)],
                cwd=ROOT,
                env=os.environ | {"DATABASE_URL": url},
            )
            running.callback(process.wait, 20)
            running.callback(process.terminate)
            addresses.append(("127.0.0.1", port))
        for address in addresses:
            for _ in range(100):
                with contextlib.suppress(OSError, AssertionError):
                    timed(address, "GET", f"{BASE}/stats")
                    break
                time.sleep(0.2)
        yield addresses


def peer() -> ASGIApp:
    """What uvicorn serves."""
    db = Database(os.environ["DATABASE_URL"])
    ledger = Ledger(db, MemoryQueues(), publisher=Publisher("tasks", {}))
    return acting_as(create_app(build_services(ledger, ZoneInfo("UTC"))), OWNER)


if __name__ == "__main__":
    main()
