"""Composition root of the HTTP function."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from functions.auth.access_tokens import AccessTokens
from functions.auth.accounts import Accounts
from functions.auth.api import Services
from functions.auth.audit_log import AuditLog
from functions.auth.authenticator import Authenticator
from functions.auth.identity import Identity
from functions.auth.keyring import Keyring
from functions.auth.keys import ApiKeys, SigningKeys
from functions.auth.passwords import Passwords
from functions.auth.service import AuthService
from hearth.ids import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from functions.auth.settings import Settings
    from hearth.db import Database


def build_services(
    db: Database, settings: Settings, now: Callable[[], datetime] = utc_now
) -> Services:
    """Build the services behind the routes, on one database."""
    keyring, passwords, audit_log = (
        Keyring(db, now),
        Passwords(),
        AuditLog(db, now, timedelta(days=settings.audit_retention_days)),
    )
    tokens = AccessTokens(keyring, now)
    return Services(
        AuthService(db, tokens, passwords, audit_log, settings.setup_token, now),
        Identity(db, Authenticator(db, tokens, now)),
        Accounts(db, passwords, audit_log, now),
        ApiKeys(db, audit_log, now),
        SigningKeys(db, keyring, audit_log),
        audit_log,
    )
