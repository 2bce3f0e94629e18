"""Composition root: builds the Lambda handler of the hourly roll-up."""

from __future__ import annotations

from datetime import timedelta

from functions.analytics.handler import make_rollup_handler
from functions.analytics.rollup import Rollup
from functions.analytics.settings import Settings
from hearth.bootstrap import connect

settings = Settings()
retention = timedelta(days=settings.event_retention_days)
lambda_handler = make_rollup_handler(Rollup(connect(settings).db, retention))
