"""Buckets of local time, against what the wall clock shows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.analytics.buckets import (
    MAX_BUCKETS,
    QUARTER,
    Bucket,
    Granularity,
    buckets,
    parse_moment,
    quarter_of,
    zone_named,
)
from hearth.errors import InvalidInput

ZONES = sorted(available_timezones() - {"localtime", "posixrules", "Factory"})
BERLIN = ZoneInfo("Europe/Berlin")


def label(when: datetime, granularity: Granularity, zone: ZoneInfo) -> object:
    """What the wall clock and the calendar show at `when`: the oracle."""
    local = when.astimezone(zone)
    match granularity:
        case Granularity.HOUR:
            return local.date(), local.hour, local.utcoffset()
        case Granularity.DAY:
            return local.date()
        case Granularity.WEEK:
            return local.isocalendar()[:2]
        case Granularity.MONTH:
            return local.year, local.month


@st.composite
def questions(draw: st.DrawFn) -> tuple[datetime, datetime, Granularity, ZoneInfo]:
    granularity = draw(st.sampled_from(Granularity))
    longest = {"hour": 100, "day": 800, "week": 3000, "month": 20_000}[granularity]
    begins = draw(
        st.datetimes(datetime(2020, 1, 2), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
    )
    hours = draw(st.floats(0.001, longest))
    return (
        begins,
        begins + timedelta(hours=hours),
        granularity,
        ZoneInfo(draw(st.sampled_from(ZONES))),
    )


@settings(max_examples=400, deadline=None)
@given(questions(), st.data())
def test_each_moment_is_in_one_bucket_and_that_is_what_the_clock_shows(
    question: tuple[datetime, datetime, Granularity, ZoneInfo], data: st.DataObject
) -> None:
    begins, ends, granularity, zone = question
    found = buckets(begins, ends, granularity, zone)

    assert found[0].begins <= begins < found[0].ends
    assert found[-1].begins < ends <= found[-1].ends
    assert all(first.ends == second.begins for first, second in pairwise(found))
    assert all(
        edge == quarter_of(edge) for bucket in found for edge in (bucket.begins, bucket.ends)
    )
    seconds = (found[-1].ends - found[0].begins).total_seconds()
    when = found[0].begins + timedelta(seconds=data.draw(st.floats(0, seconds - 1)))
    (bucket,) = [bucket for bucket in found if bucket.begins <= when < bucket.ends]
    shown = label(when, granularity, zone)
    assert label(bucket.begins, granularity, zone) == shown
    assert label(bucket.ends - timedelta.resolution, granularity, zone) == shown
    assert label(bucket.begins - timedelta.resolution, granularity, zone) != shown
    assert label(bucket.ends, granularity, zone) != shown


def test_a_year_of_days_in_every_zone_is_what_the_calendar_says() -> None:
    dates = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    for name in ZONES:
        zone = ZoneInfo(name)
        year = parse_moment("2026-01-01", zone), parse_moment("2026-12-31", zone, last=True)
        found = buckets(*year, Granularity.DAY, zone)
        assert [bucket.begins.astimezone(zone).date() for bucket in found] == dates, name


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-06-01", 24),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-11-01", 25),
        ("America/Havana", "2026-03-08", 23),  # the clock goes forward at midnight
        ("America/Santiago", "2026-04-04", 25),  # and back at midnight, into the day before
        ("Asia/Kathmandu", "2026-01-01", 24),
        (
            "Australia/Lord_Howe",
            "2026-04-05",
            25,
        ),  # half an hour is shown twice: a bucket of its own
    ],
)
def test_a_day_has_as_many_hours_as_its_clock_shows(zone: str, day: str, hours: int) -> None:
    place = ZoneInfo(zone)
    begins, ends = parse_moment(day, place), parse_moment(day, place, last=True)
    assert len(buckets(begins, ends, Granularity.HOUR, place)) == hours


def test_the_hour_that_comes_twice_is_two_buckets_with_two_offsets() -> None:
    begins, ends = parse_moment("2026-10-25", BERLIN), parse_moment("2026-10-25", BERLIN, last=True)
    shown = [
        b.begins.astimezone(BERLIN).isoformat()
        for b in buckets(begins, ends, Granularity.HOUR, BERLIN)
    ]
    assert shown[2:4] == ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"]


def test_months_have_their_own_lengths() -> None:
    found = buckets(
        parse_moment("2028-01-31", BERLIN),
        parse_moment("2028-04-01", BERLIN),
        Granularity.MONTH,
        BERLIN,
    )
    assert [round((b.ends - b.begins).total_seconds() / 3600) for b in found] == [744, 696, 743]


def test_a_week_begins_on_monday() -> None:
    (bucket,) = buckets(
        parse_moment("2026-11-22", BERLIN),
        parse_moment("2026-11-22", BERLIN, last=True),
        Granularity.WEEK,
        BERLIN,
    )
    assert bucket == Bucket(
        datetime(2026, 11, 15, 23, tzinfo=UTC), datetime(2026, 11, 22, 23, tzinfo=UTC)
    )


def test_a_time_within_a_bucket_gives_the_whole_bucket() -> None:
    when = datetime(2026, 11, 2, 7, 31, 5, tzinfo=UTC)
    (bucket,) = buckets(when, when + timedelta.resolution, Granularity.HOUR, BERLIN)
    assert bucket.begins == datetime(2026, 11, 2, 7, tzinfo=UTC)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_quarter_begins_at_0_15_30_or_45(when: datetime) -> None:
    quarter = quarter_of(when)
    assert quarter <= when < quarter + QUARTER
    assert (quarter.minute % 15, quarter.second, quarter.microsecond) == (0, 0, 0)


def test_as_many_buckets_as_are_allowed_and_one_more() -> None:
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    longest = timedelta(hours=MAX_BUCKETS)
    assert len(buckets(begins, begins + longest, Granularity.HOUR, ZoneInfo("UTC"))) == MAX_BUCKETS
    with pytest.raises(InvalidInput, match="more than 1000 buckets of one hour"):
        buckets(begins, begins + longest + QUARTER, Granularity.HOUR, ZoneInfo("UTC"))


def test_eighty_years_of_hours_are_refused_at_once() -> None:
    with pytest.raises(InvalidInput, match="more than 1000"):
        buckets(
            datetime(2020, 1, 1, tzinfo=UTC),
            datetime(2100, 1, 1, tzinfo=UTC),
            Granularity.HOUR,
            BERLIN,
        )


@pytest.mark.parametrize("ends", ["2026-11-02T07:30:00Z", "2026-11-02T07:29:59Z", "2020-01-01"])
def test_an_end_that_is_not_after_the_start_is_refused(ends: str) -> None:
    zone = ZoneInfo("UTC")
    with pytest.raises(InvalidInput, match="must be after start_date"):
        buckets(
            parse_moment("2026-11-02T07:30:00Z", zone),
            parse_moment(ends, zone),
            Granularity.DAY,
            zone,
        )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "RFC 3339"),
        ("today", "RFC 3339"),
        ("2026-02-30", "calendar"),
        ("2026-13-01", "calendar"),
        ("2026-1-1", "RFC 3339"),
        ("2026-11-02T07:30:00", "RFC 3339"),  # no offset
        ("2026-11-02\x00", "RFC 3339"),
        ("\uff12\uff10\uff12\uff16-11-02", "RFC 3339"),
        ("0001-01-01", "out of range"),
        ("2019-12-31", "out of range"),
        ("2100-01-01", "out of range"),
        ("9999-12-31", "out of range"),
        ("9999-12-31T23:59:59-14:00", "RFC 3339"),
        ("2019-12-31T23:59:59Z", "out of range"),
        ("9" * 5000, "RFC 3339"),
    ],
    ids=lambda text: text[:30],
)
def test_an_invalid_time_is_named(text: str, reason: str) -> None:
    for last in (False, True):
        with pytest.raises(InvalidInput, match=reason) as caught:
            parse_moment(text, BERLIN, last=last)
        assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Nowhere",
        "Europe",
        "../etc/passwd",
        "/etc/passwd",
        "UTC\x00",
        "\ud800",
        "x" * 5000,
        "zone.tab",
        "a/" * 500,
    ],
    ids=lambda name: ascii(name)[:20],
)
def test_an_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(InvalidInput, match="not an IANA time zone"):
        zone_named(name)
