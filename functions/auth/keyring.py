"""The keys that sign access tokens: in the database, kept in the process for a minute."""

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
KEPT_S = 60.0
SECRET_BYTES = 32  # RFC 7518, 3.2: at least as long as the digest
_SLACK = timedelta(minutes=1)
"""A log-in that began before a rotation signs with the old key a moment after it."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key, ready to use."""

    kid: str
    secret: bytes

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r})"


class Keyring:
    """Gives the key that signs, and those that verify.

    Args:
        db: Where the keys are.
        now: The present, timezone-aware.
        clock: Seconds of a clock that is never set.
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
        self._kept: dict[str, SigningKeyRow] = {}
        self._read_at: float | None = None

    def verifier(self, kid: str) -> SigningKey | None:
        """The key of that name, while tokens of its may still be good.

        One that is not known here may be new, so it is looked up.
        """
        old = self._read_at is None or self._clock() - self._read_at > KEPT_S
        if old or kid not in self._kept:
            self._kept = {row.kid: row for row in self._db.read(signing_keys.list_signing_keys)}
            self._read_at = self._clock()
        row = self._kept.get(kid)
        return _key(row) if row is not None and row.verifies(self._now()) else None

    def signer(self, tx: Connection) -> SigningKey:
        """The key that signs now, read fresh; made when there is none.

        Two who make the first one at once make two: both verify, and the newer one signs.
        """
        for row in signing_keys.list_signing_keys(tx):
            if row.retired_at is None:
                return _key(row)
        return _key(self._add(tx))

    def rotate(self, tx: Connection, *, distrust: bool) -> SigningKeyRow:
        """A new key signs from now on.

        Args:
            tx: Transaction.
            distrust: The old ones are in wrong hands: they verify nothing any more. Otherwise
                they do until the last token that they signed has expired.
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
