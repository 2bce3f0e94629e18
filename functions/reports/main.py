"""Builds the real things. The template names `functions.reports.main.lambda_handler`."""

from __future__ import annotations

from functions.reports.handler import make_handler
from functions.reports.settings import Settings
from functions.reports.wiring import build
from hearth.bootstrap import connect

settings = Settings()
platform = connect(settings, source="reports")
lambda_handler = make_handler(platform.ledger, *build(settings, platform))
