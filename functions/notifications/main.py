"""Composition root: builds the Lambda handler of the notifications queue."""

from __future__ import annotations

from functions.notifications.settings import Settings
from functions.notifications.wiring import build
from hearth.bootstrap import connect

settings = Settings()
lambda_handler = build(settings, connect(settings))
