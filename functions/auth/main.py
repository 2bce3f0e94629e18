"""Builds the real things. The template names `functions.auth.main.lambda_handler`."""

from __future__ import annotations

from functions.auth.api import create_app
from functions.auth.settings import Settings
from functions.auth.wiring import wire
from hearth.bootstrap import connect
from hearth.http.app import lambda_handler_for

settings = Settings()
platform = connect(settings)
lambda_handler = lambda_handler_for(create_app(wire(platform.db, settings)), platform.limits)
