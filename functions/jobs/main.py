"""Composition root: builds the Lambda handler of `/api/v1/jobs`."""

from __future__ import annotations

from functions.jobs.api import create_app
from functions.jobs.repository import JobCounts
from functions.jobs.service import JobsService
from functions.jobs.settings import Settings
from hearth.bootstrap import connect
from hearth.http.app import lambda_handler_for

platform = connect(Settings())
service = JobsService(platform.ledger, JobCounts(platform.db))
lambda_handler = lambda_handler_for(create_app(service), platform.limits)
