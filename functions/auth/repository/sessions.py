"""The tables of sessions and refresh tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from functions.auth.repository.tables import refresh_tokens, sessions, users
from hearth.principal import Role


@dataclass(frozen=True, slots=True)
class Session:
    """A session with its user's e-mail address, role and state."""

    id: str
    user_id: str
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    disabled_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Whether the session is valid."""
        return self.revoked_at is None and self.disabled_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One refresh token; `used_at` is when it was exchanged for the next one."""

    id: str
    session_id: str
    digest: str
    used_at: datetime | None
    expires_at: datetime


# Built once: the authorizer runs it on every call, and building it takes longer than running it.
_WITH_USER = (
    select(
        sessions.c.id,
        sessions.c.user_id,
        users.c.email,
        users.c.role,
        sessions.c.created_at,
        sessions.c.expires_at,
        sessions.c.revoked_at,
        users.c.disabled_at,
    )
    .join(users, users.c.id == sessions.c.user_id)
    .where(sessions.c.id == bindparam("wanted"))
)


def add_session(tx: Connection, session: Session) -> None:
    tx.execute(
        insert(sessions),
        {name: getattr(session, name) for name in ("id", "user_id", "created_at", "expires_at")},
    )


def get_session(tx: Connection, session_id: str) -> Session | None:
    """Find a session with its user, by primary keys; None when either does not exist."""
    row = tx.execute(_WITH_USER, {"wanted": session_id}).one_or_none()
    if row is None:
        return None
    values = dict(row._mapping)
    return Session(**values | {"role": Role(values["role"])})


def extend_session(tx: Connection, session_id: str, until: datetime) -> None:
    tx.execute(update(sessions).where(sessions.c.id == session_id).values(expires_at=until))


def revoke_session(tx: Connection, session_id: str, now: datetime) -> bool:
    """Revoke a session; False when it was revoked before."""
    revoked = tx.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return revoked.rowcount == 1


def revoke_sessions_of(
    tx: Connection, user_id: str, now: datetime, except_id: str | None = None
) -> None:
    """Revoke all sessions of a user, or all but one."""
    tx.execute(
        update(sessions)
        .where(
            sessions.c.user_id == user_id,
            sessions.c.revoked_at.is_(None),
            sessions.c.id != (except_id or ""),
        )
        .values(revoked_at=now)
    )


def add_refresh_token(tx: Connection, token: RefreshToken) -> None:
    tx.execute(
        insert(refresh_tokens),
        {name: getattr(token, name) for name in RefreshToken.__dataclass_fields__},
    )


def get_refresh_token(tx: Connection, token_id: str) -> RefreshToken | None:
    row = tx.execute(select(refresh_tokens).where(refresh_tokens.c.id == token_id)).one_or_none()
    return None if row is None else RefreshToken(**row._mapping)


def use_refresh_token(tx: Connection, token_id: str, now: datetime) -> bool:
    """Claim a refresh token; False when it was used before."""
    used = tx.execute(
        update(refresh_tokens)
        .where(refresh_tokens.c.id == token_id, refresh_tokens.c.used_at.is_(None))
        .values(used_at=now)
    )
    return used.rowcount == 1
