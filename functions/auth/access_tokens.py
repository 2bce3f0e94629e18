"""Access tokens: JWT (RFC 7519), signed with HS256, for an hour.

Only Hearth's own authorizer verifies them, in the image that signs them and with the database that
holds the keys: why not EdDSA is in `functions/README.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import jwt

from functions.auth.keyring import TOKEN_LIFE, Keyring
from hearth.errors import Unauthenticated
from hearth.ids import new_ulid, utc_now
from hearth.principal import PERMISSIONS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from functions.auth.repository.sessions import Session

ISSUER = "hearth"
AUDIENCE = "hearth-api"
ALGORITHM = "HS256"
MAX_LENGTH = 4096  # characters; ours have some 900
_LEEWAY = timedelta(seconds=5)
"""How much the clocks of two machines may differ."""
_CLAIMS = ["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"]


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified token; whether they still hold, the session tells."""

    user_id: str
    session_id: str
    expires_at: datetime


class AccessTokens:
    """Issues and verifies access tokens.

    Args:
        now: The clock for issuing, timezone-aware. Tokens are verified by the machine's own clock.
    """

    def __init__(self, keyring: Keyring, now: Callable[[], datetime] = utc_now) -> None:
        self._keyring = keyring
        self._now = now

    def issue(self, tx: Connection, session: Session) -> str:
        """Issue a token for a session."""
        now = self._now()
        key = self._keyring.signer(tx)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": session.user_id,
            "email": session.email,
            "roles": [session.role.value],
            "permissions": sorted(PERMISSIONS[session.role]),
            "sid": session.id,
            "jti": new_ulid(),
            "iat": now,
            "nbf": now,
            "exp": now + TOKEN_LIFE,
        }
        return jwt.encode(claims, key.secret, ALGORITHM, headers={"kid": key.kid})

    def verify(self, token: str) -> Claims:
        """Verify a token's signature, issuer, audience and times, and return its claims.

        Raises:
            Unauthenticated: The token is not valid or has expired.
        """
        if len(token) > MAX_LENGTH:
            raise Unauthenticated(f"the token is longer than {MAX_LENGTH} characters")
        try:
            key = self._keyring.verifier(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                raise Unauthenticated("the token is signed with an unknown key")
            claims = jwt.decode(
                token,
                key.secret,
                algorithms=[ALGORITHM],  # never the token's own choice: `none`, or another key's
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=_LEEWAY,
                # Whether it is valid yet is not asked: the clock may have been set back since it
                # was issued.
                options={"require": _CLAIMS, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.PyJWTError, RecursionError) as error:
            raise Unauthenticated(f"the token is not valid ({type(error).__name__})") from error
        return Claims(claims["sub"], claims["sid"], datetime.fromtimestamp(claims["exp"], UTC))
