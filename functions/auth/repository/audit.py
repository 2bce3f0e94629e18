"""The table of the audit log; rows are added and expire, and are never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, delete, insert, select

from functions.auth.repository.tables import audit

Outcome = Literal["done", "refused"]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what, when, from where, and with what outcome.

    Attributes:
        actor_id: Id of the user; None where it is not known who it was.
        actor_kind: `user`, `api_key`, `local`, or `anonymous`.
        credential_id: Session or API key; empty where there is none.
        action: Such as `login` or `key.revoke`.
        target: Id of what it was done to, where that is not the actor.
        reason: Why it was refused, or what was changed; never a secret.
        address: Where the request came from.
    """

    id: str
    at: datetime
    actor_id: str | None
    actor_kind: str
    credential_id: str
    action: str
    target: str | None
    outcome: Outcome
    reason: str | None
    address: str


def add_audit(tx: Connection, row: AuditRow) -> None:
    tx.execute(insert(audit), {name: getattr(row, name) for name in AuditRow.__dataclass_fields__})


def delete_expired(tx: Connection, before: datetime, limit: int) -> None:
    """Delete those of the `limit` oldest rows that are from before a time."""
    oldest = select(audit.c.id, audit.c.at).order_by(audit.c.id).limit(limit)
    if ids := [row.id for row in tx.execute(oldest) if row.at < before]:
        tx.execute(delete(audit).where(audit.c.id.in_(ids)))


def list_audit(
    tx: Connection, limit: int, before: str | None, actor_id: str | None, action: str | None
) -> list[AuditRow]:
    """List entries, newest first, after the id `before`."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    if actor_id is not None:
        query = query.where(audit.c.actor_id == actor_id)
    if action is not None:
        query = query.where(audit.c.action == action)
    return [AuditRow(**row._mapping) for row in tx.execute(query).all()]
