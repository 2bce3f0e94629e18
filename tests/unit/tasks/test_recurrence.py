"""Rules of repetition: what is taken, what is refused, and when the next time is."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.tasks.recurrence import canonical, check_rule, next_due
from hearth.errors import InvalidInput

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 11, 2, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DAILY",
        "FREQ=",
        "FREQ=SECONDLY",
        "FREQ=MINUTELY",
        "FREQ=HOURLY;INTERVAL=24",
        "FREQ=DAILY;COUNT=1000000000",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=-1",
        "FREQ=DAILY;COUNT=2;UNTIL=20270101",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=99999999999999999999",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;BYSECOND=1",
        "FREQ=DAILY;BYHOUR=1,2,3",
        "FREQ=DAILY;UNTIL=tomorrow",
        "FREQ=DAILY;UNTIL=99999999",
        "FREQ=DAILY;BYDAY=XX",
        "FREQ=DAILY;BYMONTH=,",
        "FREQ=DAILY;BYMONTH=13;BYDAY=99MO",
        "FREQ=DAILY;DTSTART=20260101",
        "FREQ=DAILY\nEXDATE=20260101",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=5",
        "RRULE:RRULE:FREQ=DAILY",
    ],
)
def test_a_rule_that_is_none_or_hostile_or_never_true_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="repeat_rule"):
        check_rule(text, START, BERLIN)


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("FREQ=DAILY", START, "2026-11-03T08:00"),
        ("FREQ=DAILY;INTERVAL=3", START + timedelta(days=4), "2026-11-08T08:00"),
        ("FREQ=WEEKLY;BYDAY=MO,TH", START, "2026-11-05T08:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", START, "2026-12-31T08:00"),
        ("FREQ=MONTHLY;BYDAY=-1FR", START, "2026-11-27T08:00"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", START, "2028-02-29T08:00"),
        ("FREQ=DAILY;UNTIL=20261103", START, "2026-11-03T08:00"),
        ("FREQ=DAILY;UNTIL=20261103T075959Z", START, None),
        ("FREQ=DAILY;UNTIL=20261102", START, None),
        ("FREQ=DAILY;COUNT=1", START, None),
        ("FREQ=YEARLY;INTERVAL=1000", START, None),
    ],
)
def test_the_next_time_is_the_calendar_s(text: str, after: datetime, expected: str | None) -> None:
    due = next_due(text, START, 1, after, BERLIN)
    assert (due and due.astimezone(UTC).isoformat(timespec="minutes")[:16]) == expected


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    start=st.datetimes(datetime(1970, 1, 2), datetime(2150, 1, 1)),  # noqa: DTZ001
    later=st.timedeltas(timedelta(0), timedelta(days=400)),
    text=st.sampled_from(
        [
            "FREQ=DAILY",
            "FREQ=DAILY;INTERVAL=10",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU",
            "FREQ=MONTHLY;BYMONTHDAY=-1",
            "FREQ=MONTHLY;INTERVAL=5",
            "FREQ=YEARLY;BYDAY=20MO",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        ]
    ),
)
def test_calendars_repeat_so_the_far_future_answers_for_today(
    start: datetime, later: timedelta, text: str
) -> None:
    # What dateutil says of the year itself, without the 7,600 years.
    expected = rrulestr(text, dtstart=start).after(start + later)
    zone = ZoneInfo("UTC")
    found = next_due(text, start.replace(tzinfo=UTC), 1, (start + later).replace(tzinfo=UTC), zone)
    assert found == expected.replace(tzinfo=UTC)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text("FREQ=DAILYWKMONTHBYSPUC;,+-0123456789", max_size=60) | st.text(max_size=20))
def test_any_text_is_a_rule_or_a_clear_refusal(text: str) -> None:
    for whole in (text, f"FREQ=MONTHLY;{text}"):
        with contextlib.suppress(InvalidInput):
            check_rule(whole, START, BERLIN)


def test_one_rule_has_one_spelling() -> None:
    assert canonical("rrule:interval=2;freq=weekly;") == "FREQ=WEEKLY;INTERVAL=2"
