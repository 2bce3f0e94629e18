"""CSV and iCalendar, there and back."""

from __future__ import annotations

import contextlib
import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.tasks.files import calendar_file, csv_file
from functions.tasks.files.exchange import read_file
from functions.tasks.repository.tasks import TaskRow
from functions.tasks.schemas import TaskIn
from functions.tasks.task import new_task
from hearth.errors import InvalidInput

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)
few = settings(max_examples=150, deadline=None, derandomize=True, database=None)

_char = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
titles = st.text(_char, min_size=1, max_size=60).filter(lambda text: text.strip())
texts = st.text(_char | st.sampled_from("\n\t\r,;:\\\"'=+-@|"), max_size=200)
tags = st.lists(
    st.text(st.characters(codec="ascii", categories=["Ll", "Nd", "Po"]), min_size=1, max_size=20)
    .map(str.lower)
    .filter(lambda tag: not set(tag) & set(",|")),
    max_size=4,
)
moments = st.datetimes(datetime(1971, 1, 1), datetime(2190, 1, 1)).map(  # noqa: DTZ001
    lambda when: when.replace(microsecond=0, tzinfo=UTC)
)


@st.composite
def stored(draw: st.DrawFn) -> TaskRow:
    new = TaskIn(
        title=draw(titles),
        description=draw(texts),
        priority=draw(st.sampled_from(["low", "medium", "high", "urgent"])),
        category=draw(titles.map(lambda text: text[:50]).filter(lambda text: text.strip())),
        tags=draw(tags),
        assignee=draw(st.none() | st.just("ben") | st.just("=cmd|x")),
        due_date=draw(moments),
        estimated_hours=draw(st.none() | st.floats(0, 100_000)),
        actual_hours=draw(st.none() | st.floats(0, 100_000)),
        progress=draw(st.integers(0, 100)),
        repeat_rule=draw(st.none() | st.just("FREQ=WEEKLY;BYDAY=MO,TH;INTERVAL=2")),
    )
    status = draw(st.sampled_from(["pending", "in_progress", "blocked", "completed", "cancelled"]))
    done = NOW if status == "completed" else None
    task = new_task(new, "ana", NOW - timedelta(days=3), ZONE)
    return replace(task, status=status, completed_at=done, completed_by="ana" if done else None)


def check(task: TaskRow, kind: str, data: bytes) -> None:
    (item,) = read_file(kind, data, ZONE)
    assert item.problem == ""
    assert item.task is not None
    again = new_task(item.task.task, "ana", NOW, ZONE)
    for name in (
        *("title", "description", "priority", "category", "tags", "assignee", "due_at"),
        *("estimated_hours", "actual_hours", "progress", "repeat_rule"),
    ):
        assert getattr(again, name) == getattr(task, name), name
    assert (item.uid, item.task.status) == (task.uid, task.status)
    assert item.task.completed_at == task.completed_at


@few
@given(stored())
def test_nothing_is_lost_in_a_csv_file(task: TaskRow) -> None:
    check(task, "csv", (csv_file.header() + csv_file.line(task)).encode())


@few
@given(stored())
def test_nothing_is_lost_in_a_calendar(task: TaskRow) -> None:
    text = calendar_file.HEADER + calendar_file.component(task, NOW) + calendar_file.FOOTER
    assert max(len(line.encode()) for line in text.split("\r\n")) <= 75  # RFC 5545, 3.1
    check(task, "ics", text.encode())


@few
@given(stored())
def test_no_cell_is_a_formula(task: TaskRow) -> None:
    (cells,) = csv.reader(io.StringIO(csv_file.line(task), newline=""))
    assert not any(
        cell[:1] in tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20") for cell in cells if cell
    )


