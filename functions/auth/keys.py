"""API keys of users, and the keys that sign access tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from functions.auth.audit_log import AuditLog, Caller
from functions.auth.keyring import Keyring
from functions.auth.paging import newest_first
from functions.auth.repository import api_keys, signing_keys, users
from functions.auth.repository.api_keys import ApiKeyRow
from functions.auth.schemas import (
    ApiKeyIn,
    ApiKeyOut,
    ApiKeyPage,
    ApiKeyQuery,
    NewApiKeyOut,
    RotateIn,
    SigningKeyOut,
    SigningKeysOut,
)
from functions.auth.secret_text import SecretText, new_secret
from hearth.errors import Conflict, Forbidden, NotFound, Unauthenticated
from hearth.ids import utc_now
from hearth.principal import Principal

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hearth.db import Database

MAX_KEYS = 100
"""Most valid keys of one user."""


class ApiKeys:
    """Manages API keys; a key has no permission that its owner has not."""

    def __init__(
        self, db: Database, audit_log: AuditLog, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._db = db
        self._audit_log = audit_log
        self._now = now

    def create(self, caller: Caller, wanted: ApiKeyIn) -> NewApiKeyOut:
        """Create an API key of the caller.

        Raises:
            Forbidden: The caller uses an API key (a leaked one could outlive its revocation), or
                asks for a permission that they do not have.
            Conflict: The caller is a program of the machine and no user, or has too many keys.
        """
        principal = _principal(caller)
        if principal.kind == "api_key":
            raise Forbidden("an API key cannot create API keys; log in with a password")
        if principal.kind == "local":
            raise Conflict("a program of the machine has no API keys; register a user and log in")
        permissions = (
            principal.permissions if wanted.permissions is None else frozenset(wanted.permissions)
        )
        if excess := permissions - principal.permissions:
            raise Forbidden(
                f"a key cannot have permissions that its owner lacks: {', '.join(sorted(excess))}"
            )
        secret = new_secret("hk")
        now = self._now()
        days = wanted.expires_in_days
        row = ApiKeyRow(
            id=secret.id,
            user_id=principal.id,
            name=wanted.name,
            digest=secret.digest,
            permissions=permissions,
            created_at=now,
            rotated_at=None,
            expires_at=None if days is None else now + timedelta(days=days),
            last_used_at=None,
            revoked_at=None,
        )

        def add(tx: Connection) -> None:
            if users.lock_user(tx, principal.id) is None:
                raise Unauthenticated("the user does not exist any more")
            if api_keys.count_live_keys(tx, principal.id, now) >= MAX_KEYS:
                raise Conflict(f"there are {MAX_KEYS} keys; revoke one first")
            api_keys.add_key(tx, row)
            self._audit_log.record(tx, caller, "key.create", target=row.id, reason=row.name)

        self._db.write(add)
        return _to_new_key(row, secret)

    def list(self, caller: Caller, query: ApiKeyQuery) -> ApiKeyPage:
        """List the keys of one user, newest first, without their secrets.

        Raises:
            NotFound: The user is not the caller, who may not manage users (IDOR).
            InvalidInput: The cursor is not valid.
        """
        principal = _principal(caller)
        user_id = query.user_id or principal.id
        if not _may_manage(principal, user_id):
            raise NotFound(f"user {user_id!r} does not exist")
        rows, cursor = newest_first(
            query,
            lambda limit, before: self._db.read(
                lambda tx: api_keys.list_keys(tx, user_id, limit, before)
            ),
        )
        return ApiKeyPage(keys=[_to_response(row) for row in rows], next_cursor=cursor)

    def revoke(self, caller: Caller, key_id: str) -> None:
        """Revoke a key; a second call changes nothing.

        Raises:
            NotFound: The key does not exist, or is another user's (IDOR).
        """

        def end(tx: Connection) -> None:
            self._key(tx, caller, key_id)
            if api_keys.revoke_key(tx, key_id, self._now()):
                self._audit_log.record(tx, caller, "key.revoke", target=key_id)

        self._db.write(end)

    def rotate(self, caller: Caller, key_id: str) -> NewApiKeyOut:
        """Replace a key's secret; the old one is invalid at once.

        Raises:
            NotFound: The key does not exist, or is another user's.
            Forbidden: The caller uses another API key.
            Conflict: The key is revoked or expired, or was rotated at the same time.
        """
        principal = _principal(caller)
        secret = new_secret("hk", key_id)
        now = self._now()

        def turn(tx: Connection) -> ApiKeyRow:
            row = self._key(tx, caller, key_id)
            if row.user_id != principal.id:
                raise NotFound(
                    f"API key {key_id!r} does not exist"
                )  # the secret's holder acts for its owner
            if principal.kind == "api_key" and principal.credential_id != key_id:
                raise Forbidden("an API key can only rotate itself; log in with a password")
            if row.expires_at is not None and row.expires_at <= now:
                raise Conflict(f"the key {key_id} has expired; create another one")
            if not api_keys.rotate_key(tx, row, secret.digest, now):
                raise Conflict(f"the key {key_id} is revoked, or was rotated at the same time")
            self._audit_log.record(tx, caller, "key.rotate", target=key_id)
            return replace(row, rotated_at=now)

        return _to_new_key(self._db.write(turn), secret)

    def _key(self, tx: Connection, caller: Caller, key_id: str) -> ApiKeyRow:
        row = api_keys.get_key(tx, key_id)
        if row is None or not _may_manage(_principal(caller), row.user_id):
            raise NotFound(f"API key {key_id!r} does not exist")
        return row


class SigningKeys:
    """Lists and rotates the keys that sign access tokens."""

    def __init__(self, db: Database, keyring: Keyring, audit_log: AuditLog) -> None:
        self._db = db
        self._keyring = keyring
        self._audit_log = audit_log

    def list(self) -> SigningKeysOut:
        """List all keys, newest first, without their secrets."""
        rows = self._db.read(signing_keys.list_signing_keys)
        return SigningKeysOut(keys=[SigningKeyOut.model_validate(row) for row in rows])

    def rotate(self, caller: Caller, wanted: RotateIn) -> SigningKeyOut:
        """Make a new key the signing key."""

        def turn(tx: Connection) -> SigningKeyOut:
            row = self._keyring.rotate(tx, distrust=wanted.distrust)
            why = "distrusted" if wanted.distrust else None
            self._audit_log.record(tx, caller, "signing_key.rotate", target=row.kid, reason=why)
            return SigningKeyOut.model_validate(row)

        return self._db.write(turn)


def _principal(caller: Caller) -> Principal:
    if caller.principal is None:
        raise Unauthenticated("an access token is required")
    return caller.principal


def _may_manage(principal: Principal, user_id: str) -> bool:
    return user_id == principal.id or principal.may("users:manage")


def _to_response(row: ApiKeyRow) -> ApiKeyOut:
    return ApiKeyOut.model_validate(row).model_copy(update={"permissions": sorted(row.permissions)})


def _to_new_key(row: ApiKeyRow, secret: SecretText) -> NewApiKeyOut:
    return NewApiKeyOut(**_to_response(row).model_dump(), key=secret.text)
