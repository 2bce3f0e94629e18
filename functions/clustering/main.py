"""Builds the real things. The template names `functions.clustering.main.lambda_handler`."""

from __future__ import annotations

from functions.clustering.handler import make_handler
from functions.clustering.saved.library import Library
from functions.clustering.settings import Settings
from functions.clustering.worker import Worker
from hearth.bootstrap import connect

platform = connect(Settings())
library = Library(platform.db, platform.store)
lambda_handler = make_handler(platform.ledger, Worker(platform.ledger, platform.store, library))
