from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.notifications.capability import CAPABILITY
from functions.notifications.messages import digest_content, single_content
from functions.notifications.notices import EVENTS, MAX_LINE, MAX_TITLE, notice_of
from functions.notifications.render import render_html, render_json, render_text
from functions.notifications.schemas import EventSummary
from hearth.errors import InvalidInput
from hearth.ledger.events import Event
from tests.support.report_events import payload

BERLIN = ZoneInfo("Europe/Berlin")
WHEN = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)
CREATED = {
    "task_id": "1",
    "title": "Hand out helmets",
    "description": "All of\nthem",
    "priority": "high",
    "created_by": "alice",
    "assignee": None,
    "due_at": "2026-11-03T07:30:00Z",
    "source": {"type": "report", "report_id": "r", "incident_id": "i"},
}


def event(data: dict[str, Any], name: str = "task.created", version: int = 1) -> Event:
    return Event(name, "1:1", WHEN, "1", data, version)


def test_a_violation_is_shown_in_the_site_s_time_and_as_not_verified() -> None:
    notice = notice_of(event(payload(), "safety.violation.detected", 2), BERLIN)
    assert notice.title == "No helmet, no vest at gate, yard, North Yard"
    assert "Found automatically and verified by nobody." in notice.lines
    assert any("CET" in line for line in notice.lines)
    assert notice.user_ids is None


def test_a_fallback_detector_is_named_as_one() -> None:
    data = payload()
    data["model"] |= {"fallback": True, "name": "hog"}
    notice = notice_of(event(data, "safety.violation.detected", 2), BERLIN)
    assert "Found by the default detector hog: no model is in force." in notice.lines


def test_a_task_concerns_its_creator_and_its_assignee() -> None:
    notice = notice_of(event(CREATED | {"assignee": "bob"}), BERLIN)
    assert notice.user_ids == {"alice", "bob"}
    assert notice.lines == ("All of them", "Priority: high", "Due: 2026-11-03 08:30 CET")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (event({}), "task_id"),
        (event(CREATED | {"due_at": "soon"}), "due_at"),
        (event(CREATED, "task.updated"), "task.updated.v1 is not an event"),
        (event(CREATED, version=2), "task.created.v2 is not an event"),
    ],
    ids=lambda value: value if isinstance(value, str) else "event",
)
def test_an_event_without_a_notice_is_refused_with_the_reason(broken: Event, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        notice_of(broken, BERLIN)


@given(title=st.text(max_size=400), description=st.text(max_size=2_000))
def test_any_text_becomes_one_line_without_control_characters(title: str, description: str) -> None:
    notice = notice_of(event(CREATED | {"title": title, "description": description}), BERLIN)
    for line in (notice.title, *notice.lines):
        assert not any(ord(sign) < 32 or ord(sign) == 127 for sign in line)
    assert len(notice.title) <= MAX_TITLE
    assert all(len(line) <= MAX_LINE for line in notice.lines)


def summary(n: int) -> EventSummary:
    return EventSummary(
        type="task.due", id=str(n), subject="1", time=WHEN, title=f"T{n}", lines=("a",), details={}
    )


def test_one_event_and_several_are_rendered_as_text() -> None:
    one = single_content(event(CREATED), notice_of(event(CREATED), BERLIN))
    assert render_text(one).splitlines()[0] == "New task: Hand out helmets"
    several = digest_content(3, [summary(1), summary(2)], "Yard")
    assert render_text(several) == ("3 notifications at Yard\n\nT1\na\n\nT2\na\n\nand 1 more")
    assert render_text(digest_content(1, [summary(1)], "Yard")) == "T1\na"


def test_text_that_is_too_long_is_cut_at_a_line() -> None:
    text = render_text(digest_content(9, [summary(n) for n in range(9)], ""), 30)
    assert len(text) <= 30
    assert text.endswith("\n…")


def test_html_escapes_text_of_events() -> None:
    evil = summary(1).model_copy(update={"title": "<script>", "lines": ('"><img src=x>',)})
    text = render_html(digest_content(1, [evil], ""))
    assert "<script>" not in text
    assert "<img" not in text


def test_the_json_body_lists_each_event() -> None:
    body = render_json(digest_content(2, [summary(1), summary(2)], ""), "m", WHEN)
    assert (body["type"], body["data"]["id"]) == ("notifications.digest", "m")
    assert [one["id"] for one in body["data"]["events"]] == ["1", "2"]


def test_every_subscribed_event_has_a_notice() -> None:
    assert set(EVENTS) == set(CAPABILITY.subscribes)
