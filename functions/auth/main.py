"""Composition root: builds the Lambda handler of `/api/v1/auth`."""

from __future__ import annotations

from functions.auth.api import create_app
from functions.auth.settings import Settings
from functions.auth.wiring import build_services
from hearth.bootstrap import connect
from hearth.http.app import lambda_handler_for

settings = Settings()
platform = connect(settings)
lambda_handler = lambda_handler_for(
    create_app(build_services(platform.db, settings)), platform.limits
)
