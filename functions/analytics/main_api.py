"""Composition root: builds the Lambda handler of `/api/v1/analytics`."""

from __future__ import annotations

from functions.analytics.api import create_app
from functions.analytics.health import HealthCheck
from functions.analytics.machine import Machine
from functions.analytics.service import AnalyticsService
from functions.analytics.settings import Settings
from hearth.bootstrap import connect
from hearth.declarations import FUNCTIONS
from hearth.http.app import lambda_handler_for

settings = Settings()
platform = connect(settings)
aws = (lambda: platform.cloudwatch, lambda: platform.queues)  # not before they are asked
names = [f"{settings.function_prefix}{name}" for name in FUNCTIONS]
health = HealthCheck(platform.db, *aws, Machine(platform.db.file), names)
service = AnalyticsService(platform.db, settings.timezone, health.check)
lambda_handler = lambda_handler_for(create_app(service), platform.limits)
