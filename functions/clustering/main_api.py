"""Composition root: builds the Lambda handler of `/api/v1/clustering`."""

from __future__ import annotations

from functions.clustering.api import create_app
from functions.clustering.jobs import ClusteringJobs
from functions.clustering.saved.registry import ModelRegistry
from functions.clustering.service import ClusteringService
from functions.clustering.settings import Settings
from hearth.bootstrap import connect
from hearth.http.app import lambda_handler_for

settings = Settings()
platform = connect(settings)
store = platform.store_on_demand
registry = ModelRegistry(platform.db, store)
service = ClusteringService(store, registry)
jobs = ClusteringJobs(platform.ledger, store, registry, settings.bucket)
lambda_handler = lambda_handler_for(create_app(service, jobs), platform.limits)
