"""Whatever lies on a queue, the real handlers answer, and what they cannot read is in the ledger.

A handler that raised, or handed a hopeless message back, would get it again and again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from functions.jobs.schemas import JobOut
from functions.reports.handler import make_handler
from hearth.db import Database
from hearth.ledger.ledger import JobState, Ledger
from tests.contract.detection.harness import DetectionHarness, notification
from tests.contract.reports.conftest import Harness
from tests.support.databases import migrated_sqlite
from tests.support.events import load_event
from tests.support.fakes import LambdaContext, sqs_event
from tests.support.report_events import payload

ANY_TEXT = st.text(st.characters(codec=None), max_size=30)  # NUL and halves of surrogate pairs too
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | ANY_TEXT
    | st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "01J", "1e999"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)
HINTS = st.fixed_dictionaries({"job_id": ANY_TEXT | JSON_VALUES, "kind": ANY_TEXT | JSON_VALUES})
NOTIFICATIONS = st.builds(
    notification,
    ANY_TEXT.map(lambda text: f"frames/{text}")
    | JSON_VALUES
    | st.sampled_from(["frames/gate/../x.jpg", "frames/%2e%2e/x", "frames/gate/%00.jpg"]),
)


def changed(event: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The event with one or two of its fields, at any depth, made into something else."""

    def change(spots: list[tuple[list[int], Any]]) -> dict[str, Any]:
        copy: dict[str, Any] = json.loads(json.dumps(event))
        for path, value in spots:
            place: Any = copy
            for step in path:
                names = list(place) if isinstance(place, dict) else list(range(len(place)))
                if not names:
                    break
                name = names[step % len(names)]
                if step is path[-1] or not isinstance(place[name], (dict, list)):
                    place[name] = value
                    break
                place = place[name]
        return copy

    spot = st.tuples(st.lists(st.integers(0, 40), min_size=1, max_size=4), JSON_VALUES)
    return st.lists(spot, min_size=1, max_size=2).map(change)


V1 = json.loads(load_event("reports/sqs_v1_violation")["Records"][0]["body"])
OBJECTS = (
    st.dictionaries(ANY_TEXT, JSON_VALUES, max_size=5)
    | HINTS
    | NOTIFICATIONS
    | changed(V1)
    | changed(payload())
    | st.fixed_dictionaries({"Records": JSON_VALUES})
    | st.fixed_dictionaries({"Event": st.just("s3:TestEvent"), "Bucket": JSON_VALUES})
)
DEEP = st.integers(1, 100_000).map(lambda depth: "[" * depth)
BODIES = st.one_of(ANY_TEXT, JSON_VALUES.map(json.dumps), DEEP, *[OBJECTS.map(json.dumps)] * 4)
ATTRIBUTES = st.dictionaries(ANY_TEXT, ANY_TEXT | JSON_VALUES, max_size=3)

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    url = migrated_sqlite(tmp_path_factory.mktemp("queues") / "hearth.db")
    database = Database(url)
    yield database
    database.close()


@pytest.fixture(scope="module")
def handlers(db: Database) -> dict[str, Handler]:
    harness = Harness(db)
    reports = make_handler(harness.ledger, harness.worker, harness.delivery)
    return {"detection": DetectionHarness(db).handler(), "reports": reports}


def is_object(body: str) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


@pytest.mark.parametrize("queue", ["detection", "reports"])
@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(bodies=st.lists(BODIES, min_size=1, max_size=5), attributes=ATTRIBUTES)
@example(bodies=['{"job_id": "\\ud800", "kind": "x"}'], attributes={})
@example(bodies=['{"job_id": "\\u0000", "kind": "x"}'], attributes={})
@example(bodies=['{"Event": "s3:TestEvent", "Bucket": "\\ud800"}', "\ud800"], attributes={})
@example(bodies=[json.dumps(notification("")), json.dumps({"\ud800": 1})], attributes={})
def test_every_batch_is_answered_and_unreadable_messages_are_recorded(
    db: Database,
    handlers: dict[str, Handler],
    queue: str,
    bodies: list[str],
    attributes: dict[str, Any],
) -> None:
    event = sqs_event(*bodies, queue=queue)
    for record in event["Records"]:
        record["messageAttributes"] = attributes

    assert handlers[queue](event, LambdaContext()) == {"batchItemFailures": []}

    ledger = Ledger(db, Harness(db).queues)
    keys = {unreadable_key(queue, body) for body in bodies if not is_object(body)}
    assert set(ledger.states(keys).values()) <= {JobState.FAILED}
    assert ledger.states(keys).keys() == keys
    assert ledger.list(state=JobState.RUNNING).jobs == []
    for job in ledger.list(limit=10).jobs:
        JobOut.model_validate(job).model_dump_json()  # a person can be shown each of them


def unreadable_key(queue: str, body: str) -> str:
    digest = hashlib.sha256(body.encode("utf-8", "backslashreplace")).hexdigest()
    return f"unreadable:{queue}:{digest}"
