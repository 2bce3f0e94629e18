"""Composition root: builds the Lambda handler of the clustering queue."""

from __future__ import annotations

from functions.clustering.handler import make_handler
from functions.clustering.saved.registry import ModelRegistry
from functions.clustering.settings import Settings
from functions.clustering.worker import Worker
from hearth.bootstrap import connect

platform = connect(Settings())
registry = ModelRegistry(platform.db, platform.store)
lambda_handler = make_handler(platform.ledger, Worker(platform.ledger, platform.store, registry))
