"""Composition root; the template names `functions.detection.main_api.lambda_handler`."""

from __future__ import annotations

from functions.detection.settings import ApiSettings
from functions.detection.wiring_api import build_api
from hearth.bootstrap import connect
from hearth.http.app import lambda_handler_for

settings = ApiSettings()
platform = connect(settings, source="detection")
lambda_handler = lambda_handler_for(build_api(platform, settings), platform.limits)
