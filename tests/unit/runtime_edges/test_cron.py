"""When schedules are due: tables, and every minute compared with a plain reading of the fields."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hearth_runtime.sources.cron import parse_expression
from hearth_runtime.template.intrinsics import TemplateError

START = datetime(2026, 11, 21, 9, 30, 30, tzinfo=UTC)  # a Saturday


def due(text: str, start: datetime = START, zone: str = "UTC") -> str | None:
    found = parse_expression(text, zone).after(start)
    return None if found is None else found.strftime("%Y-%m-%dT%H:%M:%S")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rate(1 minute)", "2026-11-21T09:31:30"),
        ("rate(2 hours)", "2026-11-21T11:30:30"),
        ("rate(1 day)", "2026-11-22T09:30:30"),
        ("at(2026-11-21T09:30:31)", "2026-11-21T09:30:31"),
        ("at(2026-11-21T09:30:30)", None),
        ("cron(* * * * ? *)", "2026-11-21T09:31:00"),
        ("cron(0 18 * * ? *)", "2026-11-21T18:00:00"),
        ("cron(0/15 * * * ? *)", "2026-11-21T09:45:00"),
        ("cron(5/15 9 * * ? *)", "2026-11-21T09:35:00"),
        ("cron(0 8-10/2 * * ? *)", "2026-11-21T10:00:00"),
        ("cron(0,20 10 * * ? *)", "2026-11-21T10:00:00"),
        ("cron(0 8 ? * MON-FRI *)", "2026-11-23T08:00:00"),
        ("cron(0 8 ? * 1 *)", "2026-11-22T08:00:00"),  # 1 is Sunday
        ("cron(0 8 ? * SAT *)", "2026-11-28T08:00:00"),
        ("cron(0 8 ? * L *)", "2026-11-28T08:00:00"),  # the last day of a week is Saturday
        ("cron(0 8 ? * 6L *)", "2026-11-27T08:00:00"),  # the last Friday of the month
        ("cron(0 8 ? * TUE#1 *)", "2026-12-01T08:00:00"),
        ("cron(0 8 ? * 3#5 *)", "2026-12-29T08:00:00"),
        ("cron(0 8 L * ? *)", "2026-11-30T08:00:00"),
        ("cron(0 8 31 * ? *)", "2026-12-31T08:00:00"),
        ("cron(0 8 29 2 ? *)", "2028-02-29T08:00:00"),
        ("cron(0 8 22W * ? *)", "2026-11-23T08:00:00"),  # a Sunday, so the Monday after
        ("cron(0 8 1W 8 ? *)", "2027-08-02T08:00:00"),  # a Sunday
        ("cron(0 8 1W 5 ? 2027)", "2027-05-03T08:00:00"),  # Saturday the 1st stays in May
        ("cron(0 8 LW * ? *)", "2026-11-30T08:00:00"),
        ("cron(0 8 LW 10 ? 2027)", "2027-10-29T08:00:00"),  # the 31st is a Sunday
        ("cron(0 0 1 JAN ? 2030-2032)", "2030-01-01T00:00:00"),
        ("cron(0 0 1 1,7 ? *)", "2027-01-01T00:00:00"),
        ("cron(0 0 1 1 ? 2020)", None),
        ("cron(0 0 30 2 ? *)", None),
    ],
)
def test_the_next_due_time(text: str, expected: str | None) -> None:
    assert due(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a rate"),
        ("rate()", "rate takes"),
        ("rate(0 minutes)", "1 or more"),
        ("rate(1 minutes)", "singular"),
        ("rate(2 minute)", "singular"),
        ("rate(5 seconds)", "rate takes"),
        ("at(tomorrow)", "does not match"),
        ("cron(* * * * *)", "six fields are needed, 5"),
        ("cron(* * * * * *)", "exactly one"),
        ("cron(* * ? * ? *)", "exactly one"),
        ("cron(60 * * * ? *)", "minutes: '60'"),
        ("cron(* 24 * * ? *)", "hours: '24'"),
        ("cron(* * 0 * ? *)", "day-of-month: '0'"),
        ("cron(* * 32W * ? *)", "day-of-month: '32'"),
        ("cron(* * * 13 ? *)", "month: '13'"),
        ("cron(* * ? * 8 *)", "day-of-week: '8'"),
        ("cron(* * ? * MON#6 *)", "day-of-week: '6'"),
        ("cron(* * ? * FRI-MON *)", "runs backwards"),
        ("cron(*/0 * * * ? *)", "minutes: '0'"),
        ("cron(a * * * ? *)", "minutes: 'A'"),
        ("cron(* * * * ? 1969)", "year: '1969'"),
        ("cron(\u0663 * * * ? *)", "minutes"),
    ],
)
def test_a_bad_expression_says_which_part_is_wrong(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_expression(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd"])
def test_a_bad_time_zone_is_named(zone: str) -> None:
    with pytest.raises(TemplateError, match="time zone"):
        parse_expression("rate(1 day)", zone)


def test_a_wall_time_is_that_of_its_zone() -> None:
    assert due("cron(0 18 * * ? *)", zone="America/New_York") == "2026-11-21T23:00:00"
    assert due("at(2026-11-22T00:00:00)", zone="Asia/Kolkata") == "2026-11-21T18:30:00"


def test_a_wall_time_that_daylight_saving_skips_does_not_happen() -> None:
    # In Berlin 02:30 does not exist on 2027-03-28.
    before = datetime(2027, 3, 27, 12, tzinfo=UTC)
    assert due("cron(30 2 * * ? *)", before, "Europe/Berlin") == "2027-03-29T00:30:00"


def test_a_wall_time_that_comes_twice_happens_once() -> None:
    # In Berlin 02:30 comes twice on 2026-10-25, at 00:30 and 01:30 UTC.
    cron = parse_expression("cron(30 2 * * ? *)", "Europe/Berlin")
    first = cron.after(datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert cron.after(first) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def field(least: int, most: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """A field's text, and the numbers that it stands for."""
    number = st.integers(least, most)
    every = frozenset(range(least, most + 1))
    return st.one_of(
        st.just(("*", every)),
        number.map(lambda n: (str(n), frozenset({n}))),
        st.tuples(number, number).map(
            lambda p: (f"{min(p)}-{max(p)}", frozenset(range(min(p), max(p) + 1)))
        ),
        st.tuples(number, st.integers(1, most)).map(
            lambda p: (f"{p[0]}/{p[1]}", frozenset(range(p[0], most + 1, p[1])))
        ),
        st.sets(number, min_size=1, max_size=3).map(
            lambda s: (",".join(map(str, sorted(s))), frozenset(s))
        ),
    )


