"""Export and import of files. Importing a file twice changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from functions.tasks.files import calendar_file, csv_file
from functions.tasks.repository import tasks
from functions.tasks.repository.tasks import TaskRow
from functions.tasks.schemas import (
    EARLIEST,
    ExportQuery,
    ImportedTask,
    ImportItem,
    ImportOut,
    ItemError,
)
from functions.tasks.task import Actor, new_task
from hearth.errors import HearthError, InvalidInput
from hearth.ids import ulid_from

if TYPE_CHECKING:
    from functions.tasks.queries import TaskQueries
    from functions.tasks.service import TaskService
    from hearth.ledger.unit_of_work import UnitOfWork

MAX_EXPORT: Final = 1_000
MAX_EXPORT_BYTES: Final = 4_000_000
"""A Lambda's answer may have 6 MB."""
MAX_IMPORT: Final = MAX_EXPORT
"""What one export gives, one import takes."""
_BESIDE: Final = ("uid", "status", "created_at", "completed_at")


@dataclass(frozen=True, slots=True)
class Item:
    """One task of a file, or why it cannot be imported."""

    uid: str | None
    task: ImportedTask | None
    problem: str = ""


def write_file(
    queries: TaskQueries, actor: Actor, query: ExportQuery, now: datetime
) -> tuple[bytes, str | None]:
    """Up to 1,000 tasks as a file, and the cursor of the rest (None: there is none).

    Raises:
        InvalidInput: The cursor belongs to another list.
    """
    found, cursor_after = queries.list_rows(actor, query, MAX_EXPORT + 1)
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
    rest = cursor_after(found[written - 1]) if written < len(found) else None
    return "".join(parts).encode(), rest


def read_file(kind: str, data: bytes, zone: ZoneInfo) -> Sequence[Item]:
    """The tasks of a file.

    Args:
        kind: `csv` or `ics`.
        data: The file.
        zone: Time zone of times without one.

    Raises:
        InvalidInput: The file cannot be read, or has more than 1,000 tasks.
    """
    found = csv_file.items(data) if kind == "csv" else calendar_file.items(data, zone)
    items = [_item(fields) for fields in islice(found, MAX_IMPORT + 1)]
    if len(items) > MAX_IMPORT:
        raise InvalidInput(f"the file has over {MAX_IMPORT} tasks; import it in parts")
    return items


def max_rows_of(item: Item) -> int:
    """Upper bound of the rows that the import of a task writes."""
    task = item.task.task if item.task is not None else None
    return tasks.max_rows(task.title, task.description, new=False) if task is not None else 0


def import_into(
    work: UnitOfWork,
    service: TaskService,
    actor: Actor,
    items: Sequence[Item],
    part: range,
    import_id: str,
) -> ImportOut:
    """Create or change some tasks of a file; each succeeds or fails by itself.

    Args:
        import_id: Names the import in the events of its tasks.
    """
    results: list[ImportItem] = []
    for index in part:
        item = items[index]
        result = ImportItem(index=index, uid=item.uid, id=None, outcome="failed")
        try:
            if item.task is None:
                raise InvalidInput(item.problem)
            _import_one(work, service, actor, item.task, result, import_id)
        except HearthError as error:
            result.error = ItemError(code=error.code, message=error.message)
        results.append(result)
    return import_answer(results, (), None)


def import_answer(
    done: list[ImportItem], items: Sequence[Item], problem: HearthError | None
) -> ImportOut:
    """Return the results of a file; `problem` is why the items after `done` were not imported."""
    found = list(done)
    for index, item in enumerate(items[len(found) :], len(found)):
        result = ImportItem(index=index, uid=item.uid, id=None, outcome="failed")
        if problem is not None:
            result.error = ItemError(code=problem.code, message=problem.message)
        found.append(result)
    counts = {name: sum(result.outcome == name for result in found) for name in _OUTCOMES}
    return ImportOut(items=found, **counts)


_OUTCOMES: Final = ("created", "updated", "unchanged", "failed")


def _import_one(
    work: UnitOfWork,
    service: TaskService,
    actor: Actor,
    item: ImportedTask,
    result: ImportItem,
    import_id: str,
) -> None:
    existing = tasks.get_by_uid(work.tx, item.uid, actor.id)
    if existing is None:
        task = _first_version(item, actor, work.now, service.zone)
        created = service.insert(work, actor, task, import_id=import_id)
        result.id, result.outcome = task.id, "created" if created else "unchanged"
        return
    given = {name: getattr(item.task, name) for name in item.task.model_fields_set}
    if item.status is not None:
        given["status"] = item.status
    after = service.change(work, actor, existing.id, given, import_id=import_id)
    result.id = existing.id
    result.outcome = "unchanged" if after.version == existing.version else "updated"


def _first_version(item: ImportedTask, actor: Actor, now: datetime, zone: ZoneInfo) -> TaskRow:
    # The same id for the same UID: two imports at once make one task.
    task_id = ulid_from(EARLIEST, "import", actor.id, item.uid)
    task = new_task(item.task, actor.id, now, zone, task_id=task_id, uid=item.uid)
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
        return Item(_printable(uid), None, f"a property cannot be read: {fields['error']}")
    beside = {name: fields[name] for name in _BESIDE if name in fields}
    task = {name: value for name, value in fields.items() if name not in _BESIDE}
    try:
        return Item(uid, ImportedTask.model_validate({**beside, "task": task}))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part != "task")
        return Item(_printable(uid), None, f"{where}: {first['msg']}")


def _printable(uid: object) -> str | None:
    return uid[:255].encode("utf-8", "backslashreplace").decode() if isinstance(uid, str) else None
