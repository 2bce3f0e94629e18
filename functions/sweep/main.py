"""Composition root: builds the Lambda handler of the sweep."""

from __future__ import annotations

from functions.sweep.handler import make_handler
from functions.sweep.prune import Pruner
from functions.sweep.reconcile import Limits, Reconciler
from functions.sweep.repository import SweepRepository
from functions.sweep.service import Sweep
from functions.sweep.settings import Settings
from hearth.bootstrap import connect

settings = Settings()
platform = connect(settings)
limits = Limits(settings.grace, expired=settings.retention.objects)
frames = Reconciler(platform.ledger, platform.store, SweepRepository(), limits)
pruner = Pruner(platform.ledger, settings.retention)
lambda_handler = make_handler(Sweep(platform.ledger, frames, pruner))
