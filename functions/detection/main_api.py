"""Composition root; the template names `functions.detection.main_api.lambda_handler`."""

from __future__ import annotations

from functions.detection.api import create_app
from functions.detection.queries import Queries
from functions.detection.settings import ApiSettings
from hearth.bootstrap import connect
from hearth.http.app import lambda_handler_for

platform = connect(ApiSettings(), source="detection")
lambda_handler = lambda_handler_for(create_app(Queries(platform)), platform.limits)
