"""Composition root: builds the Lambda handler of the migration."""

from __future__ import annotations

from functools import partial

import httpx

from functions.migrate.callback import Callback
from functions.migrate.handler import make_handler
from functions.migrate.service import SchemaService
from functions.migrate.settings import Settings
from hearth.migrations import upgrade

settings = Settings()
service = SchemaService(partial(upgrade, settings.database_url))
lambda_handler = make_handler(service, Callback(httpx.Client(timeout=10)))
