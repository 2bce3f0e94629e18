"""Queue in, outcomes out: sets of texts to embed."""

from __future__ import annotations

from typing import Final

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from functions.embeddings.bulk import BulkEmbedding
from functions.embeddings.corpus import read_request
from hearth.ledger.consumer import Consumer
from hearth.ledger.ledger import Ledger, NewJob

QUEUE: Final = "embeddings"
EMBED: Final = "embeddings.embed"


def make_handler(ledger: Ledger, bulk: BulkEmbedding) -> Consumer:
    """The handler of the embeddings queue."""
    return Consumer(ledger, {EMBED: bulk.work}, translate)


def translate(record: SQSRecord) -> list[NewJob]:
    """The job of a message that asks for one.

    Raises:
        InvalidInput: It asks for nothing that we do.
    """
    request = read_request(record.json_body)
    return [NewJob(EMBED, QUEUE, request.dedupe_key, request.model_dump(mode="json"))]
