"""Composition root: builds the Lambda handler of the analytics queue."""

from __future__ import annotations

from functions.analytics.handler import make_handler
from functions.analytics.settings import Settings
from functions.analytics.worker import QUEUE, EventWorker
from hearth.bootstrap import connect
from hearth.declarations import events_for

settings = Settings()
platform = connect(settings)
lambda_handler = make_handler(platform.ledger, EventWorker(), events_for(QUEUE))
