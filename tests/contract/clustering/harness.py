"""Clustering on a real database, called as API Gateway and SQS call it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np

from functions.clustering.algorithms.fitted import ClusterModel
from functions.clustering.api import create_app
from functions.clustering.handler import make_handler
from functions.clustering.jobs import QUEUE, ClusteringJobs
from functions.clustering.saved.model_file import dump_model
from functions.clustering.saved.registry import ModelRegistry, file_key
from functions.clustering.schemas import Manifest
from functions.clustering.service import ClusteringService
from functions.clustering.versions import libraries
from functions.clustering.worker import Worker
from hearth.db import Database
from hearth.http.app import lambda_handler_for
from hearth.http.auth import Principal, Role
from hearth.ids import new_ulid
from hearth.ledger.ledger import Ledger
from tests.support.callers import caller, request_context
from tests.support.events import load_event
from tests.support.fakes import Clock, LambdaContext, MemoryQueues, MemoryStore, sqs_event
from tests.support.shared_app import SharedApp

BUCKET = "hearth-data"
ANA = caller(Role.USER, "01J0000000000000000000ANA0")
BEN = caller(Role.USER, "01J0000000000000000000BEN0")
BOSS = caller(Role.DEVELOPER, "01J0000000000000000000B0SS")
GUEST = caller(Role.GUEST, "01J000000000000000000GVEST")


def blobs(rows: int = 60, columns: int = 3, groups: int = 3, seed: int = 7) -> Any:
    """Rows around some centres, far apart; (rows, columns) float64."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-50, 50, (groups, columns))
    return centres[np.arange(rows) % groups] + rng.normal(0, 0.5, (rows, columns))


def model(columns: tuple[str, ...] = ("a", "b"), algorithm: Any = "kmeans") -> ClusterModel:
    """Two centroids."""
    wide = len(columns)
    return ClusterModel(
        columns=columns,
        used=np.arange(wide),
        algorithm=algorithm,
        mean=np.zeros(wide),
        scale=np.ones(wide),
        points=np.array([[0.0] * wide, [10.0] * wide], np.float32),
        labels=np.array([0, 1]),
        radius=np.array([np.inf, np.inf]),
    )


def manifest_of(data: bytes, name: str = "rooms", **changes: Any) -> Manifest:
    model_id = changes.pop("model_id", None) or new_ulid()
    given: dict[str, Any] = {
        "model_id": model_id,
        "name": name,
        "operation": "cluster",
        "algorithm": "kmeans",
        "parameters": {"n_clusters": 2},
        "metrics": {"silhouette": 0.5},
        "columns": ("a", "b"),
        "rows": 10,
        "training_sha256": "0" * 64,
        "file_key": file_key(model_id),
        "file_bytes": len(data),
        "file_sha256": hashlib.sha256(data).hexdigest(),
        "libraries": libraries(),
        "created_at": datetime(2026, 11, 2, 7, tzinfo=UTC),
        "created_by": BOSS.id,
    }
    return Manifest(**given | changes)


class Harness:
    """The API and the queue function on one database and one bucket."""

    def __init__(self, db: Database, **limits: float) -> None:
        self.db = db
        self.clock = Clock()
        self.queues = MemoryQueues()
        self.store = MemoryStore(bucket=BUCKET)
        self.ledger = Ledger(db, self.queues, now=self.clock)
        self.registry = ModelRegistry(db, self.store, self.clock)
        self.service = ClusteringService(self.store, self.registry, self.clock, **limits)
        self.jobs = ClusteringJobs(self.ledger, self.store, self.registry, BUCKET, self.clock)
        self.worker = Worker(self.ledger, self.store, self.registry)
        self.app = SharedApp(create_app, self.service, self.jobs)
        self.consumer = make_handler(self.ledger, self.worker)
        self.handler = lambda_handler_for(self.app)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        who: Principal | None = BOSS,
        query: str = "",
    ) -> tuple[int, Any]:
        """Status and decoded body of one request; `body` is JSON, or a text as it is."""
        event = load_event(
            "clustering/http_api_cluster",
            rawPath=f"/api/v1/clustering{path}",
            rawQueryString=query,
        )
        event["body"] = body if isinstance(body, str | None) else json.dumps(body)
        event["requestContext"]["http"] |= {"method": method, "path": event["rawPath"]}
        event["requestContext"] |= {"authorizer": {}} | request_context(who)
        answer = self.handler(event, LambdaContext())
        text = answer["body"]
        return answer["statusCode"], json.loads(text) if text else None

    def post(self, path: str, body: Any, who: Principal = BOSS) -> Any:
        """A request that must succeed."""
        status, answer = self.ask("POST", path, body, who)
        assert status in (200, 202), answer
        return answer

    def get(self, path: str, who: Principal = BOSS, query: str = "") -> Any:
        status, answer = self.ask("GET", path, None, who, query)
        assert status == 200, answer
        return answer

    def refused(self, path: str, body: Any, who: Principal = BOSS, method: str = "POST") -> Any:
        """Status, code and message of a request that must fail."""
        status, answer = self.ask(method, path, body, who)
        assert status >= 400, answer
        return status, answer["error"]["code"], answer["error"]["message"]

    def keep(self, name: str = "rooms", **changes: Any) -> Manifest:
        """A saved model."""
        self.clock.advance(1)
        data = dump_model(model())
        manifest = manifest_of(data, name, **changes)
        self.registry.save(manifest, data)
        return manifest

    def put(self, name: str, data: bytes) -> str:
        """A data set; its address."""
        self.store.put(f"datasets/{name}", data, "application/octet-stream")
        return f"s3://{BUCKET}/datasets/{name}"

    def deliver(self, remaining_s: float = 300.0) -> dict[str, Any]:
        """Hand everything that waits in the queue to the consumer."""
        hints = [message.body for message in self.queues.take(QUEUE)]
        return self.consumer(sqs_event(*hints, queue=QUEUE), LambdaContext(remaining_s))
