"""Queue work of `${name}`."""

from __future__ import annotations

from typing import Final

from ${package}.schemas import WorkIn
from hearth.ledger.consumer import Done, Outcome
from hearth.ledger.ledger import Job, NewJob
from hearth.ledger.unit_of_work import UnitOfWork
from hearth.logging import logger
from hearth.parsing import parse_model

WORK: Final = "${slug}.work"
QUEUE: Final = "${slug}"


def new_job(text: str, name: str) -> NewJob:
    """A job for this queue, once per `name`; add it in the transaction of what caused it."""
    return NewJob(WORK, QUEUE, f"{WORK}:{name}", {"text": text})


class ${title}Worker:
    """Works on the jobs of the queue: replace this with what the capability is for."""

    def work(self, job: Job) -> Outcome:
        """Measure a text.

        Raises:
            InvalidInput: The payload is not such a job.
        """
        asked = parse_model(WorkIn, job.payload, "${slug}.work")

        def write(work: UnitOfWork) -> None:
            # Tables are written through work.tx, jobs added and events emitted: one commit.
            logger.info("text measured", job_id=job.id, characters=len(asked.text))

        return Done(write)
