"""The table of keys that sign access tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from functions.auth.repository.tables import signing_keys


@dataclass(frozen=True, slots=True)
class SigningKeyRow:
    """A stored key; `secret` is Base64. A retired key verifies until `verifies_until`."""

    kid: str
    secret: str
    created_at: datetime
    retired_at: datetime | None = None
    verifies_until: datetime | None = None

    def verifies(self, now: datetime) -> bool:
        """Whether a token that it signed may be valid."""
        return self.verifies_until is None or now < self.verifies_until


def add_signing_key(tx: Connection, row: SigningKeyRow) -> None:
    tx.execute(
        insert(signing_keys),
        {name: getattr(row, name) for name in SigningKeyRow.__dataclass_fields__},
    )


def list_signing_keys(tx: Connection) -> list[SigningKeyRow]:
    """List all keys, newest first; the first that is not retired signs."""
    rows = tx.execute(select(signing_keys).order_by(signing_keys.c.kid.desc())).all()
    return [SigningKeyRow(**row._mapping) for row in rows]


def retire_signing_keys(tx: Connection, now: datetime, verifies_until: datetime) -> None:
    """Retire the keys that sign; they verify until the given time."""
    tx.execute(
        update(signing_keys)
        .where(signing_keys.c.retired_at.is_(None))
        .values(retired_at=now, verifies_until=verifies_until)
    )


def end_signing_keys(tx: Connection, now: datetime) -> None:
    """End the verification by retired keys."""
    tx.execute(
        update(signing_keys)
        .where(signing_keys.c.retired_at.is_not(None), signing_keys.c.verifies_until > now)
        # Not now, which a clock that is set back shows again.
        .values(verifies_until=signing_keys.c.created_at)
    )
