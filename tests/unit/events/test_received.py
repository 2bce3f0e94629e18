"""What a publisher writes is what a subscriber reads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.errors import InvalidInput
from hearth.ledger.events import Event, Publisher, received

WHEN = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
EVENT = Event("task.created", "1:1", WHEN, "1", {"task_id": "1"}, version=12)


def payload(event: Event = EVENT, **changes: Any) -> dict[str, Any]:
    [job] = Publisher("tasks", {event.type: ["reports"]}).jobs(event)
    return {**job.payload, **changes}


def test_an_event_nobody_subscribes_to_makes_no_job() -> None:
    assert Publisher("tasks", {}).jobs(EVENT) == []


def test_each_subscriber_gets_a_job_of_its_own() -> None:
    jobs = Publisher("tasks", {EVENT.type: ["a", "b"]}).jobs(EVENT)
    assert [(job.queue, job.dedupe_key) for job in jobs] == [
        ("a", "event:task.created:1:1:a"),
        ("b", "event:task.created:1:1:b"),
    ]


@given(
    name=st.sampled_from(["task.created", "safety.violation.detected"]),
    words=st.text(max_size=20),
    when=st.datetimes(timezones=st.just(UTC)),
    data=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3),
    version=st.integers(1, 9999),
)
def test_reading_gives_back_what_was_published(
    name: str, words: str, when: datetime, data: dict[str, Any], version: int
) -> None:
    event = Event(name, "1", when, words, data, version)
    assert received(payload(event)) == event


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({}, "type is missing"),
        ({"specversion": "1.0", "type": "task.created"}, "id is missing"),
        (payload(data=[]), "data has the wrong type"),
        (payload(subject=1), "subject has the wrong type"),
        (payload(dataschema="task.created"), "names no version"),
        (payload(dataschema="task.created.v0"), "names no version"),
        (payload(time="yesterday"), "not an RFC 3339 time"),
    ],
    ids=lambda value: value if isinstance(value, str) else "payload",
)
def test_what_is_no_event_is_refused_with_the_reason(broken: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        received(broken)
