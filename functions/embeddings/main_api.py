"""Composition root: builds the Lambda handler of `/api/v1/text` and its dialects."""

from __future__ import annotations

from functions.embeddings.api import create_app
from functions.embeddings.settings import Settings
from functions.embeddings.wiring import Wiring
from hearth.bootstrap import connect
from hearth.http.app import lambda_handler_for

settings = Settings()
platform = connect(settings)
lambda_handler = lambda_handler_for(create_app(Wiring(settings)), platform.limits)
