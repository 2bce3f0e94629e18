"""The OpenAPI document of clustering keeps its word, whatever Schemathesis asks."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
import schemathesis
from schemathesis.core.parameters import ParameterLocation

from functions.clustering.api import create_app
from hearth.db import Database
from tests.contract.clustering.harness import BOSS, BUCKET, Harness, blobs
from tests.support.databases import migrated_sqlite
from tests.support.openapi_contract import Deferred, OpenApiContract, examples, is_wrong

SERVICE, JOBS = Deferred(), Deferred()
CONTRACT = OpenApiContract(
    create_app(SERVICE, JOBS),  # type: ignore[arg-type]
    lambda: BOSS,
    # What no document can say of rows: whether they are of one length, and differ; of an address,
    # whether something lies there; of a model, whether it takes such rows.
    accepted=("2xx", "400", "401", "403", "404", "409", "413"),
)
ROWS = blobs(12, 2, 2).tolist()


@pytest.fixture(scope="module", autouse=True)
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Some models, one of them promoted over another, and jobs in every state."""
    db = Database(migrated_sqlite(tmp_path_factory.mktemp("clustering") / "hearth.db"))
    harness = Harness(db)
    SERVICE.service, JOBS.service = harness.service, harness.jobs
    CONTRACT.ids["model_id"] = [harness.keep().model_id for _ in range(12)]
    for model_id in CONTRACT.ids["model_id"][:3]:
        harness.clock.advance(1)
        harness.registry.promote(model_id, BOSS.id)
    file = io.BytesIO()
    np.save(file, np.array(ROWS))
    address = harness.put("rooms.npy", file.getvalue())
    harness.put("broken.npy", file.getvalue()[:-4])
    jobs = []
    for name in ("rooms", "broken", "rooms"):
        order = {"input": address.replace("rooms", name), "n_clusters": 2}
        jobs.append(harness.post("/cluster", order)["job_id"])
        if len(jobs) < 3:
            harness.deliver()
    CONTRACT.ids["job_id"] = jobs
    yield
    db.close()


def make_sensible(case: schemathesis.Case) -> None:
    """Use rows of one length, an address that leads somewhere and a model that exists, where the
    document can only ask for their form."""
    body = case.body
    if not isinstance(body, dict) or is_wrong(case, ParameterLocation.BODY):
        return
    if isinstance(body.get("data"), list) and len(body["data"]) % 3:
        body["data"] = ROWS
    if isinstance(body.get("input"), str) and len(body["input"]) % 3:
        body["input"] = f"s3://{BUCKET}/datasets/rooms.npy"
    if isinstance(body.get("model"), str) and len(body["model"]) % 3:
        body["model"] = "rooms"


@CONTRACT.document().parametrize()
@examples(25)
def test_clustering_keeps_to_its_document(case: schemathesis.Case) -> None:
    make_sensible(case)
    CONTRACT.check(case)