@given(st.text(max_size=30))
def test_an_apostrophe_is_put_in_front_and_taken_off(text: str) -> None:
    assert csv_file.unescape_formula(csv_file.escape_formula(text)) == text


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("", ""),
        ("plain", "plain"),
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("\t=1", "'\t=1"),
        ("'quoted'", "''quoted'"),
        ("a=1", "a=1"),
    ],
)
def test_what_a_spreadsheet_would_compute_is_text(cell: str, safe: str) -> None:
    assert csv_file.escape_formula(cell) == safe


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("csv", b"name,due\r\nx,y\r\n"),
        ("csv", b""),
        ("csv", b"title,title\r\n"),
        ("csv", b"\xff\xfetitle"),
        ("csv", b'title\r\n"open'),
        ("csv", b"title\r\n" + b"x" * 200_000),
        ("csv", b"title\r\n" + b"x\r\n" * 1001),
        ("ics", b"nonsense"),
        ("ics", b"\xff"),
        ("ics", b"BEGIN:VCALENDAR\r\nBEGIN:VTODO\r\n"),
        *(
            ("ics", b"BEGIN:VCALENDAR\r\nBEGIN:VTODO\r\n" + line + b"\r\nEND:VTODO\r\n")
            for line in (b"DUE:soon", b"PRIORITY:high", b"PRIORITY:99999999999999999999999")
        ),
    ],
)
def test_a_file_that_is_none_is_refused_in_a_sentence(kind: str, data: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_file(kind, data, ZONE)
    assert len(refused.value.message) < 500


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (",2026-11-02,low", "title"),
        ("x,yesterday,low", "due_date"),
        ("x,2026-02-30,low", "due_date"),
        ("x,99999-01-01,low", "due_date"),
        ("x,2026-11-02,huge", "priority"),
        ("x\x00y,2026-11-02,low", "title"),
    ],
)
def test_a_line_that_is_wrong_says_why_and_spoils_no_other(line: str, why: str) -> None:
    data = f"title,due_date,priority\r\n{line}\r\ngood,,\r\n".encode()
    bad, good = read_file("csv", data, ZONE)
    assert bad.task is None
    assert why in bad.problem
    assert good.task is not None


def todo(*lines: str) -> bytes:
    body = ["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VTODO", *lines, "END:VTODO", "END:VCALENDAR"]
    return "\r\n".join([*body, ""]).encode()


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        (["DUE;VALUE=DATE:20261103"], {"due": "2026-11-03T22:59:59+00:00"}),
        (["DUE:20261103T100000"], {"due": "2026-11-03T09:00:00+00:00"}),
        (["DUE;TZID=Europe/London:20261103T100000"], {"due": "2026-11-03T10:00:00+00:00"}),
        (["PRIORITY:0"], {"priority": "medium"}),
        (["PRIORITY:2"], {"priority": "high"}),
        (["PRIORITY:7"], {"priority": "low"}),
        (["STATUS:IN-PROCESS"], {"status": "in_progress"}),
        (["CATEGORIES:Home,Garden", "CATEGORIES:Roof"], {"tags": ("garden", "roof")}),
        (["SUMMARY:twice"], {}),
    ],
)
def test_calendars_of_others_are_understood(lines: list[str], fields: dict[str, Any]) -> None:
    (item,) = read_file("ics", todo("UID:1", "SUMMARY:Mow", *lines), ZONE)
    assert item.task is not None, item.problem
    task = new_task(item.task.task, "ana", NOW, ZONE)
    found = {
        "due": task.due_at and task.due_at.isoformat(),
        "priority": task.priority,
        "status": item.task.status,
        "tags": task.tags,
    }
    assert {name: found[name] for name in fields} == fields


@pytest.mark.parametrize(
    "lines",
    [
        ["SUMMARY:no uid"],
        ["UID:1"],
        ["UID:1", "SUMMARY:x", "DUE:99991231T235959Z", "RRULE:FREQ=SECONDLY;COUNT=1000000000"],
        ["UID:1", "SUMMARY:x", "PERCENT-COMPLETE:-1"],
        ["UID:" + "1" * 300, "SUMMARY:x"],
        ["UID:1", "SUMMARY:" + "x" * 201],
    ],
)
def test_a_to_do_that_is_wrong_is_refused_by_itself(lines: list[str]) -> None:
    items = read_file("ics", todo(*lines), ZONE)
    for item in items:
        if item.task is not None:  # a rule is judged with its start, when the task is made
            with pytest.raises(InvalidInput):
                new_task(item.task.task, "ana", NOW, ZONE)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=200), st.lists(st.sampled_from(
    ["BEGIN:VTODO", "END:VTODO", "BEGIN:VALARM", "END:VALARM", "UID:1", "SUMMARY:x", "SUMMARY;X=:y",
     "DUE:2026", "DUE;TZID=Nowhere:20261103T100000", "DUE;VALUE=PERIOD:20261103T100000Z/PT1H",
     "RRULE:FREQ=NEVER", "RRULE:", "CATEGORIES:", "COMPLETED:x", "END:VCALENDAR", ":", "\x00:\x00"]
), max_size=8))  # fmt: skip
def test_no_file_crashes_the_readers(data: bytes, lines: list[str]) -> None:
    for kind, content in (
        ("csv", b"title,due_date,tags\r\n" + data),
        ("csv", data),
        ("ics", data),
        ("ics", todo(*lines)),
        ("ics", todo("UID:1", "SUMMARY:x") + data),
    ):
        with contextlib.suppress(InvalidInput):
            read_file(kind, content, ZONE)
