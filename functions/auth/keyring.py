"""The keys that sign access tokens, in the database and cached in the process for a minute."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from functions.auth.repository import signing_keys
from functions.auth.repository.signing_keys import SigningKeyRow
from hearth.ids import new_ulid, utc_now

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hearth.db import Database

TOKEN_LIFE = timedelta(hours=1)
CACHE_S = 60.0
SECRET_BYTES = 32  # RFC 7518, 3.2: at least as long as the digest
_SLACK = timedelta(minutes=1)
"""A log-in that began before a rotation may sign with the old key shortly after it."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A decoded signing key."""

    kid: str
    secret: bytes

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r})"


class Keyring:
    """Provides the key that signs and those that verify.

    Args:
        now: The clock, timezone-aware.
        clock: A monotonic clock, in seconds, for the age of the cache.
    """

    def __init__(
        self,
        db: Database,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._now = now
        self._clock = clock
        self._cached: dict[str, SigningKeyRow] = {}
        self._read_at: float | None = None

    def verifier(self, kid: str) -> SigningKey | None:
        """Return the key of that id while tokens that it signed may be valid.

        An unknown key may be new, so the cache is refreshed.
        """
        old = self._read_at is None or self._clock() - self._read_at > CACHE_S
        if old or kid not in self._cached:
            self._cached = {row.kid: row for row in self._db.read(signing_keys.list_signing_keys)}
            self._read_at = self._clock()
        row = self._cached.get(kid)
        return _key(row) if row is not None and row.verifies(self._now()) else None

    def signer(self, tx: Connection) -> SigningKey:
        """Return the current signing key from the database; create it when there is none.

        Two concurrent calls may create two keys: both verify, and the newer one signs.
        """
        for row in signing_keys.list_signing_keys(tx):
            if row.retired_at is None:
                return _key(row)
        return _key(self._add(tx))

    def rotate(self, tx: Connection, *, distrust: bool) -> SigningKeyRow:
        """A new key signs from now on.

        Args:
            distrust: The old keys are compromised and verify nothing any more. Otherwise they
                verify until the last token that they signed has expired.
        """
        now = self._now()
        signing_keys.retire_signing_keys(tx, now, now + TOKEN_LIFE + _SLACK)
        if distrust:
            signing_keys.end_signing_keys(tx, now)
        return self._add(tx)

    def _add(self, tx: Connection) -> SigningKeyRow:
        secret = base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        row = SigningKeyRow(new_ulid(), secret, self._now())
        signing_keys.add_signing_key(tx, row)
        return row


def _key(row: SigningKeyRow) -> SigningKey:
    return SigningKey(row.kid, base64.b64decode(row.secret))
