"""The tables of auth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Column, Connection, Index, Integer, MetaData, Table, Text, delete, select

from hearth.db import JsonText, UtcDateTime

metadata = MetaData()

users = Table(
    "auth_users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("disabled_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("uq_auth_users_email", "email", unique=True),
    Index("ix_auth_users_role", "role"),
)

setup = Table(
    "auth_setup",
    metadata,
    Column("name", Text, primary_key=True),
    Column("changes", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
"""One row, created with the first administrator, so that there is one first. Other changes of
administrators change it too, which serializes them."""

sessions = Table(
    "auth_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Index("ix_auth_sessions_user_id", "user_id"),
    Index("ix_auth_sessions_expires_at", "expires_at"),
)
"""One row a log-in: the family of all refresh tokens that descend from it."""

refresh_tokens = Table(
    "auth_refresh_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("session_id", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("used_at", UtcDateTime),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("ix_auth_refresh_tokens_expires_at", "expires_at"),
)
"""Used tokens stay until they expire, so that a second use is recognised."""

api_keys = Table(
    "auth_api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("permissions", JsonText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("rotated_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Index("ix_auth_api_keys_user_id_id", "user_id", "id"),
)

invitations = Table(
    "auth_invitations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Index("ix_auth_invitations_expires_at", "expires_at"),
)

signing_keys = Table(
    "auth_signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("secret", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("retired_at", UtcDateTime),
    Column("verifies_until", UtcDateTime),
)
"""`retired_at` is None for the key that signs; `verifies_until` is when the last token that a
retired key has signed is expired."""

attempts = Table(
    "auth_attempts",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("retry_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("ix_auth_attempts_expires_at", "expires_at"),
)
"""Failed attempts in a row by account or address; `subject` is a digest of it."""

audit = Table(
    "auth_audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor_id", Text),
    Column("actor_kind", Text, nullable=False),
    Column("credential_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("address", Text, nullable=False),
    Index("ix_auth_audit_actor_id_id", "actor_id", "id"),
    Index("ix_auth_audit_action_id", "action", "id"),
)
"""Who did what, when, from where, and with what outcome; rows expire and are never changed."""

_MORTAL: Sequence[Table] = (sessions, refresh_tokens, invitations, attempts)


def delete_expired(tx: Connection, now: datetime, limit: int) -> int:
    """Delete at most `limit` expired rows of each table; return how many."""
    deleted = 0
    for table in _MORTAL:
        (key,) = table.primary_key.columns
        expired = (
            select(key)
            .where(table.c.expires_at < now)
            .order_by(table.c.expires_at)
            .limit(limit)
            .scalar_subquery()
        )
        deleted += tx.execute(delete(table).where(key.in_(expired))).rowcount
    gone = signing_keys.c.verifies_until < now
    return deleted + tx.execute(delete(signing_keys).where(gone)).rowcount
