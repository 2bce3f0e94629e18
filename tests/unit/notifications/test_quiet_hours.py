from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.notifications.quiet_hours import QuietHours

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize("text", ["", "22:00", "22:00-22:00", "24:00-07:00", "22-7", "2:00-07:00"])
def test_hours_that_are_not_two_times_are_refused_with_the_format(text: str) -> None:
    with pytest.raises(ValueError, match="such as 22:00-07:00"):
        QuietHours.parse(text, BERLIN)


@pytest.mark.parametrize(
    ("hours", "when", "until"),
    [
        ("22:00-07:00", "2026-11-02T21:59:59+01:00", "2026-11-02T21:59:59+01:00"),
        ("22:00-07:00", "2026-11-02T22:00:00+01:00", "2026-11-03T07:00:00+01:00"),
        ("22:00-07:00", "2026-11-03T06:59:59.999+01:00", "2026-11-03T07:00:00+01:00"),
        ("22:00-07:00", "2026-11-03T07:00:00+01:00", "2026-11-03T07:00:00+01:00"),
        ("12:00-14:00", "2026-11-03T13:00:01+01:00", "2026-11-03T14:00:00+01:00"),
        ("12:00-14:00", "2026-11-03T23:00:00+01:00", "2026-11-03T23:00:00+01:00"),
        # The night in which clocks go back: half past two comes twice, and is quiet twice.
        ("22:00-02:30", "2026-10-25T02:10:00+02:00", "2026-10-25T02:30:00+02:00"),
        ("22:00-02:30", "2026-10-25T02:10:00+01:00", "2026-10-25T02:30:00+01:00"),
        ("22:00-07:00", "2026-10-25T01:00:00+02:00", "2026-10-25T07:00:00+01:00"),
        # The night in which they go forward: there is no half past two; three is not quiet.
        ("22:00-02:30", "2026-03-29T01:50:00+01:00", "2026-03-29T03:00:00+02:00"),
        ("02:15-02:45", "2026-03-29T01:59:00+01:00", "2026-03-29T01:59:00+01:00"),
    ],
)
def test_quiet_hours_end_by_the_site_s_local_time(hours: str, when: str, until: str) -> None:
    assert QuietHours.parse(hours, BERLIN).end_after(at(when)) == at(until)


@given(
    begin=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    minutes=st.integers(1, 24 * 60 - 1),
    minute=st.integers(0, 366 * 24 * 60),
    zone=st.sampled_from(
        ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]
    ).map(ZoneInfo),
)
def test_the_end_is_the_first_minute_that_is_not_quiet(
    begin: time, minutes: int, minute: int, zone: ZoneInfo
) -> None:
    when = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC) + timedelta(minutes=minute)
    end = (datetime.combine(when.date(), begin) + timedelta(minutes=minutes)).time()
    quiet = QuietHours(begin, end, zone)
    over = quiet.end_after(when)
    assert when <= over <= when + timedelta(hours=25)
    assert not quiet.contains(over)
    assert (
        over == when
        or quiet.contains(over - timedelta(minutes=1))
        or over - when < timedelta(minutes=1)
    )
