"""Entry point of the API. The template names `functions.tasks.main_api.lambda_handler`."""

from __future__ import annotations

from functions.tasks.settings import Settings
from functions.tasks.wiring import build_api
from hearth.bootstrap import connect
from hearth.http.app import lambda_handler_for

platform = connect(Settings(), source="tasks")
lambda_handler = lambda_handler_for(build_api(platform), platform.limits)
