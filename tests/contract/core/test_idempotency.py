"""Idempotency keys on each database; what many requests do at once is tested with tasks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import BaseModel
from sqlalchemy import Connection, func, select

from hearth.db import Database
from hearth.errors import Conflict, HearthError, Unavailable
from hearth.idempotency import (
    MAX_ROWS,
    IdempotentRequest,
    IdempotentRequests,
    idempotency_keys,
    metadata,
    split_by_rows,
)
from hearth.ledger.ledger import Ledger, NewJob, UnitOfWork
from tests.support.fakes import Clock, MemoryQueues


class Answer(BaseModel):
    number: int


@pytest.fixture
def ledger(db: Database, queues: MemoryQueues, clock: Clock) -> Ledger:
    metadata.create_all(db.engine)
    return Ledger(db, queues, now=clock)


@pytest.fixture
def requests(ledger: Ledger) -> IdempotentRequests:
    return IdempotentRequests(ledger, "doors")


class Counter:
    """Answers 1, 2, 3 …, and adds a job each time."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, work: UnitOfWork) -> Answer:
        self.number += 1
        work.add(NewJob("test.job", "test", f"job {self.number}", {}))
        return Answer(number=self.number)


def ask(key: str | None = "k", content: object = "open", who: str = "ana") -> IdempotentRequest:
    return IdempotentRequest(who, key, content)


def kept(db: Database) -> int:
    def count(tx: Connection) -> int:
        return tx.execute(select(func.count()).select_from(idempotency_keys)).scalar_one()

    return db.read(count)


def test_a_repeat_gets_the_first_answer_and_does_nothing(
    requests: IdempotentRequests, queues: MemoryQueues
) -> None:
    fn = Counter()
    assert requests.run(ask(), Answer, fn) == (Answer(number=1), False)
    assert requests.run(ask(), Answer, fn) == (Answer(number=1), True)
    assert fn.number == 1
    assert len(queues.take("test")) == 1


def test_without_a_key_each_request_is_done(requests: IdempotentRequests, db: Database) -> None:
    fn = Counter()
    for number in (1, 2):
        assert requests.run(ask(None), Answer, fn) == (Answer(number=number), False)
    assert kept(db) == 0


def test_the_same_key_for_another_request_is_a_conflict(requests: IdempotentRequests) -> None:
    fn = Counter()
    requests.run(ask(), Answer, fn)
    with pytest.raises(Conflict, match="used for another request"):
        requests.run(ask(content="close"), Answer, fn)
    assert fn.number == 1


def test_callers_and_capabilities_have_keys_of_their_own(ledger: Ledger) -> None:
    fn = Counter()
    for scope, who in (("doors", "ana"), ("doors", "ben"), ("windows", "ana")):
        _, replayed = IdempotentRequests(ledger, scope).run(ask(who=who), Answer, fn)
        assert not replayed
    assert fn.number == 3


def test_a_request_that_fails_keeps_no_key(requests: IdempotentRequests, db: Database) -> None:
    def fail(work: UnitOfWork) -> Answer:
        raise Unavailable("the door is jammed")

    with pytest.raises(Unavailable):
        requests.run(ask(), Answer, fail)
    assert kept(db) == 0
    assert requests.run(ask(), Answer, Counter()) == (Answer(number=1), False)


def test_a_key_expires_after_24_hours(requests: IdempotentRequests, clock: Clock) -> None:
    fn = Counter()
    requests.run(ask(), Answer, fn)
    clock.advance(timedelta(hours=24).total_seconds())
    assert requests.run(ask(), Answer, fn)[1] is True
    clock.advance(1)
    assert requests.run(ask(content="close"), Answer, fn) == (Answer(number=2), False)


def test_expired_keys_are_deleted_by_later_requests(
    requests: IdempotentRequests, db: Database, clock: Clock
) -> None:
    for number in range(5):
        requests.run(ask(str(number)), Answer, Counter())
        clock.advance(1)
    clock.advance(timedelta(hours=24).total_seconds())
    requests.run(ask("new"), Answer, Counter())
    assert kept(db) == 1


def in_parts(fail_at: int | None = None) -> Callable[[UnitOfWork, range], Answer]:
    def fn(work: UnitOfWork, part: range) -> Answer:
        if fail_at in part:
            raise Unavailable("the door is jammed")
        return Answer(number=part.start)

    return fn


PARTS = [range(0, 2), range(2, 4), range(4, 5)]


def test_a_request_in_parts_continues_where_it_failed(requests: IdempotentRequests) -> None:
    answers, problem, replayed = requests.run_in_parts(ask(), Answer, PARTS, in_parts(fail_at=3))
    assert ([answer.number for answer in answers], replayed) == ([0], False)
    assert isinstance(problem, HearthError)
    answers, problem, replayed = requests.run_in_parts(ask(), Answer, PARTS, in_parts())
    assert ([answer.number for answer in answers], problem, replayed) == ([0, 2, 4], None, False)
    answers, problem, replayed = requests.run_in_parts(ask(), Answer, PARTS, in_parts(fail_at=0))
    assert ([answer.number for answer in answers], problem, replayed) == ([0, 2, 4], None, True)


def test_a_first_part_that_fails_is_a_failed_request(requests: IdempotentRequests) -> None:
    with pytest.raises(Unavailable):
        requests.run_in_parts(ask(), Answer, PARTS, in_parts(fail_at=0))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], [range(0)]),
        ([10], [range(0, 1)]),
        ([MAX_ROWS, 1], [range(0, 1), range(1, 2)]),
        ([MAX_ROWS + 1, MAX_ROWS + 1], [range(0, 1), range(1, 2)]),
        ([1000, 1000, 900, 1], [range(0, 3), range(3, 4)]),
    ],
    ids=str,
)
def test_operations_share_a_transaction_while_they_fit(
    rows: list[int], expected: list[range]
) -> None:
    assert split_by_rows(rows) == expected
