"""What every function answers, wherever its image runs: one table for all places.

A place is one of the modules beside this one: a process, a container, `sam local`, an emulator's
Lambda. In each the table is lived through from top to bottom on an empty database, and every answer
is compared twice: with what the table expects, and in whole with what the same function answered as
a plain process.

To add a case, put the event into `events/<function>/<name>.json` (or the folder of the function's
capability) and one line into `CASES`:

    Case("tasks", "sqs_hint_report_ready", NOTHING_FAILED),
    Case("tasks-api", "http_api_create", {"statusCode": 201}),
    Case("tasks-api", "http_api_list_open", OK),
    Case("docs", "http_api_document", {"statusCode": 200}),

`expected` is a part of the answer: members that it does not name may be anything, as long as they
are the same in every place. The body of an HTTP answer is compared decoded. A function of the
template without a line fails the suite. A function's first case may need first cases of others, and
no later ones: some places are asked only those (tests/image/places/scope.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hearth import migrations
from hearth.http.auth import Role

OK = {"statusCode": 200}
NOT_FOUND = {"statusCode": 404, "body": {"error": {"code": "NOT_FOUND"}}}
REFUSED = {"errorMessage": "Unauthorized"}
NOTHING_FAILED: Mapping[str, Any] = {"batchItemFailures": []}


@dataclass(frozen=True)
class Case:
    """One event, and what comes back.

    Attributes:
        function: As a person calls it, without the stack's name.
        event: Name of its file, without the suffix.
        expected: Part of the answer.
        changes: Members of the event to replace, by dotted path.
        caller: Whom the gateway let in, for an HTTP event; None for an anonymous caller.
    """

    function: str
    event: str
    expected: Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)
    caller: Role | None = Role.ADMIN

    def __str__(self) -> str:
        return f"{self.function}/{self.event}"


CASES = (
    Case(
        "migrate",
        "cloudformation_create",
        {"Status": "SUCCESS", "Data": {"Revision": migrations.head()}},
        {"ResourceProperties.Revision": migrations.head()},
    ),
    Case(
        "migrate",
        "cloudformation_update",
        {"Status": "SUCCESS", "Data": {"Revision": migrations.head()}},
        {"ResourceProperties.Revision": migrations.head()},
    ),
    Case("migrate", "cloudformation_delete", {"Status": "SUCCESS", "Reason": "The data is kept."}),
    Case("auth", "http_api_register_first", {"statusCode": 201}, caller=None),
    Case("auth", "http_api_login", OK, caller=None),
    Case("auth", "http_api_refresh_unknown", {"statusCode": 401}, caller=None),
    Case("auth", "http_api_list_users", OK),
    Case("authorizer", "http_api_alg_none", REFUSED, caller=None),
    Case("authorizer", "http_api_basic_scheme", REFUSED, caller=None),
    Case("authorizer", "http_api_request", REFUSED, caller=None),
    Case("jobs", "http_api_summary", OK | {"body": {"jobs": {}, "open": 0}}),
    # Before a frame is judged: OpenVINO does that in a process, ONNX Runtime in an image.
    Case("detection-api", "http_api_cameras", OK | {"body": {"cameras": []}}),
    Case("detection", "sqs_s3_one_frame", NOTHING_FAILED),
    Case("detection", "sqs_malformed_bodies", NOTHING_FAILED),
    Case("sweep", "scheduler_every_minute", {"listed": 1, "found": 0, "listing_error": None}),
    Case("detection-api", "http_api_incidents", OK | {"body": {"incidents": []}}),
    Case("detection-api", "http_api_incident", NOT_FOUND),
    Case("detection-api", "http_api_evidence", NOT_FOUND),
    Case("detection-api", "http_api_clip", NOT_FOUND),
    Case("detection-api", "http_api_review", NOT_FOUND),
    Case("detection-api", "http_api_snapshot", OK),
    Case("detection-api", "http_api_persons", NOT_FOUND),
    Case("detection-api", "http_api_equipment_of_incident", NOT_FOUND),
    Case("detection-api", "http_api_equipment_of_frame", OK | {"body": {"Persons": []}}),
    Case("detection-cameras", "invoke_no_arguments", {"cameras": []}),
    Case("reports", "sqs_v1_violation", NOTHING_FAILED),
    Case("reports-api", "http_api_list", OK),
    Case("reports", "sqs_v2_no_helmet_in_yard", NOTHING_FAILED),
    Case("jobs", "http_api_list_failed", OK),
    Case("analytics", "sqs_no_hint", NOTHING_FAILED),
    Case("analytics-api", "http_api_record", {"statusCode": 201}),
    Case("analytics-api", "http_api_usage", OK),
    Case("analytics-rollup", "scheduler_every_hour", {"forgotten": 0, "out_of_time": False}),
    Case("clustering", "sqs_hint_unknown_job", NOTHING_FAILED),
    Case("clustering-api", "http_api_algorithms", OK),
    Case(
        "clustering-api",
        "http_api_cluster",
        OK | {"body": {"n_clusters": 3, "algorithm": "kmeans"}},
    ),
    Case("clustering-api", "http_api_anomaly", OK | {"body": {"n_anomalies": 1}}),
    Case("clustering-api", "http_api_ragged", {"statusCode": 400}),
    Case("clustering-api", "http_api_score_unknown_model", {"statusCode": 404}),
    Case("notifications", "sqs_hint_of_a_message", NOTHING_FAILED),
    Case("notifications-api", "http_api_channels", OK),
    Case("notifications-api", "http_api_list", OK),
    Case("tasks", "sqs_hint_report_ready", NOTHING_FAILED),
    Case("tasks-api", "http_api_create", {"statusCode": 201}),
    Case("tasks-api", "http_api_list_open", OK),
    Case("embeddings", "sqs_no_request", NOTHING_FAILED),
    Case("embeddings-api", "http_api_models_status", OK | {"body": {"initialized": False}}),
    Case("embeddings-api", "http_api_health", OK | {"body": {"status": "healthy"}}),
    Case("embeddings-api", "http_api_embed", OK | {"body": {"model_name": "all-MiniLM-L6-v2"}}),
    Case("embeddings-api", "http_api_embed_nothing", {"statusCode": 400}),
    Case("embeddings-api", "http_api_rerank", OK | {"body": {"model_name": "all-MiniLM-L6-v2"}}),
    Case("embeddings-api", "http_api_rerank_tei", OK),
    Case("embeddings-api", "http_api_classify", OK | {"body": {"model_name": "all-MiniLM-L6-v2"}}),
    Case("embeddings-api", "http_api_extract", OK | {"body": {"model_used": "all-MiniLM-L6-v2"}}),
    Case("docs", "http_api_document", OK | {"body": {"openapi": "3.1.0"}}, caller=None),
    Case("docs", "http_api_page", OK, caller=None),
    Case("jobs", "http_api_retry", NOT_FOUND),
)
