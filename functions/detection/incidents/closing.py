"""Closes incidents, as a completed task tells, and opens them again, as a reopened one does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import BaseModel, ValidationError

from functions.detection.repository.closing import record_task_event
from functions.detection.schemas import CompletedTask, ReopenedTask
from hearth.errors import InvalidInput
from hearth.ledger.consumer import Done, Outcome
from hearth.ledger.events import received
from hearth.ledger.ledger import Job, UnitOfWork

if TYPE_CHECKING:
    from hearth.db import Database

TASK_COMPLETED: Final = "task.completed"
TASK_REOPENED: Final = "task.reopened"
M = TypeVar("M", bound=BaseModel)


class ClosingService:
    """Listens to tasks."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def task_completed(self, job: Job) -> Outcome:
        """Close the incident that the task was made for, if whoever completed it asked for that.

        Of several tasks the one that was completed first counts, whichever is heard of first; a
        task that was reopened since does not. A repeat changes nothing. An incident that nobody
        knows (any more) is left alone.

        Raises:
            InvalidInput: The event lacks what is needed to tell.
        """
        task = _read(job, CompletedTask)
        incident_id = task.source.incident_id if task.source else None
        if not task.close_incident or incident_id is None:
            return Done()

        def write(work: UnitOfWork) -> None:
            record_task_event(work.tx, incident_id, task.task_id, task.completed_at, reopened=False)

        return Done(write)

    def task_reopened(self, job: Job) -> Outcome:
        """Open the incident that the task closed again, unless another task has closed it, too.

        Raises:
            InvalidInput: The event lacks what is needed to tell.
        """
        task = _read(job, ReopenedTask)
        incident_id = task.source.incident_id if task.source else None
        if incident_id is None:
            return Done()

        def write(work: UnitOfWork) -> None:
            record_task_event(work.tx, incident_id, task.task_id, task.reopened_at, reopened=True)

        return Done(write)


def _read(job: Job, model: type[M]) -> M:
    """What a job says about a task.

    Raises:
        InvalidInput: It does not say it.
    """
    try:
        # From JSON text: times are then read by JSON's rules.
        return model.model_validate_json(json.dumps(dict(received(job.payload).data)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"the {job.kind} event is not valid: {where}: {first['msg']}") from (
            error
        )
