"""Composition root: builds the Lambda handler of the embeddings queue."""

from __future__ import annotations

from functions.embeddings.handler import make_handler
from functions.embeddings.settings import Settings
from functions.embeddings.wiring import Wiring
from functions.embeddings.worker import EmbeddingWorker
from hearth.bootstrap import connect

settings = Settings()
platform = connect(settings)
encoder = Wiring(settings).embeddings
ledger = platform.ledger
worker = EmbeddingWorker(ledger, platform.store, encoder, ledger.now)
lambda_handler = make_handler(ledger, worker)
