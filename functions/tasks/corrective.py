"""What others tell `tasks`: a safety report is ready, a reminder's time has come."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from functions.tasks.changes import Actor, is_open, made
from functions.tasks.event_schemas import TaskDue
from functions.tasks.repository import rows
from functions.tasks.schemas import EARLIEST, MAX_DESCRIPTION, PriorityName, SafetyReport, TaskIn
from functions.tasks.writer import Writer, reminder_name
from hearth.errors import InvalidInput
from hearth.ids import parse_time, ulid_from
from hearth.ledger.consumer import Done, Outcome
from hearth.ledger.events import Event, received
from hearth.ledger.ledger import Job, Ledger, UnitOfWork

if TYPE_CHECKING:
    pass

REPORT_READY: Final = "safety.report.ready"
CATEGORY: Final = "safety"
HEARTH: Final = Actor("hearth", manages=True)
"""Who made a task that no person asked for."""
_URGENT: Final = ("fall", "fire", "smoke", "collapse")
_HIGH: Final = frozenset({"no_helmet", "no_hardhat", "no_harness"})
_MANY_CLASSES: Final = 3
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_MAX_TITLE: Final = 200


class Inbox:
    """Works on the jobs of the queue.

    Args:
        ledger: Where they are.
        writer: Stores tasks.
    """

    def __init__(self, ledger: Ledger, writer: Writer) -> None:
        self._ledger = ledger
        self._writer = writer

    def report_ready(self, job: Job) -> Outcome:
        """Make the corrective task of a report, once for each report, however often it is told.

        Raises:
            InvalidInput: Not such an event.
        """
        try:
            report = SafetyReport.model_validate(received(job.payload).data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise InvalidInput(f"safety.report.ready: {where}: {first['msg']}") from error
        now = self._ledger.now()
        task = made(
            corrective_task(report),
            HEARTH.id,
            now,
            self._writer.zone,
            task_id=ulid_from(EARLIEST, "report", report.report_id),
            source=(report.report_id, report.incident_id),
        )

        def write(work: UnitOfWork) -> None:
            # Kept when the task is deleted: the event may come again after that.
            if rows.claim_report(work.tx, report.report_id, task.id, now):
                self._writer.add(work, HEARTH, task, now)

        return Done(write)

    def remind(self, job: Job) -> Outcome:
        """Tell that a task is due, unless that is no longer so.

        Raises:
            InvalidInput: Not such a job.
        """
        try:
            task_id, minutes = str(job.payload["task_id"]), int(job.payload["minutes"])
            due = parse_time(job.payload["due_at"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput("tasks.remind needs task_id, due_at and minutes") from error

        def write(work: UnitOfWork) -> None:
            task = rows.get(work.tx, task_id, None)
            if task is None or not is_open(task) or task.due_at != due:
                return
            if minutes in task.reminders:
                work.emit(self._due(task, due, minutes))

        return Done(write)

    def _due(self, task: rows.TaskRow, due: datetime, minutes: int) -> Event:
        name = reminder_name(task.id, due, minutes)
        data = TaskDue(
            task_id=task.id,
            title=task.title,
            assignee=task.assignee,
            due_at=due,
            reminder=name,
        )
        return Event("task.due", name, self._ledger.now(), task.id, data.model_dump(mode="json"))


def corrective_task(report: SafetyReport) -> TaskIn:
    """What shall be done about a report."""
    where = report.zone or report.camera_id
    what = ", ".join(name.replace("_", " ") for name in report.classes) or "violation"
    title = " ".join(_clean(f"Safety: {what} at {where}").split())[:_MAX_TITLE]
    parts = [report.summary]
    if report.corrective_actions:
        parts.append(
            "Corrective actions:\n" + "\n".join(f"- {a}" for a in report.corrective_actions)
        )
    if report.site_name:
        parts.append(f"Site: {report.site_name}")
    text = _clean("\n\n".join(part for part in parts if part))
    return TaskIn(
        title=title.strip(),
        description=text[:MAX_DESCRIPTION],
        priority=priority_of(report.classes),
        category=CATEGORY,
    )


def priority_of(classes: list[str]) -> PriorityName:
    """How urgent it is: what injures heads comes before what injures hands."""
    names = [name.lower() for name in classes]
    if any(word in name for name in names for word in _URGENT):
        return "urgent"
    return "high" if _HIGH & set(names) or len(set(names)) >= _MANY_CLASSES else "medium"


def _clean(text: str) -> str:
    return _CONTROL.sub("", text)
