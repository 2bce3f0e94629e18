"""The audit log of security events; it contains no secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from functions.auth.paging import newest_first
from functions.auth.repository import audit
from functions.auth.repository.audit import AuditRow, Outcome
from functions.auth.schemas import AuditEntryOut, AuditPage, AuditQuery
from hearth.ids import new_ulid, utc_now
from hearth.principal import Principal

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hearth.db import Database

MAX_ADDRESS = 64
DELETED_AT_A_TIME = 5


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls (None: not authenticated) and from which address."""

    principal: Principal | None
    address: str


class AuditLog:
    """Writes and reads the audit log.

    Args:
        now: The clock, timezone-aware.
        retention: Age at which entries are deleted.
    """

    def __init__(
        self,
        db: Database,
        now: Callable[[], datetime] = utc_now,
        retention: timedelta = timedelta(days=365),
    ) -> None:
        self._db = db
        self._now = now
        self._retention = retention

    def record(
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
        """Add an entry, in the transaction of what it records.

        Args:
            action: Such as `login` or `key.revoke`.
            actor_id: The user, where the caller is not authenticated yet.
            target: Id of the object, where that is not the actor.
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
        # Deletes more than it adds, so that the log does not grow.
        audit.delete_expired(tx, row.at - self._retention, DELETED_AT_A_TIME)

    def record_refusal(
        self, caller: Caller, action: str, reason: str, *, actor_id: str | None = None
    ) -> None:
        """Add an entry about a refusal, in a transaction of its own."""
        self._db.write(
            lambda tx: self.record(tx, caller, action, "refused", actor_id=actor_id, reason=reason)
        )

    def list(self, query: AuditQuery) -> AuditPage:
        """List entries, newest first.

        Raises:
            InvalidInput: The cursor is not valid.
        """
        rows, cursor = newest_first(
            query,
            lambda limit, before: self._db.read(
                lambda tx: audit.list_audit(tx, limit, before, query.actor_id, query.action)
            ),
        )
        entries = [AuditEntryOut.model_validate(row) for row in rows]
        return AuditPage(entries=entries, next_cursor=cursor)
