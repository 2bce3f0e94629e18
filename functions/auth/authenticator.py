"""Authenticates access tokens and API keys, with one read by primary key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from functions.auth.access_tokens import AccessTokens
from functions.auth.repository import api_keys, sessions
from functions.auth.secret_text import read_secret
from hearth.errors import Unauthenticated, Unavailable
from hearth.ids import utc_now
from hearth.logging import logger
from hearth.principal import PERMISSIONS, Principal

if TYPE_CHECKING:
    from functions.auth.repository.api_keys import ApiKeyRow
    from hearth.db import Database

TOUCH_EVERY = timedelta(minutes=1)
"""Precision of a key's `last_used_at`: a write for each call would cost more than the call."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """The principal of a credential, and when the credential expires (None: when revoked)."""

    principal: Principal
    expires_at: datetime | None


class Authenticator:
    """Authenticates credentials.

    Role and permissions come from the database, not the token: a user who was demoted, disabled
    or logged out is so at the next call that is not answered from the gateway's cache.
    """

    def __init__(
        self, db: Database, tokens: AccessTokens, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._now = now

    def authenticate(self, credential: str) -> Bearer:
        """Return the bearer of an access token or an API key.

        Raises:
            Unauthenticated: The credential is not valid, or not any more.
            Unavailable: The database does not answer.
        """
        if credential.startswith("hk_"):
            return self._bearer_of_key(credential)
        return self._bearer_of_token(credential)

    def _bearer_of_token(self, token: str) -> Bearer:
        claims = self._tokens.verify(token)
        session = self._db.read(lambda tx: sessions.get_session(tx, claims.session_id))
        if session is None or session.user_id != claims.user_id or not session.is_live(self._now()):
            raise Unauthenticated("the session has ended")
        permissions = PERMISSIONS[session.role]
        principal = Principal(session.user_id, "user", session.role, permissions, session.id)
        return Bearer(principal, claims.expires_at)

    def _bearer_of_key(self, text: str) -> Bearer:
        shown = read_secret("hk", text)
        if shown is None:
            raise Unauthenticated("the API key is mistyped or truncated")
        owned = self._db.read(lambda tx: api_keys.get_owned_key(tx, shown.id))
        if owned is None or not shown.matches(owned.key.digest) or not owned.is_live(self._now()):
            raise Unauthenticated("the API key does not exist or is not valid any more")
        key = owned.key
        self._touch(key)
        permissions = key.permissions & PERMISSIONS[owned.role]
        principal = Principal(key.user_id, "api_key", owned.role, permissions, key.id)
        return Bearer(principal, key.expires_at)

    def _touch(self, key: ApiKeyRow) -> None:
        now = self._now()
        before = now - TOUCH_EVERY
        if key.last_used_at is not None and key.last_used_at >= before:
            return
        try:
            self._db.write(lambda tx: api_keys.touch_key(tx, key.id, now, before))
        except Unavailable as error:  # the key is valid although its use could not be recorded
            logger.warning("use of a key not recorded", key_id=key.id, reason=error.message)
