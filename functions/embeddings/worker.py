"""Queue work: embeds large sets, JSON lines in S3, into vectors in S3, part by part.

Parts are .npy: NumPy reads them without another package, from a file also without reading it
(mmap), and writing them costs no more than their bytes. Rejected: Parquet, whose library is larger
than OpenVINO (over the limit of the image) and which gains nothing on dense float32.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

import numpy as np

from functions.embeddings.corpus import MAX_BYTES, EmbedRequest, Results, read_request, read_texts
from functions.embeddings.service import Encoded, find_model
from hearth.errors import HearthError, TimedOut
from hearth.ledger.consumer import Crashed, Deadline, Done, Failed, Outcome, Postpone
from hearth.ledger.ledger import Job
from hearth.logging import logger
from hearth.storage import ObjectStore

PART: Final = 2000
"""Texts of a part: 3 MB, and the seconds of work that an interruption loses."""
MAX_TRUNCATED_ROWS: Final = 10_000
_FIRST_ESTIMATE_S: Final = 30.0


class Progress(Protocol):
    def progress(self, job: Job, fraction: float) -> None: ...


class Encoder(Protocol):
    def encode(
        self,
        texts: Sequence[str],
        *,
        normalize: bool = True,
        model: str | None = None,
        timeout_s: float | None = None,
    ) -> Encoded: ...
    def fingerprint(self) -> tuple[str, str]: ...
    def truncated(self, texts: Sequence[str]) -> list[int]: ...


class EmbeddingWorker:
    """Embeds sets of texts."""

    def __init__(
        self, ledger: Progress, store: ObjectStore, encoder: Encoder, now: Callable[[], Any]
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._encoder = encoder
        self._now = now

    def work(self, jobs: Sequence[Job], deadline: Deadline) -> Iterator[tuple[Job, Outcome]]:
        """Run the jobs of a batch."""
        for job in jobs:
            try:
                outcome = self._embed(job, deadline)
            except HearthError as error:
                outcome = Failed(error)
            except Exception as error:
                logger.exception("a worker crashed", job_id=job.id, kind=job.kind)
                outcome = Failed(Crashed(f"the worker crashed with {type(error).__name__}"))
            yield job, outcome

    def _embed(self, job: Job, deadline: Deadline) -> Outcome:
        request = read_request(job.payload)
        data = self._store.get(request.source, MAX_BYTES)
        texts = read_texts(data)
        sha256, method = self._encoder.fingerprint()
        source_sha256 = hashlib.sha256(data).hexdigest()
        results = Results(request.name, _fingerprint(source_sha256, sha256, request))
        existing = {entry.key for entry in self._store.list(results.parts)}
        parts = [texts[begin : begin + PART] for begin in range(0, len(texts), PART)]
        longest = 0.0
        for index, part in enumerate(parts):
            if results.part(index) in existing:
                continue
            if not deadline.allows(longest or min(_FIRST_ESTIMATE_S, deadline.remaining() / 2)):
                return Postpone(self._now())
            began = time.monotonic()
            try:
                vectors = self._encoder.encode(
                    part, normalize=request.normalize, timeout_s=deadline.remaining()
                ).vectors
            except TimedOut:
                return Postpone(self._now())
            self._store.put(results.part(index), _to_npy(vectors), "application/octet-stream")
            longest = max(longest, time.monotonic() - began)
            self._ledger.progress(job, (index + 1) / len(parts))
        truncated = self._encoder.truncated(texts)
        manifest = {
            "source": request.source,
            "source_sha256": source_sha256,
            "rows": len(texts),
            "dimensions": find_model(None).dimensions,
            "dtype": "float32",
            "normalized": request.normalize,
            "model_name": find_model(None).name,
            "model_sha256": sha256,
            "method": method,
            "parts": [
                {"key": results.part(index), "rows": len(part)} for index, part in enumerate(parts)
            ],
            "truncated": len(truncated),
            "truncated_rows": truncated[:MAX_TRUNCATED_ROWS],
        }
        body = json.dumps(manifest, indent=1).encode()
        self._store.put(results.manifest, body, "application/json")
        return Done()


def _fingerprint(source_sha256: str, model_sha256: str, request: EmbedRequest) -> str:
    options = f"{source_sha256} {model_sha256} {request.normalize} {PART}"
    return hashlib.sha256(options.encode()).hexdigest()[:16]


def _to_npy(vectors: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, vectors, allow_pickle=False)
    return buffer.getvalue()
