"""Builds the real things. The template names `functions.sweep.main.lambda_handler`."""

from __future__ import annotations

from datetime import timedelta

from functions.sweep.handler import make_handler
from functions.sweep.reconcile import Limits, Reconciler
from functions.sweep.repository import SweepRepository
from functions.sweep.service import Sweep
from functions.sweep.settings import Settings
from hearth.bootstrap import connect

settings = Settings()
platform = connect(settings)
limits = Limits(grace=timedelta(seconds=settings.notification_grace_s))
frames = Reconciler(platform.ledger, platform.store, SweepRepository(), limits)
lambda_handler = make_handler(Sweep(platform.ledger, frames))
