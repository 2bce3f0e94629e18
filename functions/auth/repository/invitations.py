"""The table of invitations; each lets one e-mail address register once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from functions.auth.repository.tables import invitations
from hearth.principal import Role


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """A stored invitation; `used_at` is None until it is used."""

    id: str
    email: str
    role: Role
    digest: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


def add_invitation(tx: Connection, row: InvitationRow) -> None:
    tx.execute(
        insert(invitations),
        {name: getattr(row, name) for name in InvitationRow.__dataclass_fields__},
    )


def get_invitation(tx: Connection, invitation_id: str) -> InvitationRow | None:
    query = select(invitations).where(invitations.c.id == invitation_id)
    row = tx.execute(query).one_or_none()
    return None if row is None else _invitation(row)


def list_invitations(tx: Connection, limit: int, before: str | None) -> list[InvitationRow]:
    """List invitations, newest first, after the id `before`."""
    query = select(invitations).order_by(invitations.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(invitations.c.id < before)
    return [_invitation(row) for row in tx.execute(query).all()]


def use_invitation(tx: Connection, invitation_id: str, now: datetime) -> bool:
    """Claim an invitation; False when it is used, expired or withdrawn."""
    used = tx.execute(
        update(invitations)
        .where(
            invitations.c.id == invitation_id,
            invitations.c.used_at.is_(None),
            invitations.c.expires_at > now,
        )
        .values(used_at=now)
    )
    return used.rowcount == 1


def delete_invitation(tx: Connection, invitation_id: str) -> bool:
    """Delete an invitation; False when it does not exist."""
    gone = tx.execute(delete(invitations).where(invitations.c.id == invitation_id))
    return gone.rowcount == 1


def _invitation(row: Row[Any]) -> InvitationRow:
    values = dict(row._mapping)
    return InvitationRow(**values | {"role": Role(values["role"])})
