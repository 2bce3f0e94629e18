"""Builds the real things. The template names `functions.tasks.main.lambda_handler`."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from functions.tasks.corrective import Inbox
from functions.tasks.handler import make_handler
from functions.tasks.settings import Settings
from functions.tasks.writer import Writer
from hearth.bootstrap import connect

settings = Settings()
platform = connect(settings, source="tasks")
writer = Writer(ZoneInfo(settings.timezone))
lambda_handler = make_handler(platform.ledger, Inbox(platform.ledger, writer))
