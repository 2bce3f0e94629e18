"""How fast events come in and are counted.

    python -m tests.performance.analytics [--events 1000000] [--url postgresql://…]

In: events a second through the API (batches of 100 and one by one) and through the queue, against
plain `INSERT`s of the same rows through the same driver. Out: p50 and p95 of usage, errors and the
dashboard over a month of events, all raw and after the roll-up, against a bare `SELECT count(*)` of
the same table. Cold: a fresh process until its first answer, against one that only imports FastAPI.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select

from functions.analytics.repository.tables import events_table
from hearth import migrations
from hearth.db import Database
from hearth.ledger.events import Event
from tests.contract.analytics.conftest import Harness
from tests.support.events import FOLDER

NOW = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)
TYPES = ["task.created", "task.completed", "task.updated", "page.viewed", "login.failed"]
ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--url", help="an empty database; a SQLite file by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.url or f"sqlite:///{folder}/hearth.db"
        migrations.upgrade(url)
        db = Database(url)
        harness = Harness(db)
        show("in", coming_in(harness))
        began = time.perf_counter()
        fill(db, given.events)
        show("filled_per_s", round(given.events / (time.perf_counter() - began)))
        show("raw", asked(harness))
        began = time.perf_counter()
        with contextlib.redirect_stdout(None):  # a metric of each run
            harness.rollup.run(lambda: 3600.0)
        show("rolled_up_per_s", round(given.events / (time.perf_counter() - began)))
        show("rolled", asked(harness))
        db.close()
        show("cold_start_s", cold(url))


def show(name: str, figures: object) -> None:
    """At once: the whole takes minutes."""
    print(json.dumps({name: figures}, indent=2), flush=True)


def coming_in(harness: Harness) -> dict[str, Any]:
    """Events a second."""
    events = [{"event_type": "page.viewed", "metadata": {"n": n}} for n in range(100)]

    def published(number: int) -> None:
        harness.publish(
            *(Event("task.created", f"{number}:{n}", NOW, "t") for n in range(10)),
        )

    batches = per_second(100, 30, lambda _: harness.record(*events))
    single = per_second(1, 300, lambda _: harness.record(events[0]))
    for number in range(30):
        published(number)

    def deliver(_: int) -> None:
        hints = harness.queues.sent[:10]
        del harness.queues.sent[:10]
        from tests.support.fakes import LambdaContext, sqs_event

        answer = harness.consumer(sqs_event(*(hint.body for hint in hints)), LambdaContext())
        assert answer == {"batchItemFailures": []}

    queue = per_second(10, 30, deliver)
    row = rows(1)[0]

    def plain(number: int) -> None:
        harness.db.write(lambda tx: tx.execute(insert(events_table), [row | {"key": f"p{number}"}]))

    peer = per_second(1, 300, plain)
    return {
        "api_batches_of_100_per_s": round(batches),
        "api_single_per_s": round(single),
        "queue_batches_of_10_per_s": round(queue),
        "plain_insert_per_s": round(peer),
        "api_single_to_plain": round(single / peer, 2),
        "queue_to_plain": round(queue / peer, 2),
    }


def per_second(each: int, times: int, work: Callable[[int], object]) -> float:
    work(-1)
    began = time.perf_counter()
    for number in range(times):
        work(number)
    return each * times / (time.perf_counter() - began)


def rows(number: int, offset: int = 0) -> list[dict[str, Any]]:
    chance = random.Random(offset)
    month = timedelta(days=30).total_seconds()
    return [
        {
            "key": f"user/x/{offset + n}",
            "event_type": chance.choice(TYPES),
            "service": "tasks",
            "severity": "error" if chance.random() < 0.02 else "",
            "user_id": "x",
            "metadata": {"n": n},
            "at": NOW - timedelta(seconds=chance.random() * month),
            "received_at": NOW,
            "rolled": False,
        }
        for n in range(number)
    ]


def fill(db: Database, number: int) -> None:
    for offset in range(0, number, 20_000):
        some = rows(min(20_000, number - offset), offset)
        db.write(lambda tx, some=some: tx.execute(insert(events_table), some))  # type: ignore[misc]


def asked(harness: Harness) -> dict[str, Any]:
    """Milliseconds of each question, and of the peer in the same turns."""
    questions: dict[str, Callable[[], object]] = {
        "usage_30_days": lambda: harness.get("/usage"),
        "usage_24_hours": lambda: harness.get("/usage", granularity="hour"),
        "usage_30_days_5_metrics": lambda: harness.get("/usage", metric=TYPES),
        "usage_12_months": lambda: harness.get("/usage", granularity="month"),
        "usage_720_hours": lambda: harness.get(
            "/usage", granularity="hour", start_date="2026-10-04", end_date="2026-11-02"
        ),
        "errors_30_days": lambda: harness.get("/errors", start_date="2026-10-04"),
        "dashboard": lambda: harness.get("/dashboard"),
        "peer_count": lambda: harness.db.read(
            lambda tx: tx.execute(select(func.count()).select_from(events_table)).scalar()
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in questions}
    for _ in range(6):
        for name, ask in questions.items():
            began = time.perf_counter()
            ask()
            times[name].append((time.perf_counter() - began) * 1000)
    return {
        name: {
            "p50_ms": round(statistics.median(found), 1),
            "p95_ms": round(sorted(found)[int(len(found) * 0.95)], 1),
        }
        for name, found in times.items()
    }


_FIRST_ANSWER = """
import json, sys
from functions.analytics.main_api import lambda_handler
from tests.support.fakes import LambdaContext
answer = lambda_handler(json.load(open(sys.argv[1])), LambdaContext())
assert answer["statusCode"] in (200, 201), answer
"""


def cold(url: str) -> dict[str, float]:
    """Medians of a fresh process's whole life."""
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(*program: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", *program], check=True, env=environment, cwd=ROOT)
        return time.perf_counter() - began

    asked_for = [
        str(FOLDER / "analytics" / f"http_api_{name}.json") for name in ("record", "usage")
    ]
    return {
        "events": statistics.median(run(_FIRST_ANSWER, asked_for[0]) for _ in range(5)),
        "usage": statistics.median(run(_FIRST_ANSWER, asked_for[1]) for _ in range(5)),
        "peer_import_fastapi_mangum": statistics.median(
            run("import fastapi, mangum") for _ in range(5)
        ),
    }


if __name__ == "__main__":
    main()
