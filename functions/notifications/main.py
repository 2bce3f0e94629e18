"""Builds the real things. The template names `functions.notifications.main.lambda_handler`."""

from __future__ import annotations

from functions.notifications.handler import make_handler
from functions.notifications.settings import Settings
from functions.notifications.wiring import build
from hearth.bootstrap import connect

settings = Settings()
platform = connect(settings)
lambda_handler = make_handler(platform.ledger, *build(settings, platform))
