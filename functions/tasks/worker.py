"""Queue work: corrective tasks for safety reports, and reminders of due dates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from functions.tasks.corrective_task import DISMISSED, ESCALATED, corrective_task
from functions.tasks.reminders import reminder_name
from functions.tasks.repository import task_reports, tasks
from functions.tasks.schemas import EARLIEST, ReviewedIncident, SafetyReport
from functions.tasks.service import TaskService
from functions.tasks.task import Actor, is_open, new_task
from functions.tasks.task_events import task_due
from hearth.errors import InvalidInput
from hearth.ids import CLOCK_TOLERANCE, parse_time, ulid_from, utc_now
from hearth.ledger.consumer import Done, Outcome, Postpone
from hearth.ledger.events import received
from hearth.ledger.ledger import Job, UnitOfWork
from hearth.ledger.unit_of_work import SYSTEM
from hearth.parsing import invalid_input, parse_model

REPORT_READY: Final = "safety.report.ready"
INCIDENT_REVIEWED: Final = "safety.incident.reviewed"
HEARTH: Final = Actor(SYSTEM, manages=True)


class TaskWorker:
    """Works on the jobs of the queue.

    Args:
        tasks: Stores the tasks that it creates.
    """

    def __init__(self, tasks: TaskService, now: Callable[[], datetime] = utc_now) -> None:
        self._tasks = tasks
        self._now = now

    def create_corrective_task(self, job: Job) -> Outcome:
        """Create the corrective task of a report, once for each report.

        Raises:
            InvalidInput: The event is not valid.
        """
        try:
            # Not by way of JSON text: half a surrogate pair, which JSON may hold, is cleaned later.
            report = SafetyReport.model_validate(received(job.payload).data)
        except ValidationError as error:
            raise invalid_input(REPORT_READY, error) from error
        if report.review == DISMISSED:
            return Done()
        new = corrective_task(report)
        task_id = ulid_from(EARLIEST, "report", report.report_id)

        def write(work: UnitOfWork) -> None:
            # The claim outlives the task: a repeated event does not restore a deleted one.
            if task_reports.claim(work.tx, report.report_id, task_id, work.now):
                task = new_task(
                    new,
                    HEARTH.id,
                    work.now,
                    self._tasks.zone,
                    task_id=task_id,
                    source=(report.report_id, report.incident_id),
                )
                self._tasks.insert(work, HEARTH, task)

        return Done(write)

    def follow_review(self, job: Job) -> Outcome:
        """Cancel the task of an incident that was dismissed, and hurry that of an escalated one.

        Whoever takes a dismissal back reopens the task.

        Raises:
            InvalidInput: The event is not valid.
        """
        event = parse_model(ReviewedIncident, received(job.payload).data, f"the {job.kind} event")
        verdict = event.review.verdict

        def write(work: UnitOfWork) -> None:
            # A report has the id of its incident.
            task_id = task_reports.get_task_id(work.tx, event.incident_id)
            task = None if task_id is None else tasks.get(work.tx, task_id, None)
            if task is None or task.status == "completed":
                return
            changes: dict[str, str] = {}
            if verdict == DISMISSED:
                changes["status"] = "cancelled"
            elif task.status == "cancelled":
                changes["status"] = "pending"
            if verdict == ESCALATED:
                changes["priority"] = "urgent"
            if changes:
                self._tasks.change(work, HEARTH, task.id, changes)

        return Done(write)

    def send_reminder(self, job: Job) -> Outcome:
        """Emit `task.due`, unless the task was closed, or its due date or reminders changed.

        Raises:
            InvalidInput: The job's payload is not valid.
        """
        try:
            task_id, minutes = str(job.payload["task_id"]), int(job.payload["minutes"])
            due_at = parse_time(job.payload["due_at"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput("tasks.remind needs task_id, due_at and minutes") from error
        at = due_at - timedelta(minutes=minutes)
        if at > self._now() + CLOCK_TOLERANCE:
            return Postpone(at)  # it came early, because the clock was set back

        def write(work: UnitOfWork) -> None:
            task = tasks.get(work.tx, task_id, None)
            if task is None or not is_open(task) or task.due_at != due_at:
                return
            if minutes in task.reminders:
                work.emit(task_due(task, due_at, reminder_name(task_id, due_at, minutes), work.now))

        return Done(write)
