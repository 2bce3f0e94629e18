from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from functions.reports.guidance import GUIDANCE, guidance_for
from functions.reports.narrative import rules_narrative
from tests.support.report_events import incident, payload

BERLIN = ZoneInfo("Europe/Berlin")


def violation(class_name: str = "no_helmet", **changes: Any) -> dict[str, Any]:
    return payload()["violations"][0] | {"class_name": class_name} | changes


@pytest.mark.parametrize(
    ("class_name", "regulation"),
    [
        ("no_helmet", "29 CFR 1926.100(a)"),
        ("no_goggle", "29 CFR 1926.102"),
        ("no_goggles", "29 CFR 1926.102"),
        ("no_gloves", "29 CFR 1926.95"),
        ("no_boots", "29 CFR 1926.96"),
        ("no_vest", "29 CFR 1926.95(a)"),
        ("restricted_zone", None),
        ("a_class_of_tomorrow", None),
    ],
)
def test_each_class_cites_its_paragraph(class_name: str, regulation: str | None) -> None:
    assert guidance_for(class_name).regulation == regulation


@pytest.mark.parametrize("class_name", [*GUIDANCE, "a_class_of_tomorrow"])
def test_every_class_gets_hazards_four_actions_and_follow_up(class_name: str) -> None:
    narrative = rules_narrative(incident(violations=[violation(class_name)]), BERLIN)
    assert narrative.hazards
    assert len(narrative.corrective_actions) >= 4
    assert len(narrative.follow_up) >= 2
    assert narrative.source == "rules"


def test_all_classes_at_once_fit_and_repeat_nothing() -> None:
    narrative = rules_narrative(
        incident(violations=[violation(name) for name in (*GUIDANCE, "x_1", "x_2")]), BERLIN
    )
    for lines in (narrative.hazards, narrative.corrective_actions, narrative.follow_up):
        assert len(lines) == len(set(lines))


def test_the_same_incident_gives_the_same_words() -> None:
    assert rules_narrative(incident(), BERLIN) == rules_narrative(incident(), BERLIN)


def test_times_are_local_and_numbers_are_those_of_the_event() -> None:
    summary = rules_narrative(incident(), BERLIN).summary
    assert "2025-11-24 10:14:03 CET" in summary
    assert "48 observations with a median confidence of 0.74 and a peak of 0.91" in summary
    assert "71 frames were examined, with at most 2 people" in summary


def test_a_low_median_is_called_low_and_a_high_one_is_not() -> None:
    low = rules_narrative(incident(violations=[violation(confidence=0.55)]), BERLIN)
    high = rules_narrative(incident(violations=[violation(confidence=0.85)]), BERLIN)
    assert "the median is low" in low.summary
    assert "the median is low" not in high.summary


def test_a_single_observation_only_asks_to_look() -> None:
    once = incident(violations=[violation(observations=1, confidence=0.99)])
    assert "rests on very little" in rules_narrative(once, BERLIN).summary


def test_indeterminate_items_and_a_fallback_are_named() -> None:
    event = incident(model=payload()["model"] | {"fallback": True})
    summary = rules_narrative(event, BERLIN).summary
    assert "goggles and gloves" in summary
    assert "fallback" in summary


def test_without_indeterminate_items_and_fallback_none_is_mentioned() -> None:
    summary = rules_narrative(incident(indeterminate=[]), BERLIN).summary
    assert "No judgement" not in summary
    assert "fallback" not in summary
