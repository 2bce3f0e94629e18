"""Builds the real things. The template names `functions.tasks.main_api.lambda_handler`."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from functions.tasks.api import create_app
from functions.tasks.service import TaskService
from functions.tasks.settings import Settings
from functions.tasks.writer import Writer
from hearth.bootstrap import connect
from hearth.http.app import lambda_handler_for

settings = Settings()
platform = connect(settings, source="tasks")
writer = Writer(ZoneInfo(settings.timezone))
service = TaskService(platform.db, platform.ledger, writer)
lambda_handler = lambda_handler_for(create_app(service), platform.limits)
