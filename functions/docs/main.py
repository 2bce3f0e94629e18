"""Builds the real things. The template names `functions.docs.main.lambda_handler`."""

from __future__ import annotations

from functions.docs.api import create_app
from functions.docs.assets import Assets
from hearth.http.app import lambda_handler_for

# No limits: there is nobody to count and no database to count in; the gateway limits each route.
lambda_handler = lambda_handler_for(create_app(Assets()))
