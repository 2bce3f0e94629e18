"""Queue events in, outcomes out: sets of texts to embed."""

from __future__ import annotations

from typing import Final

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from functions.embeddings.corpus import read_request
from functions.embeddings.worker import EmbeddingWorker
from hearth.ledger.consumer import Consumer
from hearth.ledger.ledger import Ledger, NewJob

QUEUE: Final = "embeddings"
EMBED: Final = "embeddings.embed"


def make_handler(ledger: Ledger, worker: EmbeddingWorker) -> Consumer:
    """Build the Lambda handler of the embeddings queue."""
    return Consumer(ledger, {EMBED: worker.work}, translate)


def translate(record: SQSRecord) -> list[NewJob]:
    """Translate a message into its job.

    Raises:
        InvalidInput: The message is not a request to embed a set of texts.
    """
    request = read_request(record.json_body)
    return [NewJob(EMBED, QUEUE, request.dedupe_key, request.model_dump(mode="json"))]
