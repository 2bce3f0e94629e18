"""The recorded events get the answers that every place is compared with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.clustering.harness import Harness
from tests.support.events import load_event
from tests.support.fakes import LambdaContext


@pytest.mark.parametrize(
    ("name", "status", "part"),
    [
        ("http_api_algorithms", 200, {"saved_models": 0}),
        ("http_api_cluster", 200, {"n_clusters": 3, "algorithm": "kmeans"}),
        ("http_api_anomaly", 200, {"n_anomalies": 1}),
        ("http_api_ragged", 400, {}),
        ("http_api_score_unknown_model", 404, {}),
    ],
)
def test_a_recorded_request_is_answered(
    home: Harness, name: str, status: int, part: dict[str, Any]
) -> None:
    answer = home.handler(load_event(f"clustering/{name}"), LambdaContext())
    body = json.loads(answer["body"])
    assert answer["statusCode"] == status, body
    assert part.items() <= body.items()


def test_a_notification_of_an_unknown_job_is_ignored(home: Harness) -> None:
    event = load_event("clustering/sqs_hint_unknown_job")
    assert home.consumer(event, LambdaContext()) == {"batchItemFailures": []}
