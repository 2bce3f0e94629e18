"""One transaction for each request; and one only, however often a request with a key is sent.

The key is taken, the work done and the answer kept in the same transaction: a repeat is told what
the first was told, one that comes meanwhile waits for it, and one after a crash finds nothing and
starts anew. A key is the caller's own, and is forgotten after 24 hours
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel

from functions.tasks.repository import requests
from functions.tasks.writer import Told
from hearth.db import Database, encode_json
from hearth.errors import Conflict
from hearth.jobs import Job, Ledger

if TYPE_CHECKING:
    from sqlalchemy import Connection

KEPT_FOR: Final = timedelta(hours=24)
M = TypeVar("M", bound=BaseModel)


class Request(NamedTuple):
    """What a caller asks for, as far as it tells two requests apart."""

    caller_id: str
    key: str | None
    content: Any
    """JSON values; only with a key."""

    def sha256(self) -> str:
        """Of what is asked for."""
        return hashlib.sha256(encode_json(self.content).encode()).hexdigest()


class Once:
    """Runs the work of requests.

    Args:
        db: Where.
        ledger: Where the jobs go that follow from the work.
        now: The present, timezone-aware.
    """

    def __init__(self, db: Database, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._db = db
        self._ledger = ledger
        self._now = now

    def run(
        self,
        request: Request,
        answer: type[M],
        work: Callable[[Connection, Told], M],
    ) -> tuple[M, bool]:
        """What `work` answers, and whether that was said before.

        Args:
            request: Who asks, and what.
            answer: What the answer is.
            work: Done in one transaction; adds the jobs that follow.

        Raises:
            Conflict: The key was used for another request.
        """
        sha256 = request.sha256() if request.key is not None else ""

        def in_transaction(tx: Connection) -> tuple[M, bool, list[Job]]:
            if request.key is not None:
                now = self._now()
                kept = requests.claim(
                    tx, request.caller_id, request.key, sha256, now, now - KEPT_FOR
                )
                if kept is not None:
                    return _repeated(kept, sha256, answer), True, []
            told: Told = []
            said = work(tx, told)
            if request.key is not None:
                requests.keep(tx, request.caller_id, request.key, said.model_dump_json())
            return said, False, self._ledger.add(tx, told)

        said, repeated, jobs = self._db.write(in_transaction)
        self._ledger.announce(jobs)
        return said, repeated


def _repeated(kept: requests.Kept, sha256: str, answer: type[M]) -> M:
    if kept.request_sha256 != sha256 or kept.response is None:
        raise Conflict("this Idempotency-Key was used for another request; take a new one")
    return answer.model_validate_json(kept.response)
