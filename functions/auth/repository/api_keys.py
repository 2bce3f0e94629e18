"""The table of API keys; only the digest of a key is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, or_, select, update

from functions.auth.repository.tables import api_keys, users
from hearth.principal import Role


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """A stored key; times are None where the event has not happened."""

    id: str
    user_id: str
    name: str
    digest: str
    permissions: frozenset[str]
    created_at: datetime
    rotated_at: datetime | None
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class OwnedKey:
    """A key with its owner's role and state."""

    key: ApiKeyRow
    role: Role
    disabled_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Whether the key is valid."""
        key = self.key
        expired = key.expires_at is not None and key.expires_at <= now
        return key.revoked_at is None and self.disabled_at is None and not expired


# Built once: the authorizer runs it on every call, and building it takes longer than running it.
_WITH_OWNER = (
    select(api_keys, users.c.role, users.c.disabled_at)
    .join(users, users.c.id == api_keys.c.user_id)
    .where(api_keys.c.id == bindparam("wanted"))
)


def add_key(tx: Connection, row: ApiKeyRow) -> None:
    values = {name: getattr(row, name) for name in ApiKeyRow.__dataclass_fields__}
    tx.execute(insert(api_keys), values | {"permissions": sorted(row.permissions)})


def count_live_keys(tx: Connection, user_id: str, now: datetime) -> int:
    live = select(func.count()).where(
        api_keys.c.user_id == user_id,
        api_keys.c.revoked_at.is_(None),
        or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now),
    )
    return int(tx.execute(live).scalar_one())


def get_key(tx: Connection, key_id: str) -> ApiKeyRow | None:
    row = tx.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
    return None if row is None else _key(row)


def get_owned_key(tx: Connection, key_id: str) -> OwnedKey | None:
    """Find a key with its owner, by primary keys; None when either does not exist."""
    row = tx.execute(_WITH_OWNER, {"wanted": key_id}).one_or_none()
    return None if row is None else OwnedKey(_key(row), Role(row.role), row.disabled_at)


def list_keys(tx: Connection, user_id: str, limit: int, before: str | None) -> list[ApiKeyRow]:
    """List the keys of one user, newest first, after the id `before`."""
    query = (
        select(api_keys)
        .where(api_keys.c.user_id == user_id)
        .order_by(api_keys.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(api_keys.c.id < before)
    return [_key(row) for row in tx.execute(query).all()]


def revoke_key(tx: Connection, key_id: str, now: datetime) -> bool:
    """Revoke a key; False when it was revoked before."""
    revoked = tx.execute(
        update(api_keys)
        .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return revoked.rowcount == 1


def rotate_key(tx: Connection, key: ApiKeyRow, digest: str, now: datetime) -> bool:
    """Replace a key's secret (compare and swap); False when it has changed or is revoked."""
    rotated = tx.execute(
        update(api_keys)
        .where(
            api_keys.c.id == key.id,
            api_keys.c.digest == key.digest,
            api_keys.c.revoked_at.is_(None),
        )
        .values(digest=digest, rotated_at=now)
    )
    return rotated.rowcount == 1


def touch_key(tx: Connection, key_id: str, now: datetime, before: datetime) -> None:
    """Record the use of a key, unless one was recorded at or after `before`."""
    tx.execute(
        update(api_keys)
        .where(
            api_keys.c.id == key_id,
            or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < before),
        )
        .values(last_used_at=now)
    )


def _key(row: Row[Any]) -> ApiKeyRow:
    mapping = row._mapping
    values = {name: mapping[name] for name in ApiKeyRow.__dataclass_fields__}
    return ApiKeyRow(**values | {"permissions": frozenset(values["permissions"])})
