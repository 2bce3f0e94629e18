"""Sets of texts through the queue, on a real ledger and the real model."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from functions.embeddings import worker as worker_module
from functions.embeddings.handler import EMBED, make_handler
from functions.embeddings.service import EmbeddingService, Encoded
from functions.embeddings.worker import EmbeddingWorker
from hearth.db import Database
from hearth.errors import Unavailable
from hearth.ledger.ledger import Job, JobState, Ledger
from hearth_text.models import MINILM
from hearth_text.store import ModelStore
from tests.support.databases import migrated_sqlite
from tests.support.events import load_event
from tests.support.fakes import Clock, LambdaContext, MemoryQueues, MemoryStore, sqs_event
from tests.support.text_models import installed, minilm

TEXTS = [f"note {number} of the night shift" for number in range(10)]


class Counting:
    """The real service, and how many texts it was asked for; fails when told to."""

    def __init__(self, service: EmbeddingService) -> None:
        self._service = service
        self.texts = 0
        self.fails_after = 1 << 30

    def encode(self, texts: Sequence[str], **more: Any) -> Encoded:
        if self.texts >= self.fails_after:
            raise Unavailable("cut off")
        self.texts += len(texts)
        return self._service.encode(texts, **more)

    def fingerprint(self) -> tuple[str, str]:
        return self._service.fingerprint()

    def truncated(self, texts: Sequence[str]) -> list[int]:
        return self._service.truncated(texts)


class Harness:
    def __init__(self, db: Database) -> None:
        self.clock = Clock()
        self.queues = MemoryQueues()
        self.ledger = Ledger(db, self.queues, now=self.clock, jitter=lambda ceiling: ceiling)
        self.store = MemoryStore()
        service = EmbeddingService(
            ModelStore({MINILM.name: minilm}, 1 << 30), installed(), timeout_s=60
        )
        self.encoder = Counting(service)
        work = EmbeddingWorker(self.ledger, self.store, self.encoder, self.clock)
        self._handler = make_handler(self.ledger, work)

    def put(self, texts: Sequence[object], name: str = "notes") -> None:
        data = "\n".join(json.dumps(text) for text in texts).encode()
        self.store.put(f"texts/{name}.jsonl", data, "application/jsonl")

    def send(self, remaining_s: float = 60.0, **message: Any) -> dict[str, Any]:
        body = json.dumps({"source": "texts/notes.jsonl"} | message)
        return self._handler(sqs_event(body, queue="embeddings"), LambdaContext(remaining_s))

    def deliver(self, remaining_s: float = 60.0) -> None:
        self.clock.advance(600)
        hints = [message.body for message in self.queues.take("embeddings")]
        self._handler(sqs_event(*hints, queue="embeddings"), LambdaContext(remaining_s))

    def job(self) -> Job:
        (job,) = self.ledger.list(kind=EMBED).jobs
        return job

    def manifest(self) -> Any:
        return json.loads(self.store.objects["vectors/notes.json"])

    def vectors(self) -> Any:
        parts = [self.store.objects[part["key"]] for part in self.manifest()["parts"]]
        return np.concatenate([np.load(io.BytesIO(part), allow_pickle=False) for part in parts])


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harness]:
    monkeypatch.setattr(worker_module, "PART", 4)
    url = migrated_sqlite(tmp_path / "home.db")
    db = Database(url)
    yield Harness(db)
    db.close()


def test_each_line_has_its_row_and_the_manifest_names_the_method(harness: Harness) -> None:
    harness.put([*TEXTS[:9], {"id": 1, "text": "word " * 300}])
    assert harness.send() == {"batchItemFailures": []}
    assert (harness.job().state, harness.job().progress) == (JobState.DONE, 1.0)
    np.testing.assert_allclose(
        harness.vectors(), minilm().value.embed([*TEXTS[:9], "word " * 300]), atol=1e-2
    )
    manifest = harness.manifest()
    assert (manifest["rows"], manifest["dimensions"], manifest["dtype"]) == (10, 384, "float32")
    assert [part["rows"] for part in manifest["parts"]] == [4, 4, 2]
    assert manifest["truncated_rows"] == [9]
    assert manifest["model_sha256"] == minilm().sha256


def test_an_interrupted_job_continues_where_it_was(harness: Harness) -> None:
    harness.put(TEXTS)
    harness.encoder.fails_after = 4
    harness.send()
    assert harness.job().state is JobState.QUEUED
    assert harness.job().progress == pytest.approx(1 / 3)
    assert "vectors/notes.json" not in harness.store.objects
    harness.encoder.fails_after = 1 << 30
    harness.deliver()
    assert harness.job().state is JobState.DONE
    assert harness.encoder.texts == 10  # none of them twice
    assert harness.vectors().shape == (10, 384)


def test_when_time_is_short_the_rest_waits_for_the_next_invocation(harness: Harness) -> None:
    harness.put(TEXTS)
    harness.send(remaining_s=1.0)
    assert harness.job().state is JobState.QUEUED
    assert harness.job().attempts == 0
    harness.deliver()
    assert harness.job().state is JobState.DONE


def test_a_retry_writes_the_same_bytes_under_the_same_keys(harness: Harness) -> None:
    harness.put(TEXTS)
    harness.send()
    before = dict(harness.store.objects)
    harness.send()
    assert harness.encoder.texts == 10
    harness.send(id="again")
    assert harness.store.objects == before


def test_the_mean_of_the_tokens_is_another_result(harness: Harness) -> None:
    harness.put(TEXTS)
    harness.send(normalize=False)
    assert not harness.manifest()["normalized"]
    assert abs(np.linalg.norm(harness.vectors(), axis=1) - 1).min() > 0.01


@pytest.mark.parametrize(
    ("lines", "code", "reason"),
    [
        ([], "VALIDATION_ERROR", "line 1 is not JSON"),
        (["fine", 5], "VALIDATION_ERROR", "line 2 is neither"),
        (["fine", "x" * 4001], "VALIDATION_ERROR", "line 2 has 4001 characters"),
        (["\ud800"], "VALIDATION_ERROR", "line 1 holds half of a surrogate pair"),
    ],
    ids=["nothing", "number", "long", "surrogate"],
)
def test_an_invalid_set_fails_at_once_and_writes_nothing(
    harness: Harness, lines: list[object], code: str, reason: str
) -> None:
    harness.put(lines)
    if not lines:
        harness.store.objects["texts/notes.jsonl"] = b" "
    harness.send()
    job = harness.job()
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == code
    assert reason in job.error.message
    assert not any(key.startswith("vectors/") for key in harness.store.objects)


def test_a_set_that_does_not_exist_is_reported(harness: Harness) -> None:
    harness.send()
    assert harness.job().state is JobState.FAILED
    assert harness.job().error.code == "NOT_FOUND"  # type: ignore[union-attr]


def test_an_invalid_message_is_recorded_as_failed(harness: Harness) -> None:
    handler = harness._handler
    assert handler(load_event("embeddings/sqs_no_request"), LambdaContext()) == {
        "batchItemFailures": []
    }
    (job,) = harness.ledger.list(JobState.FAILED).jobs
    assert job.kind == "embeddings.unreadable"


def test_the_recorded_message_asks_for_a_set(harness: Harness) -> None:
    harness.put(TEXTS)
    harness._handler(load_event("embeddings/sqs_embed_a_set"), LambdaContext())
    assert harness.manifest()["source"] == "texts/notes.jsonl"
