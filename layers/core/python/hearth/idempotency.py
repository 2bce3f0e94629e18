"""Idempotency keys: a request that is sent again with its key is done once.

The key is claimed, the work done and the answer stored in one transaction: a repeat gets the first
answer, one that comes meanwhile waits for it, and one after a crash finds nothing and starts anew.
A key belongs to its caller and one capability, and expires after 24 hours
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from sqlalchemy import (
    Column,
    Connection,
    Index,
    MetaData,
    Table,
    Text,
    delete,
    select,
    tuple_,
    update,
)

from hearth.db import UtcDateTime, encode_json, insert_for
from hearth.errors import Conflict, HearthError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from hearth.ledger.ledger import Ledger
    from hearth.ledger.unit_of_work import UnitOfWork

M = TypeVar("M", bound="BaseModel")
MAX_ROWS: Final = 2_900
"""Aurora DSQL takes 3,000 rows in a transaction; the rest is for the key and its like."""
KEY_LIFETIME: Final = timedelta(hours=24)
_EXPIRED_BATCH: Final = 20

metadata = MetaData()
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("principal_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_sha256", Text, nullable=False),
    Column("response", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_idempotency_keys_created_at", "created_at"),
)
_k = idempotency_keys.c


class IdempotentRequest(NamedTuple):
    """Who asks for what; `content` (JSON values) tells two requests apart, and needs a key."""

    caller_id: str
    key: str | None = None
    content: Any = None

    def sha256(self) -> str:
        """Fingerprint of the content."""
        return hashlib.sha256(encode_json(self.content).encode()).hexdigest()


class IdempotentRequests:
    """Runs requests in transactions, each key once.

    Args:
        ledger: Runs the transactions.
        scope: The capability, whose keys are its own.
    """

    def __init__(self, ledger: Ledger, scope: str) -> None:
        self._ledger = ledger
        self._scope = scope

    def run(
        self,
        request: IdempotentRequest,
        answer: type[M],
        fn: Callable[[UnitOfWork], M],
    ) -> tuple[M, bool]:
        """What `fn` answers, and whether that is a replay.

        Args:
            request: The request; without a key it is done each time.
            answer: The model of the answer, as which a replay is read.
            fn: Does the work in one transaction.

        Raises:
            Conflict: The key was used for another request.
        """
        if request.key is None:
            return self._ledger.transact(fn, request.caller_id), False
        mine = _Claim(self._scope, request.caller_id, request.key, request.sha256())

        def attempt(work: UnitOfWork) -> tuple[M, bool]:
            stored = mine.take(work.tx, work.now)
            if stored is not None:
                return answer.model_validate_json(stored), True
            result = fn(work)
            mine.store(work.tx, result.model_dump_json())
            return result, False

        return self._ledger.transact(attempt, request.caller_id)

    def run_in_parts(
        self,
        request: IdempotentRequest,
        answer: type[M],
        parts: Sequence[range],
        fn: Callable[[UnitOfWork, range], M],
    ) -> tuple[list[M], HearthError | None, bool]:
        """What `fn` answers for each of `parts`, each one transaction, up to one that fails.

        Sent again with its key, the request continues where it failed.

        Returns:
            The answers; why the part after them was not done (None: all were); whether all are
            replays.

        Raises:
            HearthError: The first part failed: nothing was done.
        """
        answers: list[M] = []
        all_replayed = True
        sha256 = request.sha256() if request.key is not None else ""
        for number, part in enumerate(parts):
            # A caller's key has no space, so the keys of later parts collide with none.
            key = f"{request.key} {number}" if request.key is not None and number else request.key

            def fn_of_part(work: UnitOfWork, part: range = part) -> M:
                return fn(work, part)

            try:
                one, replayed = self.run(
                    IdempotentRequest(request.caller_id, key, [sha256, number]), answer, fn_of_part
                )
            except HearthError as error:
                if not number:
                    raise
                return answers, error, False
            answers.append(one)
            all_replayed = all_replayed and replayed
        return answers, None, all_replayed


def split_by_rows(rows: Sequence[int], max_rows: int = MAX_ROWS) -> list[range]:
    """Operations in order, divided into transactions; at least one of these.

    Args:
        rows: How many rows each operation writes at most.
        max_rows: How many rows a transaction may write.
    """
    parts = [range(0)]
    written = 0
    for index, number in enumerate(rows):
        if written + number > max_rows and len(parts[-1]):
            parts.append(range(index, index))
            written = 0
        parts[-1] = range(parts[-1].start, index + 1)
        written += number
    return parts


class _Claim(NamedTuple):
    scope: str
    principal_id: str
    key: str
    sha256: str

    def take(self, tx: Connection, now: datetime) -> str | None:
        """Claim the key; None when it is ours now, else the answer of the request that had it.

        Waits for another transaction that has the key.

        Raises:
            Conflict: The key was used for another request.
        """
        expired_before = now - KEY_LIFETIME
        _delete_expired(tx, expired_before)
        insert = insert_for(tx.dialect.name)(idempotency_keys)
        claimed = tx.execute(
            insert.on_conflict_do_update(
                index_elements=["scope", "principal_id", "key"],
                set_={
                    name: insert.excluded[name]
                    for name in ("request_sha256", "response", "created_at")
                },
                where=_k.created_at < expired_before,
            ).returning(_k.key),
            {
                "scope": self.scope,
                "principal_id": self.principal_id,
                "key": self.key,
                "request_sha256": self.sha256,
                "response": None,
                "created_at": now,
            },
        ).scalar_one_or_none()
        if claimed is not None:
            return None
        row = tx.execute(select(_k.request_sha256, _k.response).where(*self._is_mine())).one()
        if row.request_sha256 != self.sha256 or row.response is None:
            raise Conflict("this Idempotency-Key was used for another request; take a new one")
        return str(row.response)

    def store(self, tx: Connection, response: str) -> None:
        tx.execute(update(idempotency_keys).where(*self._is_mine()).values(response=response))

    def _is_mine(self) -> tuple[Any, ...]:
        return _k.scope == self.scope, _k.principal_id == self.principal_id, _k.key == self.key


def _delete_expired(tx: Connection, before: datetime) -> None:
    primary_key = (_k.scope, _k.principal_id, _k.key)
    oldest = (select(*primary_key).where(_k.created_at < before).order_by(_k.created_at)).limit(
        _EXPIRED_BATCH
    )
    if expired := tx.execute(oldest).all():
        tx.execute(
            delete(idempotency_keys).where(tuple_(*primary_key).in_(list(map(tuple, expired))))
        )
