"""Composition root: builds the Lambda handler of `/docs` and `/openapi.json`."""

from __future__ import annotations

from functions.docs.api import create_app
from functions.docs.assets import Assets
from hearth.http.app import lambda_handler_for

# Without rate limits: callers are anonymous and there is no database; the gateway limits each
# route.
lambda_handler = lambda_handler_for(create_app(Assets()))
