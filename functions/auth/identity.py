"""Answers who the caller is, and whether a token is valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.auth.authenticator import Authenticator
from functions.auth.repository import users
from functions.auth.schemas import MeOut, ValidateIn, ValidateOut
from hearth.errors import Unauthenticated
from hearth.principal import Principal

if TYPE_CHECKING:
    from hearth.db import Database


class Identity:
    """Describes callers and validates tokens."""

    def __init__(self, db: Database, authenticator: Authenticator) -> None:
        self._db = db
        self._authenticator = authenticator

    def me(self, principal: Principal) -> MeOut:
        """Describe the caller.

        Raises:
            Unauthenticated: The user does not exist any more.
        """
        email = None
        if principal.kind != "local":
            user = self._db.read(lambda tx: users.get_user(tx, principal.id))
            if user is None:
                raise Unauthenticated("the user does not exist any more")
            email = user.email
        return MeOut(
            id=principal.id,
            kind=principal.kind,
            email=email,
            role=principal.role,
            permissions=sorted(principal.permissions),
        )

    def validate(self, given: ValidateIn) -> ValidateOut:
        """Tell whether a token or API key is valid now, and for whom."""
        try:
            bearer = self._authenticator.authenticate(given.token.get_secret_value())
        except Unauthenticated:
            return ValidateOut(valid=False)
        principal = bearer.principal
        return ValidateOut(
            valid=True,
            principal_id=principal.id,
            kind=principal.kind,
            role=principal.role,
            permissions=sorted(principal.permissions),
            expires_at=bearer.expires_at,
        )
