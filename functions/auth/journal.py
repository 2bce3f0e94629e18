"""The audit log: what a security officer asks after, and no secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from functions.auth.pages import newest_first
from functions.auth.repository import audit
from functions.auth.repository.audit import AuditRow, Outcome
from functions.auth.schemas import AuditEntryOut, AuditOut, AuditQuery
from hearth.ids import new_ulid, utc_now
from hearth.principal import Principal

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hearth.db import Database

MAX_ADDRESS = 64
FORGOTTEN_AT_A_TIME = 5


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls (None: nobody we know) and from which address."""

    principal: Principal | None
    address: str


class Journal:
    """Writes and reads the log.

    Args:
        db: Database.
        now: The present, timezone-aware.
        kept: How far it goes back.
    """

    def __init__(
        self,
        db: Database,
        now: Callable[[], datetime] = utc_now,
        kept: timedelta = timedelta(days=365),
    ) -> None:
        self._db = db
        self._now = now
        self._kept = kept

    def note(
        self,
        tx: Connection,
        caller: Caller,
        action: str,
        outcome: Outcome = "done",
        *,
        actor_id: str | None = None,
        target: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Add an entry in the transaction of the fact.

        Args:
            tx: Transaction.
            caller: Who calls.
            action: Such as `login` or `key.revoke`.
            outcome: Whether it happened.
            actor_id: Who it turned out to be, where the caller shows no token yet.
            target: Id of what it was done to, where that is not the actor.
            reason: Why it was refused, or what was changed.
        """
        who = caller.principal
        row = AuditRow(
            id=new_ulid(),
            at=self._now(),
            actor_id=actor_id or (who.id if who else None),
            actor_kind=who.kind if who else "user" if actor_id else "anonymous",
            credential_id=who.credential_id if who else "",
            action=action,
            target=target,
            outcome=outcome,
            reason=reason,
            address=caller.address[:MAX_ADDRESS],
        )
        audit.add_audit(tx, row)
        # More than were added, so that the log gets no longer.
        audit.forget(tx, row.at - self._kept, FORGOTTEN_AT_A_TIME)

    def refuse(
        self, caller: Caller, action: str, reason: str, *, actor_id: str | None = None
    ) -> None:
        """Add an entry of something that did not happen, in a transaction of its own."""
        self._db.write(
            lambda tx: self.note(tx, caller, action, "refused", actor_id=actor_id, reason=reason)
        )

    def list(self, query: AuditQuery) -> AuditOut:
        """Entries, newest first.

        Raises:
            InvalidInput: A cursor that no page gave out.
        """
        rows, cursor = newest_first(
            query,
            lambda limit, before: self._db.read(
                lambda tx: audit.list_audit(tx, limit, before, query.actor_id, query.action)
            ),
        )
        entries = [AuditEntryOut.model_validate(row) for row in rows]
        return AuditOut(entries=entries, next_cursor=cursor)
