"""The log stream: what becomes of a line, and where it is kept."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth_runtime.observe.logs import (
    CUT_MARK,
    LINE_LIMIT,
    LineSplitter,
    LogStream,
    Tail,
    parse_object,
)


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_plain_line_becomes_the_message(tmp_path: Path) -> None:
    logs = LogStream(tmp_path / "logs" / "events.jsonl")
    logs.function_line("detection", "detection-1", "r1", "Größe 1\rGröße 2".encode())
    logs.function_line("detection", "detection-1", None, b"\xff\xfe broken")
    logs.function_line("detection", "detection-1", None, b"   ")
    logs.close()
    first, second = written(tmp_path / "logs" / "events.jsonl")
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "INFO",
        "function": "detection",
        "instance": "detection-1",
        "request_id": "r1",
        "message": "Größe 1\nGröße 2",
    }
    assert "request_id" not in second
    assert second["message"].endswith(" broken")


def test_a_json_line_keeps_its_keys_and_gets_ours(tmp_path: Path) -> None:
    logs = LogStream(tmp_path / "events.jsonl")
    line = {"level": "warning", "message": {"a": 1}, "frame": "x.jpg", "function": "forged"}
    logs.function_line("detection", "detection-1", "r1", json.dumps(line).encode())
    error = {"errorType": "ValueError", "errorMessage": "no", "level": "ERROR"}
    logs.function_line("detection", "detection-1", "r1", json.dumps(error).encode())
    logs.close()
    first, second = written(tmp_path / "events.jsonl")
    assert first["level"] == "WARNING"
    assert first["message"] == {"a": 1}
    assert first["frame"] == "x.jpg"
    assert first["function"] == "detection"
    assert first["request_id"] == "r1"
    assert second["message"] == "ValueError: no"


@pytest.mark.parametrize("key", ["requestId", "function_request_id"])
@pytest.mark.parametrize(
    ("named", "believed"), [("", "second"), ("first", "first"), (None, "second"), (7, "second")]
)
def test_a_json_line_that_names_its_request_belongs_to_it(
    tmp_path: Path, key: str, named: object, believed: str
) -> None:
    logs = LogStream(tmp_path / "log")
    logs.function_line("f", "f-1", "second", json.dumps({"message": "m", key: named}).encode())
    logs.close()
    assert json.loads((tmp_path / "log").read_text())["request_id"] == believed


def test_the_file_rotates_and_keeps_so_many(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    logs = LogStream(path, max_bytes=300, backups=2)
    for number in range(20):
        logs.write("INFO", f"line {number}")
    logs.close()
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["events.jsonl", "events.jsonl.1", "events.jsonl.2"]
    kept = [r["message"] for name in reversed(names) for r in written(tmp_path / name)]
    assert kept == [f"line {number}" for number in range(20 - len(kept), 20)]
    assert all(file.stat().st_size <= 300 for file in tmp_path.iterdir())


def test_a_new_stream_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    for number in range(2):
        logs = LogStream(tmp_path / "events.jsonl")
        logs.write("INFO", f"run {number}")
        logs.close()
    assert [r["message"] for r in written(tmp_path / "events.jsonl")] == ["run 0", "run 1"]


def test_a_full_disk_stops_nothing_and_is_counted() -> None:
    logs = LogStream(Path("/dev/full"))
    logs.write("INFO", "lost")
    logs.write("INFO", "lost too")
    assert logs.dropped == 2
    logs.close()


@pytest.mark.parametrize("form", ["human", "json"])
def test_the_terminal_shows_from_its_level_on(form: Any) -> None:
    console = io.StringIO()
    logs = LogStream(console=console, console_format=form, console_level="WARNING")
    logs.write("INFO", "not shown")
    logs.function_line(
        "detection", "detection-1", "0123456789", b'{"level": "ERROR", "message": "m", "frame": 7}'
    )
    (line,) = console.getvalue().splitlines()
    if form == "json":
        assert json.loads(line)["frame"] == 7
    else:
        assert line.split()[1:] == ["ERROR", "detection", "01234567", "m", "frame=7"]


def test_a_terminal_that_is_gone_stops_nothing() -> None:
    console = io.StringIO()
    console.close()
    LogStream(console=console).write("INFO", "nobody reads this")


@given(st.lists(st.binary(max_size=40)), st.data())
def test_lines_are_the_same_however_the_stream_is_cut(lines: list[bytes], data: Any) -> None:
    lines = [line.replace(b"\n", b" ") for line in lines]
    stream = b"".join(line + b"\n" for line in lines)
    seen: list[bytes] = []
    splitter = LineSplitter(seen.append)
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        splitter.feed(stream[:size])
        stream = stream[size:]
    splitter.flush()
    assert seen == [line for line in lines if line]


def test_a_line_longer_than_256_kb_is_cut_and_the_next_is_whole() -> None:
    seen: list[bytes] = []
    splitter = LineSplitter(seen.append)
    for _ in range(100):
        splitter.feed(b"x" * 10_000)
    splitter.feed(b"\nnext\nunended")
    splitter.flush()
    assert seen == [b"x" * LINE_LIMIT + CUT_MARK, b"next", b"unended"]


@pytest.mark.parametrize(
    ("lines", "tail"),
    [
        ([], b""),
        ([b"a", b"b"], b"a\nb\n"),
        ([b"x" * 5000], b"x" * 4095 + b"\n"),
        ([b"a" * 4096, b"b" * 4095], b"b" * 4095 + b"\n"),
    ],
)
def test_the_tail_is_the_last_four_kilobytes(lines: list[bytes], tail: bytes) -> None:
    kept = Tail()
    for line in lines:
        kept.add(line)
    assert kept.bytes() == tail


@pytest.mark.parametrize("line", [b"", b"text", b"[1]", b"{", b"{'a': 1}", b'{"a":' * 100_000])
def test_what_is_no_json_object_is_text(line: bytes) -> None:
    assert parse_object(line) is None
