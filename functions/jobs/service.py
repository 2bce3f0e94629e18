"""Reads the ledger and retries failed jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from functions.jobs.repository import Count
from functions.jobs.schemas import JobOut, JobPage, JobQuery, SummaryOut
from hearth.ids import utc_now
from hearth.ledger.ledger import JobState, Ledger

_OPEN = (JobState.QUEUED, JobState.RUNNING)


class Counts(Protocol):
    def count(self, dedupe_prefix: str | None = None) -> Sequence[Count]: ...


class JobsService:
    """Lists and counts jobs, and retries failed ones.

    Args:
        ledger: The jobs.
        counts: Counts them.
    """

    def __init__(
        self, ledger: Ledger, counts: Counts, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._ledger = ledger
        self._counts = counts
        self._now = now

    def list(self, query: JobQuery) -> JobPage:
        """List jobs, newest first.

        Raises:
            InvalidInput: The cursor is not valid.
        """
        page = self._ledger.list(query.state, query.kind, query.limit, query.cursor)
        jobs = [JobOut.model_validate(job) for job in page.jobs]
        return JobPage(jobs=jobs, next_cursor=page.next_cursor)

    def summary(self, dedupe_prefix: str | None = None) -> SummaryOut:
        """Count all jobs, or those whose dedupe key begins with a prefix, by kind and state."""
        jobs: dict[str, dict[JobState, int]] = {}
        waiting_since: list[datetime] = []
        for count in self._counts.count(dedupe_prefix):
            jobs.setdefault(count.kind, {})[count.state] = count.number
            if count.state in _OPEN:
                waiting_since.append(count.oldest)
        return SummaryOut(
            jobs=jobs,
            open=sum(states.get(state, 0) for states in jobs.values() for state in _OPEN),
            failed=sum(states.get(JobState.FAILED, 0) for states in jobs.values()),
            # A clock that was set back must not give a negative age.
            oldest_open_seconds=(
                max(0.0, (self._now() - min(waiting_since)).total_seconds())
                if waiting_since
                else None
            ),
        )

    def get(self, job_id: str) -> JobOut:
        """Return one job.

        Raises:
            NotFound: The job does not exist.
        """
        return JobOut.model_validate(self._ledger.get(job_id))

    def retry(self, job_id: str) -> JobOut:
        """Queue a failed job again, with all its attempts.

        Raises:
            NotFound: The job does not exist.
            Conflict: The job has not failed.
        """
        return JobOut.model_validate(self._ledger.retry(job_id))
