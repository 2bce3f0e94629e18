"""One transaction for each request; and one only, however often a request with a key is sent.
Only one of very many tasks takes several, each with a key of its own.

The key is taken, the work done and the answer kept in the same transaction: a repeat is told what
the first was told, one that comes meanwhile waits for it, and one after a crash finds nothing and
starts anew. A key is the caller's own, and is forgotten after 24 hours
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel

from functions.tasks.repository import requests
from hearth.db import encode_json
from hearth.errors import Conflict, HearthError
from hearth.ledger.ledger import Ledger, UnitOfWork

if TYPE_CHECKING:
    pass

MOST_ROWS: Final = 2_900
"""Aurora DSQL takes 3,000 in a transaction; some are for the key and its like."""
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
        ledger: Runs the transactions.
        now: The present, timezone-aware.
    """

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now

    def run(
        self,
        request: Request,
        answer: type[M],
        work: Callable[[UnitOfWork], M],
    ) -> tuple[M, bool]:
        """What `work` answers, and whether that was said before.

        Args:
            request: Who asks, and what.
            answer: What the answer is.
            work: Done in one transaction.

        Raises:
            Conflict: The key was used for another request.
        """
        sha256 = request.sha256() if request.key is not None else ""

        def in_transaction(unit: UnitOfWork) -> tuple[M, bool]:
            if request.key is not None:
                now = self._now()
                kept = requests.claim(
                    unit.tx, request.caller_id, request.key, sha256, now, now - KEPT_FOR
                )
                if kept is not None:
                    return _repeated(kept, sha256, answer), True
            said = work(unit)
            if request.key is not None:
                requests.keep(unit.tx, request.caller_id, request.key, said.model_dump_json())
            return said, False

        return self._ledger.transact(in_transaction, request.caller_id)

    def run_in_parts(
        self,
        request: Request,
        answer: type[M],
        parts: Sequence[range],
        work: Callable[[UnitOfWork, range], M],
    ) -> tuple[list[M], HearthError | None, bool]:
        """What `work` answers for each of `parts`, each one transaction, up to one that fails.

        Sent again with its key, the request goes on where it failed.

        Returns:
            The answers; why the part behind them was not done (None: all were); whether all was
            said before.

        Raises:
            HearthError: The first part failed: nothing was done.
        """
        said: list[M] = []
        all_repeated = True
        sha256 = request.sha256() if request.key is not None else ""
        for number, part in enumerate(parts):
            # No key that a caller may send has a space.
            key = f"{request.key} {number}" if request.key is not None and number else request.key
            asked = Request(request.caller_id, key, [sha256, number])

            def work_of_part(unit: UnitOfWork, part: range = part) -> M:
                return work(unit, part)

            try:
                of_part, repeated = self.run(asked, answer, work_of_part)
            except HearthError as error:
                if not number:
                    raise
                return said, error, False
            said.append(of_part)
            all_repeated = all_repeated and repeated
        return said, None, all_repeated


def parts(rows: Sequence[int]) -> list[range]:
    """Operations, one after the other, in transactions; at least one of these.

    Args:
        rows: How many rows each operation writes at most.
    """
    found = [range(0)]
    written = 0
    for index, number in enumerate(rows):
        if written + number > MOST_ROWS and len(found[-1]):
            found.append(range(index, index))
            written = 0
        found[-1] = range(found[-1].start, index + 1)
        written += number
    return found


def _repeated(kept: requests.Kept, sha256: str, answer: type[M]) -> M:
    if kept.request_sha256 != sha256 or kept.response is None:
        raise Conflict("this Idempotency-Key was used for another request; take a new one")
    return answer.model_validate_json(kept.response)
