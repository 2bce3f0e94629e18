"""When a disk will be full."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hearth_runtime.aws.disk_history import HISTORY_FILE, DiskHistory

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GIB = 2**30


def history(folder: Path, *samples: tuple[float, int]) -> DiskHistory:
    """Samples as (hours ago, free GiB)."""
    it = DiskHistory(folder)
    for hours, free in samples:
        it.note(NOW - timedelta(hours=hours), free * GIB)
    return it


@pytest.mark.parametrize(
    ("samples", "free", "days"),
    [
        ([], 10, None),
        ([(5, 50)], 10, None),  # too short to tell
        ([(24, 20), (12, 15)], 10, 1.0),
        ([(12, 20)], 10, 0.5),
        ([(24, 10)], 10, None),
        ([(24, 5)], 10, None),
        ([(24 * 30, 90), (24, 20)], 10, 1.0),  # it was switched off for a month
    ],
)
def test_the_rate_of_late_tells_when_it_is_full(
    tmp_path: Path, samples: list[tuple[float, int]], free: int, days: float | None
) -> None:
    left = history(tmp_path, *samples).days_left(NOW, free * GIB)
    assert left == (None if days is None else pytest.approx(days))


def test_one_sample_an_hour_of_two_days_is_kept(tmp_path: Path) -> None:
    history(tmp_path, *((minutes / 60, 20) for minutes in range(6000, 0, -20)))
    assert len(json.loads((tmp_path / HISTORY_FILE).read_text())["free"]) == 48


def test_a_clock_that_was_set_back_starts_anew(tmp_path: Path) -> None:
    it = history(tmp_path, (-48, 99), (12, 20))
    assert it.days_left(NOW, 10 * GIB) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"free": 3}', '{"free": [3, ["x", 1], ["2026-01-01", 1]]}']
)
def test_a_file_that_means_nothing_is_no_history(tmp_path: Path, text: str) -> None:
    (tmp_path / HISTORY_FILE).write_text(text)
    assert DiskHistory(tmp_path).days_left(NOW, GIB) is None
    DiskHistory(tmp_path).note(NOW - timedelta(days=1), 2 * GIB)
    assert DiskHistory(tmp_path).days_left(NOW, GIB) == pytest.approx(1.0)
