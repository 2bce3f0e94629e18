"""Builds the real things. The template names `functions.notifications.main_api.lambda_handler`."""

from __future__ import annotations

from functions.notifications.api import create_app
from functions.notifications.office import Office
from functions.notifications.settings import ApiSettings
from hearth.bootstrap import connect
from hearth.http.app import lambda_handler_for

settings = ApiSettings()
platform = connect(settings)
office = Office(platform.ledger, settings.channels)
lambda_handler = lambda_handler_for(create_app(office), platform.limits)
