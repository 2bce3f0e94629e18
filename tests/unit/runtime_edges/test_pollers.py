"""Queue mappings: what is deleted, what comes back, how many run, how a stop behaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from hearth_runtime.engine.functions import TooManyRequests
from hearth_runtime.sources import sqs_poller as pollers
from hearth_runtime.sources.sqs_poller import MappingMetrics, QueuePoller
from hearth_runtime.template.model import QueueMapping
from hearth_runtime.template.reader import Identity
from tests.unit.runtime_edges.fakes import FakeEngine, FakeSqs, MemoryLogs, failure, until

QUEUE = Identity("http://queue", {"Arn": "arn:aws:sqs:r:1:q"})


def poll(
    engine: FakeEngine,
    scenario: Callable[[FakeSqs, QueuePoller], Awaitable[None]],
    *,
    grace_s: float = 5,
    **mapping: Any,
) -> QueuePoller:
    async def main() -> QueuePoller:
        sqs = FakeSqs()
        poller = QueuePoller(
            QueueMapping("f", "Q", **({"maximum_concurrency": 2} | mapping)),
            lambda: QUEUE,
            sqs=sqs,
            engine=engine,
            logs=MemoryLogs(),
            metrics=MappingMetrics(CollectorRegistry()),
            region="r",
        )
        poller.start()
        try:
            await scenario(sqs, poller)
        finally:
            await poller.stop(grace_s)
        return poller

    return asyncio.run(main())


def run_batch(
    answer: bytes | Exception, *, partial: bool, bodies: tuple[str, ...] = ("a", "b")
) -> tuple[set[str], dict[str, Any]]:
    """Bodies that are left after one batch, and the counters."""
    left: set[str] = set()

    async def scenario(sqs: FakeSqs, poller: QueuePoller) -> None:
        sqs.send(*bodies)
        await until(lambda: poller.counters.deleted + poller.counters.kept >= len(bodies))
        left.update(message["Body"] for message in sqs.in_flight.values())

    poller = poll(FakeEngine(answer), scenario, partial_responses=partial, maximum_concurrency=1)
    return left, poller.status()


@pytest.mark.parametrize(
    ("partial", "answer", "left"),
    [
        (False, b"null", set()),
        (False, b'{"batchItemFailures": [{"itemIdentifier": "m1"}]}', set()),
        (False, b"not json", set()),
        (False, failure(), {"a", "b"}),
        (True, b"null", set()),
        (True, b'{"batchItemFailures": []}', set()),
        (True, b'{"batchItemFailures": [{"itemIdentifier": "m2"}]}', {"b"}),
        (True, b'{"batchItemFailures": [{"itemIdentifier": "m9"}]}', {"a", "b"}),
        (True, b'{"batchItemFailures": [{"itemIdentifier": ""}]}', {"a", "b"}),
        (True, b"not json", {"a", "b"}),
        (True, failure(), {"a", "b"}),
        (True, TooManyRequests("busy"), {"a", "b"}),
    ],
)
def test_what_succeeded_is_deleted_and_the_rest_comes_back(
    partial: bool, answer: bytes | Exception, left: set[str]
) -> None:
    assert run_batch(answer, partial=partial)[0] == left


def test_a_partial_failure_is_no_error_of_the_mapping() -> None:
    _, status = run_batch(b'{"batchItemFailures": [{"itemIdentifier": "m2"}]}', partial=True)
    assert (status["errors"], status["deleted"], status["kept"]) == (0, 1, 1)
    _, status = run_batch(failure("ValueError: no"), partial=True)
    assert (status["errors"], status["last_error"]) == (1, "ValueError: no")


def test_a_disabled_mapping_takes_nothing() -> None:
    async def scenario(sqs: FakeSqs, poller: QueuePoller) -> None:
        sqs.send("a")
        await asyncio.sleep(0.02)
        assert sqs.calls == []

    poll(FakeEngine(), scenario, enabled=False)


def test_a_batch_is_at_most_batch_size() -> None:
    engine = FakeEngine()

    async def scenario(sqs: FakeSqs, poller: QueuePoller) -> None:
        sqs.send(*"abcdefg")
        await until(lambda: poller.counters.deleted == 7)

    poll(engine, scenario, batch_size=3)
    assert [len(event["Records"]) for event in engine.events] == [3, 3, 1]


def test_a_window_collects_more_than_sqs_hands_out_at_a_time() -> None:
    engine = FakeEngine()

    async def scenario(sqs: FakeSqs, poller: QueuePoller) -> None:
        sqs.send(*(str(number) for number in range(25)))
        await until(lambda: poller.counters.deleted == 25)
        deletes = [r for action, r in sqs.calls if action == "DeleteMessageBatch"]
        assert [len(request["Entries"]) for request in deletes] == [10, 10, 5]

    poll(engine, scenario, batch_size=25, window_s=5, maximum_concurrency=1)
    assert [len(event["Records"]) for event in engine.events] == [25]


def test_a_window_ends_with_what_has_come() -> None:
    engine = FakeEngine()

    async def scenario(sqs: FakeSqs, poller: QueuePoller) -> None:
        sqs.send("a")
        await asyncio.sleep(0.1)
        sqs.send("b")
        assert engine.events == []
        await until(lambda: poller.counters.deleted == 2)

    poll(engine, scenario, window_s=0.3, maximum_concurrency=1)
    assert [len(event["Records"]) for event in engine.events] == [2]


def test_no_more_run_at_once_than_the_mapping_allows() -> None:
    async def slow(_: dict[str, Any]) -> bytes:
        await asyncio.sleep(0.01)
        return b"null"

    engine = FakeEngine(slow)

    async def scenario(sqs: FakeSqs, poller: QueuePoller) -> None:
        sqs.send(*"abcdefgh")
        await until(lambda: poller.counters.deleted == 8)

    poll(engine, scenario, batch_size=1, maximum_concurrency=3)
    assert engine.most_running == 3


def test_a_stop_interrupts_a_waiting_poll_at_once() -> None:
    async def scenario(sqs: FakeSqs, poller: QueuePoller) -> None:
        await until(lambda: len(sqs.calls) == 2)
        began = time.monotonic()
        await poller.stop()
        assert time.monotonic() - began < 0.5
        sqs.send("a")
        await asyncio.sleep(0.01)
        assert len(sqs.visible) == 1

    poll(FakeEngine(), scenario)


def test_a_stop_lets_a_running_batch_finish_within_its_grace() -> None:
    async def slow(_: dict[str, Any]) -> bytes:
        await asyncio.sleep(0.05)
        return b"null"

    engine = FakeEngine(slow)

    async def scenario(sqs: FakeSqs, poller: QueuePoller) -> None:
        sqs.send("a")
        await until(lambda: engine.running == 1)
        await poller.stop()
        assert sqs.in_flight == {}

    assert poll(engine, scenario).counters.deleted == 1


def test_a_batch_that_outlasts_the_grace_is_left_to_its_time_out() -> None:
    async def endless(_: dict[str, Any]) -> bytes:
        await asyncio.sleep(60)
        return b"null"

    engine = FakeEngine(endless)

    async def scenario(sqs: FakeSqs, poller: QueuePoller) -> None:
        sqs.send("a")
        await until(lambda: engine.running == 1)
        await poller.stop(0.01)
        assert len(sqs.in_flight) == 1

    assert poll(engine, scenario).counters.deleted == 0


def test_errors_back_off_and_a_repair_ends_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pollers, "ERROR_BACK_OFF_S", (30.0, 30.0))

    async def scenario(sqs: FakeSqs, poller: QueuePoller) -> None:
        sqs.errors = [OSError("down")]
        await until(lambda: poller.counters.errors == 1)
        sqs.send("a")
        await asyncio.sleep(0.05)
        assert poller.counters.deleted == 0
        poller.resume()
        await until(lambda: poller.counters.deleted == 1)

    # The mapping starts with one loop, whose first poll must fail: errors are set before it runs.
    poller = poll(FakeEngine(), scenario, maximum_concurrency=1)
    assert poller.counters.last_error == "OSError: down"


def test_error_pauses_double_up_to_their_bound() -> None:
    pause = pollers._BackOff((0.1, 30.0))
    waits = [pause.pause_s() for _ in range(12)]
    assert waits[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert max(waits) == 30.0
    pause.reset()
    assert pause.pause_s() == pytest.approx(0.1)


def test_a_server_that_does_not_wait_is_not_asked_in_a_tight_loop() -> None:
    async def scenario(sqs: FakeSqs, poller: QueuePoller) -> None:
        async def empty(_: Any) -> dict[str, Any]:
            return {}

        sqs._receive = empty  # type: ignore[method-assign]
        sqs.send("wakes the first poll")
        await asyncio.sleep(0.4)
        assert len(sqs.calls) < 10

    poll(FakeEngine(), scenario, maximum_concurrency=1)


def test_a_refused_delete_is_counted_as_an_error() -> None:
    async def scenario(sqs: FakeSqs, poller: QueuePoller) -> None:
        sqs.refuse_deletes = True
        sqs.send("a")
        await until(lambda: poller.counters.errors == 1)

    poller = poll(FakeEngine(), scenario)
    assert poller.counters.deleted == 0
    assert poller.counters.last_error == "1 messages were not deleted: no"
