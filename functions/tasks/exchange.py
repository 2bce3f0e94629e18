"""Tasks out to files and in again; importing a file twice changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from functions.tasks import calendar_file, csv_file
from functions.tasks.changes import Actor, made
from functions.tasks.reading import Reader
from functions.tasks.repository import rows
from functions.tasks.repository.rows import TaskRow
from functions.tasks.schemas import (
    EARLIEST,
    ExportQuery,
    ImportAnswer,
    ImportedTask,
    ImportItem,
    ItemError,
)
from functions.tasks.writer import Writer
from hearth.errors import HearthError, InvalidInput
from hearth.ids import ulid_from

if TYPE_CHECKING:
    from hearth.ledger.unit_of_work import UnitOfWork

MAX_EXPORT: Final = 1_000
MAX_EXPORT_BYTES: Final = 4_000_000
"""A Lambda's answer may have 6 MB."""
MAX_IMPORT: Final = MAX_EXPORT
"""What one export gives, one import takes."""
_BESIDE: Final = ("uid", "status", "created_at", "completed_at")


@dataclass(frozen=True, slots=True)
class Item:
    """One task of a file, or why it is none."""

    uid: str | None
    task: ImportedTask | None
    problem: str = ""


def write_file(
    read: Reader, actor: Actor, query: ExportQuery, now: datetime
) -> tuple[bytes, str | None]:
    """Up to 1,000 tasks as a file, and the cursor for the rest (None: that was all).

    Raises:
        InvalidInput: A cursor of another list.
    """
    found, cursor_behind = read.some(actor, query, MAX_EXPORT + 1)
    parts = [csv_file.header() if query.format == "csv" else calendar_file.HEADER]
    size = 0
    written = 0
    for task in found[:MAX_EXPORT]:
        text = csv_file.line(task) if query.format == "csv" else calendar_file.component(task, now)
        size += len(text.encode())
        if size > MAX_EXPORT_BYTES:
            break
        parts.append(text)
        written += 1
    if query.format == "ics":
        parts.append(calendar_file.FOOTER)
    rest = cursor_behind(found[written - 1]) if written < len(found) else None
    return "".join(parts).encode(), rest


def read_file(kind: str, data: bytes, zone: ZoneInfo) -> Sequence[Item]:
    """The tasks of a file.

    Args:
        kind: `csv` or `ics`.
        data: Its bytes.
        zone: For times that name none.

    Raises:
        InvalidInput: Not such a file, or more than 1,000 tasks.
    """
    found = csv_file.items(data) if kind == "csv" else calendar_file.items(data, zone)
    items = [_item(fields) for fields in islice(found, MAX_IMPORT + 1)]
    if len(items) > MAX_IMPORT:
        raise InvalidInput(f"the file has over {MAX_IMPORT} tasks; import it in parts")
    return items


def rows_of(item: Item) -> int:
    """How many rows the import of a task writes at most."""
    task = item.task.task if item.task is not None else None
    return rows.most_rows(task.title, task.description, new=False) if task is not None else 0


def import_into(
    unit: UnitOfWork,
    writer: Writer,
    actor: Actor,
    items: Sequence[Item],
    part: range,
    now: datetime,
) -> ImportAnswer:
    """Make or change some tasks of a file; each succeeds or fails by itself."""
    told_of: list[ImportItem] = []
    for index in part:
        item = items[index]
        said = ImportItem(index=index, uid=item.uid, id=None, outcome="failed")
        try:
            if item.task is None:
                raise InvalidInput(item.problem)
            _import_one(unit, writer, actor, item.task, now, said)
        except HearthError as error:
            said.error = ItemError(code=error.code, message=error.message)
        told_of.append(said)
    return import_answer(told_of, (), None)


def import_answer(
    told_of: list[ImportItem], items: Sequence[Item], problem: HearthError | None
) -> ImportAnswer:
    """What became of a file; `problem` is why those behind `told_of` were not looked at."""
    found = list(told_of)
    for index, item in enumerate(items[len(found) :], len(found)):
        said = ImportItem(index=index, uid=item.uid, id=None, outcome="failed")
        if problem is not None:
            said.error = ItemError(code=problem.code, message=problem.message)
        found.append(said)
    counts = {name: sum(said.outcome == name for said in found) for name in _OUTCOMES}
    return ImportAnswer(items=found, **counts)


_OUTCOMES: Final = ("created", "updated", "unchanged", "failed")


def _import_one(
    unit: UnitOfWork,
    writer: Writer,
    actor: Actor,
    item: ImportedTask,
    now: datetime,
    said: ImportItem,
) -> None:
    there = rows.by_uid(unit.tx, item.uid, actor.id)
    if there is None:
        task = _first_version(item, actor, now, writer.zone)
        added = writer.add(unit, actor, task, now)
        said.id, said.outcome = task.id, "created" if added else "unchanged"
        return
    given = {name: getattr(item.task, name) for name in item.task.model_fields_set}
    if item.status is not None:
        given["status"] = item.status
    after = writer.change(unit, actor, there.id, given, now)
    said.id = there.id
    said.outcome = "unchanged" if after.version == there.version else "updated"


def _first_version(item: ImportedTask, actor: Actor, now: datetime, zone: ZoneInfo) -> TaskRow:
    # The same id for the same UID: two imports at once make one task.
    task_id = ulid_from(EARLIEST, "import", actor.id, item.uid)
    task = made(item.task, actor.id, now, zone, task_id=task_id, uid=item.uid)
    created_at = min(item.created_at or now, now)
    task = replace(task, created_at=created_at, status=item.status or task.status)
    if item.status != "completed":
        return task
    completed_at = min(item.completed_at or now, now)
    return replace(
        task,
        completed_at=completed_at,
        completed_by=actor.id,
        progress=100,
        seconds_open=max(0, int((completed_at - created_at).total_seconds())),
    )


def _item(fields: Mapping[str, Any]) -> Item:
    uid = fields.get("uid")
    if "error" in fields:
        return Item(_shown(uid), None, f"a property cannot be read: {fields['error']}")
    beside = {name: fields[name] for name in _BESIDE if name in fields}
    task = {name: value for name, value in fields.items() if name not in _BESIDE}
    try:
        return Item(uid, ImportedTask.model_validate({**beside, "task": task}))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part != "task")
        return Item(_shown(uid), None, f"{where}: {first['msg']}")


def _shown(uid: object) -> str | None:
    return uid[:255].encode("utf-8", "backslashreplace").decode() if isinstance(uid, str) else None
