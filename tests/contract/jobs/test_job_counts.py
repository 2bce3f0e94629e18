"""Counting jobs, on SQLite and on PostgreSQL: their LIKE differs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from functions.jobs.repository import Count, JobCounts
from hearth.db import Database
from hearth.ledger.ledger import JobState, Ledger, NewJob
from tests.support.fakes import Clock, MemoryQueues

KEYS = (
    "frame:frames/cam1/a.jpg",
    "frame:frames/cam_/a.jpg",
    "frame:frames/cam%/a.jpg",
    "frame:frames/cam\\/a.jpg",
    "frame:frames/Cam1/a.jpg",
    "frame:frames/grüße/a.jpg",
    "/odd",
)


@pytest.fixture
def ledger(migrated_url: str) -> Iterator[Ledger]:
    db = Database(migrated_url)
    yield Ledger(db, MemoryQueues(), now=Clock())
    db.close()


def test_an_empty_ledger_has_nothing_to_count(ledger: Ledger) -> None:
    assert JobCounts(ledger.db).count() == []
    assert JobCounts(ledger.db).count("frame:") == []


def test_jobs_are_counted_by_kind_and_state_with_the_oldest_of_each(ledger: Ledger) -> None:
    clock = ledger.now
    assert isinstance(clock, Clock)
    began = clock()
    for name in ("a", "b", "c"):
        job = NewJob("detection.frame", "detection", name, {})
        ledger.db.write(lambda tx, new=job: ledger.add(tx, [new]))
        clock.advance(1)
    ledger.claim([], [NewJob("detection.frame", "detection", "a", {})], timedelta(minutes=1))

    assert JobCounts(ledger.db).count() == [
        Count("detection.frame", JobState.QUEUED, 2, began + timedelta(seconds=1)),
        Count("detection.frame", JobState.RUNNING, 1, began),
    ]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", KEYS),
        ("frame:", KEYS[:6]),
        *((key[:-5], (key,)) for key in KEYS[:6]),
        ("/", ("/odd",)),
        ("FRAME:", ()),
        ("frame:frames/cam1/a.jpg/", ()),
    ],
)
def test_a_prefix_has_no_wildcards(ledger: Ledger, prefix: str, expected: tuple[str, ...]) -> None:
    # The key is the kind as well, so that the answer names what was counted.
    jobs = [NewJob(key, "detection", key, {}) for key in KEYS]
    ledger.db.write(lambda tx: ledger.add(tx, jobs))

    counted = {count.kind for count in JobCounts(ledger.db).count(prefix)}

    assert counted == set(expected)
