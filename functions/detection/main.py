"""Composition root; the template names `functions.detection.main.lambda_handler`."""

from __future__ import annotations

from functions.detection.settings import Settings
from functions.detection.wiring import build
from hearth.bootstrap import connect

settings = Settings()
lambda_handler = build(connect(settings, source="detection"), settings)
