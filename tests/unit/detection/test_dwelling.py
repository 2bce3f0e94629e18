"""Who has been in a zone for long enough."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.detection.judging.dwelling import DwellRules, find_dwellers

START = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)
Frame = tuple[str, datetime, dict[str, Any]]


def frame(second: float, *people: tuple[float, bool]) -> Frame:
    """People at these places from the left, in the zone or not."""
    at = START + timedelta(seconds=second)
    persons = [
        {
            "index": number,
            "confidence": 0.9,
            "bbox": [x, 100, x + 80, 300],
            "zones": ["yard"] if inside else [],
            "findings": [],
            "violations": [],
        }
        for number, (x, inside) in enumerate(people, 1)
    ]
    return f"frames/gate/{at:%H%M%S.%f}.jpg", at, {"persons": persons}


def seconds(frames: list[Frame], rules: DwellRules) -> list[float]:
    times = {key: (at - START).total_seconds() for key, at, _ in frames}
    return sorted(times[key] for key, _ in find_dwellers(frames, "yard", rules))


def test_nobody_dwells_where_nobody_is() -> None:
    assert find_dwellers([], "yard", DwellRules()) == set()
    assert find_dwellers([frame(0, (10, False))], "yard", DwellRules()) == set()


def test_without_settings_everybody_in_the_zone_counts_at_once() -> None:
    assert seconds([frame(n, (10, True)) for n in range(3)], DwellRules()) == [0, 1, 2]


def test_inertia_counts_the_frames_that_show_somebody_in_the_zone() -> None:
    frames = [frame(n, (10, True)) for n in range(5)]
    assert seconds(frames, DwellRules(inertia=3)) == [2, 3, 4]


def test_loitering_counts_from_the_first_sighting_in_the_zone() -> None:
    frames = [frame(n, (10, n >= 2)) for n in range(10)]
    assert seconds(frames, DwellRules(loitering_s=4)) == [6, 7, 8, 9]


def test_who_leaves_the_zone_for_long_begins_anew() -> None:
    frames = [frame(n, (10, n < 3 or n > 9)) for n in range(14)]
    assert seconds(frames, DwellRules(loitering_s=3)) == [13]


def test_passers_do_not_add_up_to_somebody_who_stays() -> None:
    # A new person a second, each far from the one before.
    frames = [frame(n, (n * 400.0, True)) for n in range(10)]
    assert seconds(frames, DwellRules(loitering_s=2)) == []


def test_the_order_of_frames_does_not_matter_and_neither_does_what_was_long_before() -> None:
    rng = random.Random(5)
    rules = DwellRules(inertia=3, loitering_s=6)
    frames = [
        frame(n / 2, *((rng.uniform(0, 900), rng.random() < 0.7) for _ in range(rng.randint(0, 3))))
        for n in range(120)
    ]
    every = find_dwellers(frames, "yard", rules)
    shuffled = frames[:]
    rng.shuffle(shuffled)
    assert find_dwellers(shuffled, "yard", rules) == every
    for start in range(0, 40, 7):
        since = START + timedelta(seconds=start)
        late = {frame[0] for frame in frames if frame[1] >= since + rules.lookback}
        part = find_dwellers([f for f in frames if f[1] >= since], "yard", rules)
        assert {one for one in part if one[0] in late} == {one for one in every if one[0] in late}
