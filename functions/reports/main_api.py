"""Builds the real things. The template names `functions.reports.main_api.lambda_handler`."""

from __future__ import annotations

from functions.reports.api import create_app
from functions.reports.archive import ReportArchive
from hearth.bootstrap import connect
from hearth.http.app import lambda_handler_for
from hearth.settings import CoreSettings

platform = connect(CoreSettings())
archive = ReportArchive(platform.db, platform.store)
lambda_handler = lambda_handler_for(create_app(archive), platform.limits)
