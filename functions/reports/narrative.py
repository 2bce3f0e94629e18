"""Writes narratives by rules: a pure function of the incident."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from functions.reports.guidance import GENERAL_ACTIONS, GENERAL_FOLLOW_UP, guidance_for
from functions.reports.schemas import IncidentEvent, Narrative, Violation

# Frigate's threshold for a believable tracked object is a median score of 0.7.
_SOLID_MEDIAN = 0.7
_MAX_LINES = 40


def rules_narrative(event: IncidentEvent, zone: ZoneInfo, *, note: str | None = None) -> Narrative:
    """Write the narrative of an incident without any language model.

    Args:
        zone: The site's time zone, for the times in the text.
        note: Why a configured language model did not write it.
    """
    guidances = [guidance_for(violation.class_name) for violation in event.violations]
    return Narrative(
        summary=" ".join(_summary(event, zone)),
        hazards=_unique(line for guidance in guidances for line in guidance.hazards),
        corrective_actions=_unique(
            [*(line for guidance in guidances for line in guidance.actions), *GENERAL_ACTIONS]
        ),
        follow_up=_unique(
            [
                GENERAL_FOLLOW_UP[0],
                *(line for guidance in guidances for line in guidance.follow_up),
                GENERAL_FOLLOW_UP[1],
            ]
        ),
        source="rules",
        note=note,
    )


def local_time(when: datetime, zone: ZoneInfo) -> str:
    """`2026-11-21 14:03:07 CET`: the site's time, to the second."""
    return f"{when.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def utc_time(when: datetime) -> str:
    """`13:03:07 UTC` with the date in front."""
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def both_times(when: datetime, zone: ZoneInfo) -> list[str]:
    """The site's time and UTC; once where they agree."""
    times = [local_time(when, zone), utc_time(when)]
    return times[:1] if times[0] == times[1] else times


def _summary(event: IncidentEvent, zone: ZoneInfo) -> Iterable[str]:
    where = f"Camera {event.camera_id}" + (f", zone {event.zone}," if event.zone else "")
    if event.duration_s >= 1:
        span = (
            f"from {local_time(event.first_seen, zone)} to {local_time(event.last_seen, zone)} "
            f"({_duration(event.duration_s)})"
        )
    else:
        span = f"at {local_time(event.first_seen, zone)}"
    titles = [guidance_for(violation.class_name).title.lower() for violation in event.violations]
    yield f"{where} recorded an incident {span}: {_listed(titles)}."
    if event.frames_observed:
        people = (
            f", with at most {_counted(event.persons_max, 'person', 'people')} at a time"
            if event.persons_max
            else ""
        )
        yield f"{_counted(event.frames_observed, 'frame was', 'frames were')} examined{people}."
    if event.persons_seen:
        yield f"By their tracks, {_counted(event.persons_seen, 'person was', 'people were')} seen."
    if event.continuations:
        parts = len(event.continuations) + 1
        yield f"It was recorded in {parts} parts without a pause between them, and counts as one."
    for violation in event.violations:
        yield _strength(violation)
    if event.indeterminate:
        items = _listed(list(dict.fromkeys(item.item for item in event.indeterminate)))
        yield f"No judgement was possible about: {items}; the reasons are listed below."
    if event.model.fallback:
        yield (
            "The detector in use is a fallback, not a model trained for protective equipment, so "
            "its findings need closer checking."
        )
    yield (
        "An automatic detector can be wrong: nothing here is established until a person "
        "confirms it."
    )


def _strength(violation: Violation) -> str:
    title = guidance_for(violation.class_name).title
    seen = (
        f"{title} was seen in {_counted(violation.observations, 'observation', 'observations')} "
        f"with a median confidence of {violation.confidence:.2f} "
        f"and a peak of {violation.peak_confidence:.2f}"
    )
    if violation.observations < 3:
        return f"{seen}; that rests on very little and is no more than a prompt to look."
    if violation.confidence < _SOLID_MEDIAN:
        return f"{seen}; the median is low, so treat it as a prompt to look."
    return f"{seen}."


def _duration(seconds: float) -> str:
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {left} s"
    return f"{left} s"


def _counted(number: int | None, one: str, many: str) -> str:
    return f"{number or 0:,} {one if number == 1 else many}".replace(",", "\u00a0")


def _listed(items: list[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _unique(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lines))[:_MAX_LINES]
