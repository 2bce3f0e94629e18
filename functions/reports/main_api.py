"""Composition root: builds the Lambda handler of `/api/v1/reports`."""

from __future__ import annotations

from functions.reports.api import create_app
from functions.reports.queries import ReportQueries
from hearth.bootstrap import connect
from hearth.http.app import lambda_handler_for
from hearth.settings import CoreSettings

platform = connect(CoreSettings())
queries = ReportQueries(platform.db, platform.store_on_demand)
lambda_handler = lambda_handler_for(create_app(queries), platform.limits)
