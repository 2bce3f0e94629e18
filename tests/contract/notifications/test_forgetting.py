"""What people were told long ago is forgotten, a little with every new notification."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from functions.notifications.repository import forgetting
from functions.notifications.repository.tables import (
    attempts,
    deliveries,
    messages,
    notifications,
)
from functions.notifications.service import Rules

if TYPE_CHECKING:
    import pytest

    from tests.contract.notifications.conftest import Bench

TABLES = (notifications, deliveries, messages, attempts)
DAY_S = 86_400.0


def sizes(bench: Bench) -> list[int]:
    def look(tx: Any) -> list[int]:
        return [int(tx.execute(select(func.count()).select_from(t)).scalar()) for t in TABLES]

    return bench.db.read(look)


def test_old_notifications_go_and_young_ones_stay(bench: Bench) -> None:
    bench.addresses = "http://localhost/a?name=a http://localhost/b?name=b"
    bench.rules = Rules(kept=timedelta(days=10))
    bench.tell(bench.due(reminder="1"))
    assert sizes(bench) == [1, 2, 2, 2]
    bench.clock.advance(9 * DAY_S)
    bench.tell(bench.due(reminder="2"))
    assert sizes(bench) == [2, 4, 4, 4]
    bench.clock.advance(2 * DAY_S)
    bench.tell(bench.due(reminder="3"))
    assert sizes(bench) == [2, 4, 4, 4]
    assert [one.occurred_at.day for one in bench.shown()] == [13, 11]


def test_a_message_that_still_waits_to_be_sent_stays(bench: Bench) -> None:
    bench.addresses = "http://localhost/a?name=a"
    bench.rules = Rules(kept=timedelta(days=10))
    bench.tell(bench.due(reminder="1"), run=False)
    hints = [m.body for m in bench.queues.take("notifications")]
    bench.deliver(*hints)
    assert sizes(bench) == [1, 1, 1, 0]
    bench.clock.advance(11 * DAY_S)
    bench.queues.take()
    bench.tell(bench.due(reminder="2"), run=False)
    hints = [m.body for m in bench.queues.take("notifications")]
    bench.deliver(*hints)
    assert sizes(bench)[2] == 2


def test_a_backlog_is_worked_off_in_small_steps(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "AT_ONCE", 2)
    bench.addresses = "http://localhost/a?name=a"
    bench.tell(*[bench.due(task_id=f"t{n}") for n in range(5)])
    bench.clock.advance(91 * DAY_S)
    left = []
    for n in range(4):
        bench.tell(bench.due(task_id=f"new{n}"))
        left.append(sizes(bench)[0])
    assert left == [4, 3, 3, 4]
