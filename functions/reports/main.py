"""Composition root: builds the Lambda handler of the reports queue."""

from __future__ import annotations

from functions.reports.settings import Settings
from functions.reports.wiring import build
from hearth.bootstrap import connect

settings = Settings()
lambda_handler = build(settings, connect(settings, source="reports"))
