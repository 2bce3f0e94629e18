"""The table of users, and the row that serializes changes of administrators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, select, update

from functions.auth.repository.tables import (
    api_keys,
    invitations,
    refresh_tokens,
    sessions,
    setup,
    users,
)
from hearth.db import insert_for
from hearth.principal import Role

_FIRST_ADMIN = "first_admin"


@dataclass(frozen=True, slots=True)
class UserRow:
    """A stored user; `disabled_at` is None while they may log in."""

    id: str
    email: str
    password_hash: str
    role: Role
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime


def claim_setup(tx: Connection, now: datetime) -> bool:
    """Claim the setup of the site; False when it was claimed before."""
    claimed = tx.execute(
        insert_for(tx.dialect.name)(setup).on_conflict_do_nothing().returning(setup.c.name),
        {"name": _FIRST_ADMIN, "changes": 0, "created_at": now},
    )
    return claimed.scalar_one_or_none() is not None


def is_set_up(tx: Connection) -> bool:
    return tx.execute(select(setup.c.name)).first() is not None


def lock_administrators(tx: Connection) -> None:
    """Lock out concurrent changes of administrators for this transaction.

    PostgreSQL holds the row until the end of the transaction, Aurora DSQL lets one of two commit,
    SQLite has one writer.
    """
    tx.execute(update(setup).values(changes=setup.c.changes + 1))


def has_other_administrator(tx: Connection, user_id: str) -> bool:
    """Whether there is an administrator besides `user_id` who is not disabled."""
    others = select(func.count()).where(
        users.c.role == Role.ADMIN, users.c.disabled_at.is_(None), users.c.id != user_id
    )
    return tx.execute(others).scalar_one() > 0


def add_user(tx: Connection, row: UserRow) -> bool:
    """Insert a user; False when the e-mail address is registered already."""
    added = tx.execute(
        insert_for(tx.dialect.name)(users).on_conflict_do_nothing().returning(users.c.id),
        {name: getattr(row, name) for name in UserRow.__dataclass_fields__},
    )
    return added.scalar_one_or_none() is not None


def get_user(tx: Connection, user_id: str) -> UserRow | None:
    return _one(tx, select(users).where(users.c.id == user_id))


def find_user(tx: Connection, email: str) -> UserRow | None:
    return _one(tx, select(users).where(users.c.email == email))


def lock_user(tx: Connection, user_id: str) -> UserRow | None:
    """Find a user and lock the row for this transaction."""
    held = update(users).where(users.c.id == user_id).values(updated_at=users.c.updated_at)
    row = tx.execute(held.returning(users)).one_or_none()
    return None if row is None else _user(row)


def list_users(tx: Connection, limit: int, before: str | None) -> list[UserRow]:
    """List users, newest first, after the id `before`."""
    query = select(users).order_by(users.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(users.c.id < before)
    return [_user(row) for row in tx.execute(query).all()]


def update_user(tx: Connection, user_id: str, changes: Mapping[str, Any], now: datetime) -> bool:
    """Set columns of a user; False when the user does not exist."""
    changed = tx.execute(
        update(users).where(users.c.id == user_id).values(**changes, updated_at=now)
    )
    return changed.rowcount == 1


def delete_user(tx: Connection, user: UserRow) -> None:
    """Delete a user with all sessions, tokens and keys."""
    theirs = select(sessions.c.id).where(sessions.c.user_id == user.id)
    tx.execute(delete(refresh_tokens).where(refresh_tokens.c.session_id.in_(theirs)))
    tx.execute(delete(sessions).where(sessions.c.user_id == user.id))
    tx.execute(delete(api_keys).where(api_keys.c.user_id == user.id))
    tx.execute(delete(invitations).where(invitations.c.email == user.email))
    tx.execute(delete(users).where(users.c.id == user.id))


def _one(tx: Connection, query: Select[Any]) -> UserRow | None:
    row = tx.execute(query).one_or_none()
    return None if row is None else _user(row)


def _user(row: Row[Any]) -> UserRow:
    values = dict(row._mapping)
    return UserRow(**values | {"role": Role(values["role"])})
