"""Who is who on a camera's frames, whatever order they came in."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.detection.judging.tracks import Sighting, Track, count_people, track, weigh_attribute

START = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)


def seen(
    seconds: float,
    x: float,
    y: float = 100.0,
    *,
    index: int = 1,
    score: float = 0.9,
    height: float = 200.0,
    helmet: str | None = None,
) -> Sighting:
    """Somebody 80 wide whose left upper corner is at (x, y)."""
    at = START + timedelta(seconds=seconds)
    findings = ((("helmet", helmet, 0.85),)) if helmet else ()
    return Sighting(
        at, f"frames/gate/{at:%H%M%S.%f}.jpg", index, (x, y, x + 80, y + height), score, findings
    )


def walk(begin: float, x: float, step: float, frames: int = 6, **more: float) -> list[Sighting]:
    return [seen(begin + n / 5, x + n * step, **more) for n in range(frames)]  # type: ignore[arg-type]


def lengths(tracks: list[Track]) -> list[int]:
    return [len(one.sightings) for one in tracks]


def test_without_sightings_there_are_no_tracks() -> None:
    assert track("gate", []) == []


def test_a_person_who_walks_through_the_image_is_one_track() -> None:
    [person] = track("gate", walk(0, 0, 30))
    assert len(person.sightings) == 6
    assert person.confirmed
    assert len(person.person_id) == 26


def test_two_people_who_cross_are_two_tracks() -> None:
    right = walk(0, 0, 40, 11)
    left = [
        Sighting(one.captured_at, one.frame_key, 2, (400 - 40 * n, 160, 480 - 40 * n, 360), 0.9)
        for n, one in enumerate(right)
    ]
    people = track("gate", right + left)
    assert lengths(people) == [11, 11]
    for person in people:
        assert len({one.index for one in person.sightings}) == 1


@pytest.mark.parametrize(
    ("later", "people"),
    [
        (seen(0.2, 20), 1),
        (seen(4, 100), 1),
        (seen(6, 0), 2),  # gone for more than five seconds
        (seen(0.2, 500), 2),  # nobody runs so fast
        (seen(0.2, 0, height=80), 2),  # somebody much smaller
        (seen(0.2, 0, y=350, height=130), 2),  # neither head nor feet where they were
        (seen(1, 0, height=130), 1),  # the legs went behind something
    ],
)
def test_the_next_sighting_continues_a_track_or_begins_another(
    later: Sighting, people: int
) -> None:
    assert len(track("gate", [seen(0, 0), later])) == people


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 40),
            st.floats(0, 600, allow_nan=False),
            st.floats(0, 200, allow_nan=False),
            st.integers(1, 4),
        ),
        max_size=60,
    ),
    st.integers(0, 2**32),
)
def test_shuffled_and_repeated_frames_give_the_same_people(
    places: list[tuple[int, float, float, int]], seed: int
) -> None:
    sightings = [seen(n / 5, x, y, index=index) for n, x, y, index in places]
    # A person's number is given once on a frame.
    sightings = list({(one.frame_key, one.index): one for one in sightings}.values())
    expected = track("gate", sightings)
    shuffled = sightings + sightings[::2]
    random.Random(seed).shuffle(shuffled)
    again = track("gate", shuffled)
    assert again == expected
    assert [one.person_id for one in again] == [one.person_id for one in expected]
    assert sum(lengths(expected)) == len(sightings)
    ids = [one.person_id for one in expected]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("scores", "score", "confirmed"),
    [
        ([0.9], 0.0, False),
        ([0.9, 0.8], 0.8, True),
        ([0.9, 0.6], 0.6, False),
        ([0.9, 0.8, 0.2], 0.8, True),
        ([0.9, 0.5, 0.5, 0.9], 0.7, True),
    ],
)
def test_a_person_s_score_is_the_median_of_at_least_three(
    scores: list[float], score: float, confirmed: bool
) -> None:
    [person] = track("gate", [seen(n / 5, 0, score=one) for n, one in enumerate(scores)])
    assert person.score == pytest.approx(score)
    assert person.confirmed is confirmed


WORN, MISSING, BLIND = ("worn", 0.9), ("missing", 0.9), ("indeterminate", 0.0)


@pytest.mark.parametrize(
    ("history", "state", "reason"),
    [
        ([], "indeterminate", "no frame could tell"),
        ([BLIND] * 9, "indeterminate", "no frame could tell"),
        ([WORN] * 2, "indeterminate", "2 of the 3 frames that are needed could tell"),
        ([WORN] * 3, "worn", None),
        ([MISSING] * 3 + [BLIND] * 5, "missing", None),
        ([WORN] * 3 + [MISSING] * 2, "worn", None),
        ([WORN] * 2 + [MISSING] * 2, "indeterminate", "50% of 4 frames agree, 60% are needed"),
        ([("worn", 0.7)] * 5, "indeterminate", "worn in 5 frames, but at 0.70, below 0.8"),
        ([("worn", 0.8)] * 3, "worn", None),
    ],
)
def test_an_attribute_is_accepted_when_several_frames_agree(
    history: list[tuple[str, float]], state: str, reason: str | None
) -> None:
    found = weigh_attribute("helmet", history)
    assert (found.state, found.reason) == (state, reason)


def test_attributes_of_a_track_are_weighed_over_all_sightings() -> None:
    states = ["worn", "missing", "missing", "indeterminate", "missing"]
    [person] = track("gate", [seen(n / 5, 0, helmet=one) for n, one in enumerate(states)])
    [helmet] = person.attributes()
    assert (helmet.state, helmet.attempts, helmet.agreement) == ("missing", 4, 0.75)


def test_people_who_come_one_after_the_other_are_counted_each() -> None:
    assert count_people("gate", [], 0) == 0
    passers = walk(0, 0, 30) + walk(10, 0, 30) + walk(20, 300, 0)
    assert count_people("gate", passers, 1) == 3
    assert count_people("gate", passers, 1, timedelta(seconds=60)) < 3


def test_a_flicker_counts_as_nobody_unless_it_is_all_there_is() -> None:
    standing = walk(0, 0, 0, 40)
    assert count_people("gate", [*standing, seen(3, 500, index=2)], 1) == 1
    assert count_people("gate", [seen(0, 0)], 1) == 1