@settings(max_examples=150, deadline=None)
@given(
    minutes=field(0, 59),
    hours=field(0, 23),
    days=st.one_of(field(1, 31), st.just(("L", frozenset({-1})))),
    months=field(1, 12),
    start=st.datetimes(datetime.fromisoformat("2024-01-01"), datetime.fromisoformat("2030-01-01")),
    zone=st.sampled_from(["UTC", "Asia/Kolkata", "America/Sao_Paulo"]),
)
def test_it_agrees_with_trying_every_minute(
    minutes: tuple[str, frozenset[int]],
    hours: tuple[str, frozenset[int]],
    days: tuple[str, frozenset[int]],
    months: tuple[str, frozenset[int]],
    start: datetime,
    zone: str,
) -> None:
    """None of these zones changes its clock in these years, so a wall clock may simply be run."""
    text = f"cron({minutes[0]} {hours[0]} {days[0]} {months[0]} ? *)"
    local = start.replace(tzinfo=ZoneInfo(zone))
    found = parse_expression(text, zone).after(local)
    moment = local.replace(second=0, microsecond=0)
    for _ in range(3 * 24 * 60):
        moment += timedelta(minutes=1)
        last = calendar.monthrange(moment.year, moment.month)[1]
        day = -1 if -1 in days[1] and moment.day == last else moment.day
        if (
            moment.minute in minutes[1]
            and moment.hour in hours[1]
            and day in days[1]
            and moment.month in months[1]
        ):
            assert found == moment
            return
    assert found is None or found > moment.astimezone(UTC)
