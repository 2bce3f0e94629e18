"""Processes that race for the same jobs: each job is done once, whoever wins."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import Column, MetaData, Table, Text, func, insert, select, text

from hearth.db import Database
from hearth.ledger.ledger import JobState, LeaseLost, Ledger, NewJob
from tests.support.fakes import MemoryQueues

JOBS = [f"frame:{number}" for number in range(60)]
outputs = Table("outputs", MetaData(), Column("job", Text), Column("worker", Text))
_PROCESSES = multiprocessing.get_context("spawn")


def work_through(url: str, worker: str, lease_s: float) -> None:
    """Claim, work and complete until every job is done, as a queue function does."""
    ledger = Ledger(Database(url), MemoryQueues())
    new = [NewJob("test.job", "test", name, {}) for name in JOBS]
    while list(ledger.states(JOBS).values()) != [JobState.DONE] * len(JOBS):
        for start in range(0, len(new), 10):
            claimed = ledger.claim([], new[start : start + 10], timedelta(seconds=lease_s))
            for job in claimed:
                try:
                    ledger.db.write(
                        lambda tx, job=job: (
                            ledger.complete(tx, job),
                            tx.execute(insert(outputs).values(job=job.dedupe_key, worker=worker)),
                        )
                    )
                except LeaseLost:
                    continue
    ledger.db.close()


def recorded(db: Database) -> Counter[str]:
    rows = db.read(lambda tx: tx.execute(select(outputs.c.job)).scalars().all())
    return Counter(rows)


@pytest.fixture(autouse=True)
def _outputs(db: Database) -> None:
    outputs.metadata.create_all(db.engine)


@pytest.mark.parametrize("lease_s", [30, 0], ids=["long leases", "leases that end at once"])
def test_concurrent_workers_complete_each_job_exactly_once(
    db: Database, migrated_url: str, lease_s: float
) -> None:
    if lease_s == 0:  # every claim steals, so attempts must not run out
        ledger = Ledger(db, MemoryQueues())
        many = [NewJob("test.job", "test", name, {}, max_attempts=10_000) for name in JOBS]
        db.write(lambda tx: ledger.add(tx, many))
    workers = [
        _PROCESSES.Process(target=work_through, args=(migrated_url, f"w{n}", lease_s))
        for n in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert recorded(db) == Counter(JOBS)


def test_a_killed_worker_leaves_no_partial_output(db: Database, migrated_url: str) -> None:
    victim = _PROCESSES.Process(target=work_through, args=(migrated_url, "victim", 1))
    victim.start()
    count = select(func.count()).select_from(outputs)
    deadline = time.monotonic() + 30
    while db.read(lambda tx: tx.execute(count).scalar_one()) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()

    done = text("SELECT count(*) FROM jobs WHERE state = 'done'")
    assert db.read(lambda tx: tx.execute(done).scalar_one()) == sum(recorded(db).values())
    work_through(migrated_url, "successor", 1)
    assert recorded(db) == Counter(JOBS)
