"""Tasks as CSV (RFC 4180, UTF-8), safe to open in a spreadsheet.

A cell that a spreadsheet would take for a formula gets an apostrophe in front, and so does one that
begins with an apostrophe; reading takes it off again, so nothing is lost on the way there and back
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

from functions.tasks.repository.tasks import TaskRow
from hearth.db import encode_json
from hearth.errors import InvalidInput
from hearth.ids import format_time

COLUMNS: Final = (
    *("uid", "title", "description", "status", "priority", "category", "tags", "assignee"),
    *("due_date", "estimated_hours", "actual_hours", "progress", "reminders", "repeat_rule"),
    *("created_at", "completed_at"),
)
_LISTS: Final = frozenset({"tags", "reminders"})
_GUARDED: Final = frozenset("=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20")


def escape_formula(cell: str) -> str:
    """Return a cell that no spreadsheet evaluates."""
    return f"'{cell}" if cell[:1] in _GUARDED and cell else cell


def unescape_formula(cell: str) -> str:
    """The inverse of `escape_formula`."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _GUARDED and cell[1:] else cell


def header() -> str:
    """The first line."""
    return _line(COLUMNS)


def line(task: TaskRow) -> str:
    """One task."""
    values: dict[str, Any] = {
        "due_date": task.due_at,
        "tags": ",".join(task.tags),
        "reminders": ",".join(map(str, task.reminders)),
    }
    cells = []
    for name in COLUMNS:
        value = values[name] if name in values else getattr(task, name)
        if name in ("due_date", "created_at", "completed_at") and value is not None:
            value = format_time(value)
        cells.append("" if value is None else escape_formula(str(value)))
    return _line(cells)


def items(data: bytes) -> Iterator[Mapping[str, Any]]:
    """The fields of each task in a file, as far as it has a column for them.

    Raises:
        InvalidInput: Not such a file.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the CSV is not UTF-8: byte {error.start}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        if "title" not in names or len(set(names)) != len(names):
            raise InvalidInput(
                "the first line of the CSV must name its columns, each once, and title is needed; "
                f"known are {', '.join(COLUMNS)}"
            )
        for cells in reader:
            if cells:
                yield _fields(dict(zip(names, map(unescape_formula, cells), strict=False)))
    except csv.Error as error:
        raise InvalidInput(f"the CSV breaks off in line {reader.line_num}: {error}") from error


def _fields(cells: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in COLUMNS:
        if name not in cells:
            continue
        cell = cells[name]
        if name in _LISTS:
            found[name] = [part for part in cell.split(",") if part]
        elif cell or name == "description":
            found[name] = cell
        elif name in ("assignee", "due_date", "estimated_hours", "actual_hours", "repeat_rule"):
            found[name] = None
    if "uid" not in found:
        # The same line is the same task, however often it is imported.
        found["uid"] = "csv-" + hashlib.sha256(encode_json(found).encode()).hexdigest()[:32]
    return found


def _line(cells: tuple[str, ...] | list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
