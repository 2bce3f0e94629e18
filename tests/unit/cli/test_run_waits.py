"""When a run is over, and what belongs to it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hearth_runtime.commands.output import CommandError
from hearth_runtime.commands.run_result import _belongs, _camera_table, _concerns, _span
from hearth_runtime.commands.run_wait import Settled, wait_until_settled
from hearth_runtime.watch.watcher import WatchSummary

FIRST = "frames/gate/20260301T080000.000000Z.jpg"
LAST = "frames/gate/20260301T080005.000000Z.jpg"
END = "frames/gate/20260301T080005.000001Z.end"
SUMMARY = WatchSummary("clip.mp4", "gate", "b", first_key=FIRST, last_key=LAST, end_key=END)


class Ledger:
    """Answers as the jobs API does, one state of affairs after another."""

    def __init__(self, *steps: dict[str, Any]) -> None:
        self.steps = list(steps)
        self.rounds = 0

    def get(self, path: str, **query: Any) -> Any:
        prefix = query.get("dedupe_prefix")
        if prefix is None:  # each round begins with this question
            self.rounds += 1
        step = self.steps[min(self.rounds, len(self.steps)) - 1]
        if prefix is None:
            return {"jobs": step["jobs"]}
        if prefix.startswith("end:"):
            return {"jobs": {"detection.end": {"done": step["ends"]}}}
        return {"jobs": {"detection.frame": step["frames"]}}


def step(
    frames: dict[str, int], ends: int = 1, *, opened: dict[str, dict[str, int]] | None = None
) -> dict[str, Any]:
    return {"frames": frames, "ends": ends, "jobs": opened or {}}


def wait(
    ledger: Ledger, stored: dict[str, int], *, timeout_s: float = 5, summaries: Sequence[Any] = ()
) -> Settled:
    return wait_until_settled(
        ledger,  # type: ignore[arg-type]
        summaries,
        stored,
        timeout_s=timeout_s,
        stop=threading.Event(),
        alive=lambda: None,
        tell=lambda text: None,
    )


def test_nothing_stored_is_over_soon() -> None:
    assert wait(Ledger(step({})), {}).complete


def test_a_run_is_over_when_all_is_done_or_failed_and_nothing_is_open() -> None:
    ledger = Ledger(
        step({"queued": 3}, 0, opened={"detection.frame": {"queued": 3}}),
        step({"done": 2, "running": 1}, 0, opened={"detection.frame": {"running": 1}}),
        step({"done": 2, "failed": 1}, 0, opened={"detection.settle": {"queued": 1}}),
        step({"done": 2, "failed": 1}, 1, opened={"safety.violation.detected": {"running": 1}}),
        step({"done": 2, "failed": 1}, 1),
    )
    settled = wait(ledger, {"gate": 3}, summaries=[SUMMARY])
    assert settled.complete
    assert settled.frames_seconds is not None
    assert settled.frames_seconds <= settled.seconds


def test_a_frame_without_a_job_is_waited_for() -> None:
    settled = wait(Ledger(step({"done": 2})), {"gate": 3}, timeout_s=0.6)
    assert (settled.complete, settled.frames_seconds) == (False, None)


def test_an_end_marker_without_a_job_is_waited_for() -> None:
    ledger = Ledger(step({"done": 3}, 0))
    assert not wait(ledger, {"gate": 3}, timeout_s=0.8, summaries=[SUMMARY]).complete


def test_an_open_job_is_waited_for() -> None:
    opened = {"reports.email": {"queued": 1}}
    settled = wait(Ledger(step({"done": 3}, opened=opened)), {"gate": 3}, timeout_s=0.8)
    assert (settled.complete, settled.open) == (False, 1)


@pytest.mark.parametrize("kind", ["reports.digest", "tasks.remind"])
def test_the_digest_of_tonight_and_a_reminder_next_march_are_not_waited_for(kind: str) -> None:
    opened = {kind: {"queued": 1}}
    assert wait(Ledger(step({"done": 3}, opened=opened)), {"gate": 3}).complete


def test_a_dead_stack_ends_the_waiting() -> None:
    def dead() -> None:
        raise CommandError("The stack ended in the middle of the run.")

    with pytest.raises(CommandError, match="ended"):
        wait_until_settled(
            Ledger(step({})),  # type: ignore[arg-type]
            [],
            {"gate": 1},
            timeout_s=5,
            stop=threading.Event(),
            alive=dead,
            tell=lambda text: None,
        )


@pytest.mark.parametrize(
    ("first_seen", "last_seen", "state", "belongs"),
    [
        ("2026-03-01T08:00:01.000000Z", "2026-03-01T08:00:02.000000Z", "ended", True),
        ("2026-03-01T07:59:58.000000Z", "2026-03-01T08:00:00.000000Z", "ended", True),
        ("2026-03-01T07:59:00.000000Z", "2026-03-01T07:59:59.000000Z", "ended", False),
        ("2026-03-01T08:00:06.000000Z", "2026-03-01T08:00:07.000000Z", "ended", False),
        ("2026-03-01T08:00:01.000000Z", "2026-03-01T08:00:02.000000Z", "superseded", False),
    ],
)
def test_an_incident_belongs_to_the_run_that_watched_its_time(
    first_seen: str, last_seen: str, state: str, belongs: bool
) -> None:
    incident = {"first_seen": first_seen, "last_seen": last_seen, "state": state}
    assert _belongs(incident, SUMMARY) is belongs


@pytest.mark.parametrize(
    ("dedupe_key", "updated_at", "concerns"),
    [
        (f"frame:{FIRST}", "2020-01-01T00:00:00Z", True),
        (f"end:{END}", "2020-01-01T00:00:00Z", True),
        ("report:01ABC:1", "2020-01-01T00:00:00Z", True),
        ("frame:frames/gate/20250301T080000.000000Z.jpg", "2020-01-01T00:00:00Z", False),
        ("frame:frames/yard/20260301T080001.000000Z.jpg", "2020-01-01T00:00:00Z", False),
        ("email:other", "2026-06-01T00:00:01Z", True),
    ],
)
def test_a_failure_concerns_the_run_by_its_subject_or_its_time(
    dedupe_key: str, updated_at: str, concerns: bool
) -> None:
    job = {"dedupe_key": dedupe_key, "updated_at": updated_at}
    incidents = [{"incident_id": "01ABC"}]
    started = datetime(2026, 6, 1, tzinfo=UTC)
    assert _concerns(job, [SUMMARY], incidents, started) is concerns


@pytest.mark.parametrize(("dropped", "shown"), [(0, "12"), (3, "12 (3 dropped)")])
def test_frames_that_were_let_go_are_shown_beside_those_that_were_judged(
    dropped: int, shown: str
) -> None:
    camera = {"camera_id": "gate", "frames": 12, "dropped_frames": dropped}
    table = _camera_table([camera | {"watch": SUMMARY.as_dict()}])
    cells = {column.header: list(column.cells) for column in table.columns}
    assert cells["judged"] == [shown]


@pytest.mark.parametrize(
    ("zone", "seen"),
    [
        ("UTC", "2026-03-01 22:59:58 to 23:00:03"),
        ("Asia/Kolkata", "2026-03-02 04:29:58 to 04:30:03"),
        ("Europe/Berlin", "2026-03-01 23:59:58 to 2026-03-02 00:00:03"),
    ],
)
def test_times_of_the_table_are_those_of_the_site(zone: str, seen: str) -> None:
    first, last = "2026-03-01T22:59:58.000000Z", "2026-03-01T23:00:03.500000Z"
    assert _span(first, last, ZoneInfo(zone)) == seen
