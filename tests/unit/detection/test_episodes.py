"""Episodes are a function of the set of observations."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.detection.incidents.episodes import Episode, episodes
from functions.detection.observations import Observation
from functions.detection.policy import EpisodeRules
from hearth.frames import frame_key

START = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)
RULES = EpisodeRules(gap_s=5, max_s=60, min_observations=3, min_score=0.5)


def seen(second: float, score: float = 0.8, name: str = "no_vest", person: int = 1) -> Observation:
    when = START + timedelta(seconds=second)
    return Observation(when, frame_key("gate", when), person, name, score)


def run(*observations: Observation, rules: EpisodeRules = RULES) -> list[Episode]:
    return episodes("gate", "yard", observations, rules)


def test_without_observations_there_are_no_episodes() -> None:
    assert run() == []


def test_a_gap_of_exactly_gap_s_does_not_split_and_a_longer_one_does() -> None:
    assert len(run(seen(0), seen(5))) == 1
    assert len(run(seen(0), seen(5.000001))) == 2


def test_an_episode_is_cut_at_max_s_from_its_first_observation() -> None:
    parts = run(*(seen(n * 4) for n in range(40)))
    assert [(e.last_seen - e.first_seen).total_seconds() for e in parts] == [60, 60, 28]
    assert [e.continues for e in parts] == [True, True, False]


def test_parts_of_one_chain_name_the_first_confirmed_one() -> None:
    first, *others = run(*(seen(n * 4) for n in range(40)))
    assert first.continuation_of is None
    assert {part.continuation_of for part in others} == {first.incident_id}
    weak, strong, last = run(*(seen(n * 4, 0.3 if n < 16 else 0.8) for n in range(40)))
    assert (weak.confirmed, weak.continuation_of, strong.continuation_of) == (False, None, None)
    assert last.continuation_of == strong.incident_id
    assert [part.continuation_of for part in run(seen(0), seen(1), seen(2), seen(9))] == [None] * 2


def test_fewer_than_three_frames_confirm_no_class() -> None:
    assert not run(seen(0), seen(1))[0].confirmed
    assert run(seen(0), seen(1), seen(2))[0].confirmed


def test_two_people_on_one_frame_are_one_observation_of_the_class() -> None:
    [episode] = run(seen(0), seen(0, person=2), seen(1), seen(1, person=2))
    assert not episode.confirmed
    assert episode.persons_max == 2
    assert episode.frames == 2


@pytest.mark.parametrize(
    ("scores", "confirmed"),
    [([0.4, 0.5, 0.9], True), ([0.4, 0.49, 0.9], False), ([0.2, 0.4, 0.6, 0.9], True)],
)
def test_the_median_of_the_frames_best_scores_decides(scores: list[float], confirmed: bool) -> None:
    [episode] = run(*(seen(n, score) for n, score in enumerate(scores)))
    assert episode.confirmed is confirmed


def test_the_best_score_of_a_frame_counts_for_it() -> None:
    pairs = [(seen(n, 0.1), seen(n, 0.9, person=2)) for n in range(3)]
    [episode] = run(*(one for pair in pairs for one in pair))
    assert episode.classes[0].confidence == 0.9


def test_each_class_is_confirmed_by_itself() -> None:
    [episode] = run(*(seen(n) for n in range(3)), seen(1, name="no_helmet"))
    assert [one.class_name for one in episode.classes] == ["no_vest"]


def test_the_peak_is_the_highest_confirmed_score_and_the_earliest_of_equals() -> None:
    [episode] = run(seen(0, 0.7), seen(1, 0.9), seen(2, 0.9), seen(3, 0.99, name="no_helmet"))
    assert episode.peak_frame_key == seen(1).frame_key
    assert episode.classes[0].peak_confidence == 0.9


def test_the_id_names_camera_zone_and_first_frame() -> None:
    here = run(seen(0))[0].incident_id
    assert here == run(seen(0), seen(1))[0].incident_id
    assert here != run(seen(1))[0].incident_id
    assert here != episodes("gate", None, [seen(0)], RULES)[0].incident_id
    assert here != episodes("dock", "yard", [seen(0)], RULES)[0].incident_id


observations = st.builds(
    seen,
    st.integers(0, 300),
    st.sampled_from([0.2, 0.5, 0.8]),
    st.sampled_from(["no_vest", "no_helmet"]),
    st.integers(1, 2),
)


@given(st.lists(observations, max_size=60), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(
    observed: list[Observation], rng: random.Random
) -> None:
    again = [*observed, *observed[::2]]
    rng.shuffle(again)
    assert run(*again) == run(*observed)


@given(st.lists(observations, min_size=1, max_size=60))
def test_episodes_cover_every_observation_once_and_keep_their_limits(
    observed: list[Observation],
) -> None:
    parts = run(*observed)
    assert sum(part.frames for part in parts) == len({one.frame_key for one in observed})
    for part in parts:
        assert part.last_seen - part.first_seen <= timedelta(seconds=60)
    for before, after in pairwise(parts):
        apart = after.first_seen - before.last_seen
        assert apart > timedelta(seconds=5) or before.continues


@given(st.lists(observations, min_size=1, max_size=60), observations)
def test_a_new_observation_leaves_earlier_episodes_as_they_are(
    observed: list[Observation], new: Observation
) -> None:
    # What `incidents._recompute` relies on: only the last episode that began before it, and what
    # follows, can change.
    before, after = run(*observed), run(*observed, new)
    earlier = [part for part in before if part.first_seen < new.captured_at][:-1]
    assert after[: len(earlier)] == earlier
