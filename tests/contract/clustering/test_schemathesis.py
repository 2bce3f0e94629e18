"""The OpenAPI document of clustering keeps its word, whatever Schemathesis asks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from starlette.types import Receive, Scope, Send

from functions.clustering.api import create_app
from hearth.db import Database
from tests.contract.clustering.bench import BOSS, BUCKET, Bench, blobs
from tests.support.callers import acting_as
from tests.support.databases import migrated_sqlite

load_all_checks()


class Later:
    """Stands for a part when the document is read, before there is a database."""

    part: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.part, name)


SERVICE, DESK = Later(), Later()
APP = create_app(SERVICE, DESK)  # type: ignore[arg-type]
SHOWN = {"Authorization": "Bearer token-of-a-developer"}
IDS: dict[str, list[str]] = {}
ROWS = blobs(12, 2, 2).tolist()


@pytest.fixture(scope="module", autouse=True)
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Some models, one of them promoted over another, and jobs in every state."""
    url = migrated_sqlite(tmp_path_factory.mktemp("clustering") / "hearth.db")
    db = Database(url)
    bench = Bench(db)
    SERVICE.part, DESK.part = bench.service, bench.desk
    IDS["model_id"] = [bench.keep().model_id for _ in range(12)]
    for model_id in IDS["model_id"][:3]:
        bench.clock.advance(1)
        bench.library.promote(model_id, BOSS.id)
    file = io.BytesIO()
    np.save(file, np.array(ROWS))
    address = bench.put("rooms.npy", file.getvalue())
    bench.put("broken.npy", file.getvalue()[:-4])
    jobs = []
    for name in ("rooms", "broken", "rooms"):
        order = {"input": address.replace("rooms", name), "n_clusters": 2}
        jobs.append(bench.post("/cluster", order)["job_id"])
        if len(jobs) < 3:
            bench.deliver()
    IDS["job_id"] = jobs
    yield
    db.close()


async def behind_the_gateway(scope: Scope, receive: Receive, send: Send) -> None:
    """As the gateway with its authorizer shows it: one token is known, and nobody else."""
    shown = dict(scope.get("headers", ())).get(b"authorization", b"").decode("latin-1")
    await acting_as(APP, BOSS if shown == SHOWN["Authorization"] else None)(scope, receive, send)


def document() -> Any:
    config = SchemathesisConfig()
    config.projects.default.generation.update(deterministic=True)
    # What no document can say of rows: whether they are of one length, and differ; of an address,
    # whether something lies there; of a model, whether it takes such rows.
    config.projects.default.checks.positive_data_acceptance.expected_statuses = [
        *("2xx", "400", "401", "403", "404", "409", "413")
    ]
    found = schemathesis.openapi.from_dict(APP.openapi(), config=config)
    found.app = behind_the_gateway
    return found


def sensible(case: schemathesis.Case) -> None:
    """Put rows of one length, an address that leads somewhere and ids that exist where the document
    can only ask for their form. What is wrong on purpose stays wrong."""
    wrong = {
        place
        for place in (ParameterLocation.PATH, ParameterLocation.BODY)
        if case.meta is not None and case.meta.is_negative_at(place)
    }
    for name, value in case.path_parameters.items():
        known = name in IDS and ParameterLocation.PATH not in wrong
        if known and isinstance(value, str) and sum(map(ord, value)) % 4:
            case.path_parameters[name] = IDS[name][sum(map(ord, value)) % len(IDS[name])]
    body = case.body
    if not isinstance(body, dict) or ParameterLocation.BODY in wrong:
        return
    if isinstance(body.get("data"), list) and len(body["data"]) % 3:
        body["data"] = ROWS
    if isinstance(body.get("input"), str) and len(body["input"]) % 3:
        body["input"] = f"s3://{BUCKET}/datasets/rooms.npy"
    if isinstance(body.get("model"), str) and len(body["model"]) % 3:
        body["model"] = "rooms"


schema = document()


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_clustering_keeps_to_its_document(case: schemathesis.Case) -> None:
    sensible(case)
    wrong_headers = case.meta is not None and case.meta.is_negative_at(ParameterLocation.HEADER)
    case.call_and_validate(headers=None if wrong_headers else SHOWN)
