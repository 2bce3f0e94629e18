"""Builds the real things. The template names `functions.analytics.main.lambda_handler`."""

from __future__ import annotations

from functions.analytics.handler import make_handler
from functions.analytics.messages import QUEUE, Intake
from functions.analytics.settings import Settings
from hearth.bootstrap import connect
from hearth.declarations import events_for

settings = Settings()
platform = connect(settings)
lambda_handler = make_handler(platform.ledger, Intake(), events_for(QUEUE))
