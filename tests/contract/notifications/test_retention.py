"""Old notifications are deleted in small batches, with every new one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from functions.notifications.repository import retention
from functions.notifications.repository.tables import (
    attempts,
    deliveries,
    messages,
    notifications,
)
from functions.notifications.worker import Rules

if TYPE_CHECKING:
    import pytest

    from tests.contract.notifications.conftest import Harness

TABLES = (notifications, deliveries, messages, attempts)
DAY_S = 86_400.0


def sizes(harness: Harness) -> list[int]:
    def look(tx: Any) -> list[int]:
        return [int(tx.execute(select(func.count()).select_from(t)).scalar()) for t in TABLES]

    return harness.db.read(look)


def test_old_notifications_are_deleted_and_new_ones_stay(harness: Harness) -> None:
    harness.addresses = "http://localhost/a?name=a http://localhost/b?name=b"
    harness.rules = Rules(retention=timedelta(days=10))
    harness.publish(harness.due(reminder="1"))
    assert sizes(harness) == [1, 2, 2, 2]
    harness.clock.advance(9 * DAY_S)
    harness.publish(harness.due(reminder="2"))
    assert sizes(harness) == [2, 4, 4, 4]
    harness.clock.advance(2 * DAY_S)
    harness.publish(harness.due(reminder="3"))
    assert sizes(harness) == [2, 4, 4, 4]
    assert [one.occurred_at.day for one in harness.notifications()] == [13, 11]


def test_a_message_that_is_not_sent_yet_stays(harness: Harness) -> None:
    harness.addresses = "http://localhost/a?name=a"
    harness.rules = Rules(retention=timedelta(days=10))
    harness.publish(harness.due(reminder="1"), run=False)
    hints = [m.body for m in harness.queues.take("notifications")]
    harness.deliver(*hints)
    assert sizes(harness) == [1, 1, 1, 0]
    harness.clock.advance(11 * DAY_S)
    harness.queues.take()
    harness.publish(harness.due(reminder="2"), run=False)
    hints = [m.body for m in harness.queues.take("notifications")]
    harness.deliver(*hints)
    assert sizes(harness)[2] == 2


def test_a_backlog_is_deleted_in_small_batches(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    harness.addresses = "http://localhost/a?name=a"
    harness.publish(*[harness.due(task_id=f"t{n}") for n in range(5)])
    harness.clock.advance(91 * DAY_S)
    left = []
    for n in range(4):
        harness.publish(harness.due(task_id=f"new{n}"))
        left.append(sizes(harness)[0])
    assert left == [4, 3, 3, 4]
