"""Counts by local time, on both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.analytics.conftest import Harness


def test_without_events_the_series_is_zeros(harness: Harness) -> None:
    body = harness.get("/usage", start_date="2026-10-31", end_date="2026-11-02")
    assert body == {
        "usage": [
            {"timestamp": f"2026-{day}T00:00:00+01:00", "count": 0, "metric": "all"}
            for day in ("10-31", "11-01", "11-02")
        ],
        "granularity": "day",
        "timezone": "Europe/Berlin",
        "start": "2026-10-31T00:00:00+01:00",
        "end": "2026-11-03T00:00:00+01:00",
        "total": 0,
    }


def test_an_event_counts_for_the_local_day_it_happened_on(harness: Harness) -> None:
    harness.happen("a", "2026-11-01T22:59:59.999999Z")
    harness.happen("a", "2026-11-01T23:00:00Z")
    assert harness.usage() == {"2026-11-01T00:00:00+01:00": 1, "2026-11-02T00:00:00+01:00": 1}
    assert harness.usage(timezone="UTC") == {"2026-11-01T00:00:00Z": 2}
    assert harness.usage(timezone="Asia/Kathmandu") == {"2026-11-02T00:00:00+05:45": 2}


def test_the_hour_that_comes_twice_is_counted_twice(harness: Harness) -> None:
    harness.happen("a", "2026-10-25T00:30:00Z")
    harness.happen("a", "2026-10-25T01:30:00Z")
    body = harness.usage(granularity="hour", start_date="2026-10-25", end_date="2026-10-25")
    assert body == {"2026-10-25T02:00:00+02:00": 1, "2026-10-25T02:00:00+01:00": 1}


def test_weeks_and_months(harness: Harness) -> None:
    for day in ("10-31", "11-01", "11-02"):
        harness.happen("a", f"2026-{day}T12:00:00Z")
    assert harness.usage(granularity="week") == {
        "2026-10-26T00:00:00+01:00": 2,
        "2026-11-02T00:00:00+01:00": 1,
    }
    assert harness.usage(granularity="month") == {
        "2026-10-01T00:00:00+02:00": 1,
        "2026-11-01T00:00:00+01:00": 2,
    }


def test_each_requested_metric_has_its_own_series(harness: Harness) -> None:
    harness.happen("a", "2026-11-02T07:00:00Z")
    harness.happen("b", "2026-11-02T07:00:00Z")
    harness.happen("b", "2026-11-02T07:00:00Z")
    today = {"start_date": "2026-11-02"}
    found = harness.get("/usage", metric=["b", "none", "b"], **today)
    assert [(point["metric"], point["count"]) for point in found["usage"]] == [
        ("b", 2),
        ("none", 0),
    ]
    assert harness.get("/usage", **today)["total"] == 3
    assert harness.get("/usage", metric="a", **today)["total"] == 1


def test_without_dates_the_last_30_days_are_given(harness: Harness) -> None:
    body = harness.get("/usage")
    assert len(body["usage"]) == 31
    assert (body["start"], body["end"]) == (
        "2026-10-03T00:00:00+02:00",
        "2026-11-03T00:00:00+01:00",
    )


@pytest.mark.parametrize(
    "query",
    [
        {"granularity": "minute"},
        {"granularity": ""},
        {"timezone": "Mars/Olympus"},
        {"timezone": "Europe/Berlin\x00"},
        {"timezone": "../../etc/passwd"},
        {"start_date": "2026-11-03"},
        {"start_date": "2026-11-02", "end_date": "2026-11-01"},
        {"start_date": "2026-02-30"},
        {"start_date": "0001-01-01"},
        {"end_date": "9999-12-31"},
        {"end_date": "2026-11-02T24:00:01Z"},
        {"start_date": "1793000000000"},
        {"start_date": "9" * 5000},
        {"start_date": "2020-01-01", "granularity": "hour"},
        {"start_date": "2020-01-01", "end_date": "2099-12-31", "granularity": "week"},
        {"metric": "a'--"},
        {"metric": "a\x00"},
        {"metric": [f"m{n}" for n in range(11)]},
        {"limit": "1"},
    ],
    ids=str,
)
def test_an_invalid_query_is_named(home: Harness, query: dict[str, str]) -> None:
    status, body = home.call("GET", "/usage", **query)
    assert (status, body["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert len(str(body)) < 2000


def test_the_dashboard_of_an_empty_system(harness: Harness) -> None:
    body = harness.get("/dashboard")
    assert (body["today"]["date"], body["today"]["events"], len(body["today"]["hours"])) == (
        "2026-11-02",
        0,
        24,
    )
    assert body["trends"]["events"]["change"] is None
    assert len(body["trends"]["events"]["days"]) == 7
    assert body["jobs"] == {}


def test_the_dashboard_compares_seven_full_days_with_the_seven_before(harness: Harness) -> None:
    for day, times in (("10-19", 2), ("10-25", 2), ("10-26", 1), ("11-01", 5), ("11-02", 3)):
        for _ in range(times):
            harness.happen("a", f"2026-{day}T06:00:00Z", severity="error", service="tasks")
    harness.happen("b", "2026-11-02T06:00:00Z")
    harness.roll_up()
    body = harness.get("/dashboard")
    assert body["today"]["top"] == [{"metric": "a", "count": 3}, {"metric": "b", "count": 1}]
    assert (body["today"]["events"], body["today"]["errors"]) == (4, 3)
    for trend in body["trends"].values():
        assert (trend["current"], trend["previous"], trend["change"]) == (6, 4, 0.5)
        assert [point["count"] for point in trend["days"]] == [1, 0, 0, 0, 0, 0, 5]


def test_a_dashboard_in_another_zone(harness: Harness) -> None:
    harness.happen("a", "2026-11-01T23:30:00Z")
    assert harness.get("/dashboard")["today"]["events"] == 1
    assert harness.get("/dashboard", timezone="UTC")["today"]["events"] == 0
    assert harness.call("GET", "/dashboard", timezone="Nowhere")[0] == 400
