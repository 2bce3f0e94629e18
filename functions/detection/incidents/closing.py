"""Closes incidents when their task is completed, and reopens them when it is reopened."""

from __future__ import annotations

from typing import Final

from functions.detection.repository.closing import record_task_event
from functions.detection.schemas import CompletedTask, ReopenedTask
from hearth.ledger.consumer import Done, Outcome
from hearth.ledger.events import received
from hearth.ledger.ledger import Job, UnitOfWork
from hearth.parsing import parse_model

TASK_COMPLETED: Final = "task.completed"
TASK_REOPENED: Final = "task.reopened"


def close_incident(job: Job) -> Outcome:
    """Close the incident that the task was made for, if whoever completed it asked for that.

    Of several tasks the one that was completed first counts, in whichever order their events
    arrive; a task that was reopened since does not. A repeat changes nothing. An incident that
    does not exist (any more) is skipped.

    Raises:
        InvalidInput: the event is not valid.
    """
    task = parse_model(CompletedTask, received(job.payload).data, f"the {job.kind} event")
    incident_id = task.source.incident_id if task.source else None
    if not task.close_incident or incident_id is None:
        return Done()

    def write(work: UnitOfWork) -> None:
        record_task_event(work.tx, incident_id, task.task_id, task.completed_at, reopened=False)

    return Done(write)


def reopen_incident(job: Job) -> Outcome:
    """Reopen the incident that the task closed, unless another task has closed it, too.

    Raises:
        InvalidInput: the event is not valid.
    """
    task = parse_model(ReopenedTask, received(job.payload).data, f"the {job.kind} event")
    incident_id = task.source.incident_id if task.source else None
    if incident_id is None:
        return Done()

    def write(work: UnitOfWork) -> None:
        record_task_event(work.tx, incident_id, task.task_id, task.reopened_at, reopened=True)

    return Done(write)
