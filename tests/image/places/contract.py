"""What every function answers, wherever its image runs: one table for all places.

A place is one of the modules beside this one: a process, a container, `sam local`, an emulator's
Lambda. In each the table is lived through from top to bottom on an empty database, and every answer
is compared twice: with what the table expects, and in whole with what the same function answered as
a plain process.

To add a case, put the event into `events/<function>/<name>.json` and one line into `CASES`:

    Case("docs", "http_api_document", {"statusCode": 200}),

`expected` is a part of the answer: members that it does not name may be anything, as long as they
are the same in every place. The body of an HTTP answer is compared decoded. A function of the
template without a line fails the suite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hearth import migrations
from hearth.auth import Role

OK = {"statusCode": 200}
NOTHING_FAILED: Mapping[str, Any] = {"batchItemFailures": []}


@dataclass(frozen=True)
class Case:
    """One event, and what comes back.

    Attributes:
        function: As a person calls it, without the stack's name.
        event: Name of the file in `events/<function>/`, without its suffix.
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
    Case("jobs", "http_api_summary", OK | {"body": {"jobs": {}, "open": 0}}),
    Case("detection", "sqs_s3_one_frame", NOTHING_FAILED),
    Case("detection", "sqs_malformed_bodies", NOTHING_FAILED),
    Case("sweep", "scheduler_every_minute", {"listed": 1, "found": 0, "listing_error": None}),
    Case("detection-api", "http_api_incidents", OK | {"body": {"incidents": []}}),
    Case("reports", "sqs_v1_violation", NOTHING_FAILED),
    Case("reports-api", "http_api_list", OK),
    Case("jobs", "http_api_list_failed", OK),
    Case("jobs", "http_api_retry", {"statusCode": 404, "body": {"error": {"code": "NOT_FOUND"}}}),
)
