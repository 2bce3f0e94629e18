"""Builds the real things. The template names `functions.embeddings.main.lambda_handler`."""

from __future__ import annotations

from functions.embeddings.bulk import BulkEmbedding
from functions.embeddings.handler import make_handler
from functions.embeddings.settings import Settings
from functions.embeddings.wiring import Wiring
from hearth.bootstrap import connect

settings = Settings()
platform = connect(settings)
encoder = Wiring(settings).embeddings
ledger = platform.ledger
bulk = BulkEmbedding(ledger, platform.store, encoder, ledger.now)
lambda_handler = make_handler(ledger, bulk)
