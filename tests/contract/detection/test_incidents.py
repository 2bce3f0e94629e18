"""Stored incidents are what a computation from scratch gives, whatever came in which order."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import inspect, select

from functions.detection.incidents.episodes import episodes
from functions.detection.incidents.recording import (
    ModelRecord,
    episode_row,
    record_end,
    record_frames,
)
from functions.detection.judging.assessment import FrameResult
from functions.detection.judging.dwelling import DwellRules, find_dwellers
from functions.detection.judging.verdicts import Verdict
from functions.detection.observations import Observation
from functions.detection.policy import EpisodeRules
from functions.detection.repository import tables
from functions.detection.repository.incident_rows import update_incident
from hearth import migrations
from hearth.db import Database
from hearth.frames import frame_key
from tests.contract.detection.harness import DetectionHarness

RULES = EpisodeRules(gap_s=2, max_s=8, min_observations=3, min_score=0.6, idle_after_s=60)
MODEL = ModelRecord("m1", {"name": "script"})


def result(harness: DetectionHarness, tick: int, rng: random.Random) -> FrameResult:
    """A frame at `tick` seconds; what is on it depends on `rng`."""
    key = frame_key("gate", harness.at(tick))
    seen: dict[str | None, tuple[Observation, ...]] = {}
    for zone in (None, "yard"):
        members = [
            Observation(harness.at(tick), key, person, name, rng.choice([0.5, 0.65, 0.8]))
            for person in (1, 2)
            for name in ("no_helmet", "restricted_zone")
            if rng.random() < 0.3
        ]
        if members:
            seen[zone] = tuple(members)
    return FrameResult(
        key=key,
        camera_id="gate",
        captured_at=harness.at(tick),
        width=4,
        height=3,
        counts=dict.fromkeys(Verdict, 0) | {Verdict.VIOLATION: len(seen)},
        result={"detections": [], "persons": [], "draw": rng.random()},
        observations=seen,
    )


def stored(db: Database, zone: str) -> list[dict[str, Any]]:
    """Episodes as they stand in the table, without their life."""
    names = [c.name for c in tables.incidents.columns]
    query = select(tables.incidents).where(
        tables.incidents.c.zone == zone,
        tables.incidents.c.state != tables.SUPERSEDED,
    )
    rows = db.read(lambda tx: tx.execute(query.order_by("first_seen")).all())
    kept = set(names) - {
        "state",
        "revision",
        "end_reason",
        "evidence",
        "superseded_by",
        "watch_key",
        "updated_at",
        "pruned_at",
        "closed_at",
        "closed_by_task",
        "alert_evidence",
        "review",
        "reviewed_at",
    }
    return [{name: getattr(row, name) for name in kept} for row in rows]


@pytest.mark.parametrize("seed", range(6))
def test_recomputing_around_new_frames_equals_computing_everything(
    harness: DetectionHarness, seed: int
) -> None:
    rng = random.Random(seed)
    ticks = rng.sample(range(120), 70)
    current: dict[int, FrameResult] = {}
    position = 0
    while position < len(ticks):
        size = rng.randint(1, 10)
        batch = ticks[position : position + size]
        position += size
        if current and rng.random() < 0.4:
            # The same frame again, sometimes with another answer (a new model).
            batch.append(rng.choice(list(current)))
        fresh = [
            current[tick] if tick in current and rng.random() < 0.5 else result(harness, tick, rng)
            for tick in dict.fromkeys(batch)
        ]
        current |= dict(zip(dict.fromkeys(batch), fresh, strict=True))
        harness.db.write(
            lambda tx, fresh=fresh: record_frames(tx, "gate", fresh, MODEL, RULES, harness.clock())
        )
        if rng.random() < 0.3:
            end_some(harness, rng)
    everything: defaultdict[str | None, list[Observation]] = defaultdict(list)
    for one in current.values():
        for zone, members in one.observations.items():
            everything[zone] += members
    for zone in (None, "yard"):
        expected = [
            {"id": episode.incident_id, **episode_row(episode)}
            for episode in episodes("gate", zone, everything[zone], RULES)
        ]
        assert stored(harness.db, zone or "") == expected
    camera = harness.camera()
    assert camera.frames == len(current)
    assert camera.frames_with_person == sum(one.persons > 0 for one in current.values())
    assert camera.violation == sum(one.persons for one in current.values())


def end_some(harness: DetectionHarness, rng: random.Random) -> None:
    """Mark some open incidents as reported, as settling does."""
    for row in harness.incidents():
        if row.state == tables.OPEN and rng.random() < 0.5:
            harness.db.write(
                lambda tx, row=row: update_incident(
                    tx, row.id, {"state": tables.ENDED, "end_reason": "gap"}
                )
            )


def test_a_repeated_frame_changes_nothing(harness: DetectionHarness) -> None:
    frames = [result(harness, tick, random.Random(tick)) for tick in range(10)]

    def record() -> list[Any]:
        return list(
            harness.db.write(
                lambda tx: record_frames(tx, "gate", frames, MODEL, RULES, harness.clock())
            )
        )

    record()
    before = harness.facts()
    harness.clock.advance(5)
    assert [job for job in record() if job.payload.get("watch")] == []
    assert harness.facts() == before


def test_an_end_marker_adds_settle_jobs_for_open_incidents_only(harness: DetectionHarness) -> None:
    rules = RULES.model_copy(update={"min_observations": 1, "min_score": 0.0})
    seen = result(harness, 1, random.Random(3))
    assert seen.observations
    harness.db.write(lambda tx: record_frames(tx, "gate", [seen], MODEL, rules, harness.clock()))
    at = harness.at(1) + timedelta(microseconds=1)
    jobs = harness.db.write(lambda tx: record_end(tx, "gate", at, rules))
    assert {job.payload["incident_id"] for job in jobs} == {row.id for row in harness.incidents()}
    assert harness.db.write(lambda tx: record_end(tx, "other", at, rules)) == []


def test_the_migrated_schema_is_the_one_that_the_queries_use(
    harness: DetectionHarness, migrated_url: str
) -> None:
    found = inspect(harness.db.engine)
    assert migrations.current(migrated_url) == migrations.head()
    for table in tables.metadata.sorted_tables:
        columns = {c["name"]: bool(c["nullable"]) for c in found.get_columns(table.name)}
        assert columns == {c.name: bool(c.nullable) for c in table.columns}, table.name
        keys = found.get_pk_constraint(table.name)["constrained_columns"]
        assert keys == [c.name for c in table.primary_key.columns]
        indexes = {i["name"]: i["column_names"] for i in found.get_indexes(table.name)}
        assert indexes == {i.name: [c.name for c in i.columns] for i in table.indexes}


@pytest.mark.parametrize("seed", range(4))
def test_who_counts_after_a_while_depends_on_no_order(harness: DetectionHarness, seed: int) -> None:
    rng = random.Random(seed)
    dwell = {"yard": DwellRules(inertia=2, loitering_s=4)}
    frames = []
    for tick in range(60):
        key = frame_key("gate", harness.at(tick))
        inside = rng.random() < 0.75
        person = {
            "index": 1,
            "verdict": "violation",
            "confidence": 0.9,
            "bbox": [10, 20, 60, 200],
            "zones": ["yard"] if inside else [],
            "findings": [],
            "violations": [],
        }
        one = Observation(harness.at(tick), key, 1, "restricted_zone", 0.8)
        seen = {"yard": (one,)} if inside and rng.random() < 0.9 else {}
        frames.append(
            FrameResult(
                key=key,
                camera_id="gate",
                captured_at=harness.at(tick),
                width=640,
                height=480,
                counts=dict.fromkeys(Verdict, 0) | {Verdict.VIOLATION: 1},
                result={"detections": [], "persons": [person]},
                observations=seen,
            )
        )
    left = frames[:]
    rng.shuffle(left)
    while left:
        batch, left = left[:4], left[4:]
        harness.db.write(
            lambda tx, batch=batch: record_frames(
                tx, "gate", batch, MODEL, RULES, harness.clock(), dwell
            )
        )
    stored_frames = [(one.key, one.captured_at, one.result) for one in frames]
    counted = find_dwellers(stored_frames, "yard", dwell["yard"])
    every = [one for frame in frames for one in frame.observations.get("yard", ())]
    kept = [one for one in every if (one.frame_key, one.person) in counted]
    assert len(kept) < len(every)
    assert stored(harness.db, "yard") == [
        {"id": episode.incident_id, **episode_row(episode)}
        for episode in episodes("gate", "yard", kept, RULES)
    ]
