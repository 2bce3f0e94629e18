"""Composition root: builds the Lambda authorizer."""

from __future__ import annotations

from functions.auth.access_tokens import AccessTokens
from functions.auth.authenticator import Authenticator
from functions.auth.handler import make_handler
from functions.auth.keyring import Keyring
from functions.auth.settings import Settings
from hearth.bootstrap import connect

db = connect(Settings()).db
lambda_handler = make_handler(Authenticator(db, AccessTokens(Keyring(db))))
