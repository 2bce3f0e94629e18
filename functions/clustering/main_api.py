"""Builds the real things. The template names `functions.clustering.main_api.lambda_handler`."""

from __future__ import annotations

from functions.clustering.api import create_app
from functions.clustering.jobs import JobDesk
from functions.clustering.saved.library import Library
from functions.clustering.service import ClusteringService
from functions.clustering.settings import Settings
from hearth.bootstrap import connect
from hearth.http.app import lambda_handler_for

settings = Settings()
platform = connect(settings)
store = platform.store_on_demand
library = Library(platform.db, store)
service = ClusteringService(store, library)
desk = JobDesk(platform.ledger, store, library, settings.bucket)
lambda_handler = lambda_handler_for(create_app(service, desk), platform.limits)
