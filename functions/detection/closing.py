"""Closes incidents: a person has dealt with them, as a completed task tells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from functions.detection import repository
from functions.detection.schemas import CompletedTask
from hearth.consumer import Done, Outcome
from hearth.errors import InvalidInput
from hearth.events import received
from hearth.jobs import Job

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hearth.db import Database

TASK_COMPLETED: Final = "task.completed"


class ClosingService:
    """Listens to tasks."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def task_completed(self, job: Job) -> Outcome:
        """Close the incident that the task was made for, if whoever completed it asked for that.

        Of several tasks the one that was completed first counts, whichever is heard of first; a
        repeat changes nothing. An incident that nobody knows (any more) is left alone.

        Raises:
            InvalidInput: The event lacks what is needed to tell.
        """
        task = read_completed(job)
        incident_id = task.source.incident_id if task.source else None
        if not task.close_incident or incident_id is None:
            return Done()

        def write(tx: Connection) -> None:
            repository.close_incident(tx, incident_id, task.task_id, task.completed_at)

        return Done(write)


def read_completed(job: Job) -> CompletedTask:
    """What a job says about a task.

    Raises:
        InvalidInput: It does not say it.
    """
    try:
        # From JSON text: times are then read by JSON's rules.
        return CompletedTask.model_validate_json(json.dumps(dict(received(job.payload).data)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"the task.completed event is not valid: {where}: {first['msg']}") from (
            error
        )
