"""The tables of events and roll-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, delete, select, update

from functions.analytics.buckets import quarter_of
from functions.analytics.repository.tables import events_table, rollups_table
from hearth.db import insert_for
from hearth.ledger.table import IN_LIST

_e = events_table.c


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event to store.

    Attributes:
        key: Its source and id: a repeated event has the same key.
        service: What it is about, or "".
        severity: Of an error or a notice, or "".
        at: When it happened.
        received_at: When it came in; it is forgotten by that.
    """

    key: str
    event_type: str
    service: str
    severity: str
    user_id: str | None
    metadata: Mapping[str, Any]
    at: datetime
    received_at: datetime


def add_events(tx: Connection, rows: Sequence[EventRow]) -> None:
    """Insert the events whose key is new."""
    if not rows:
        return
    # One order for all: two transactions that add the same keys cannot wait for each other.
    values = [
        {
            "key": row.key,
            "event_type": row.event_type,
            "service": row.service,
            "severity": row.severity,
            "user_id": row.user_id,
            "metadata": dict(row.metadata),
            "at": row.at,
            "received_at": row.received_at,
            "rolled": False,
        }
        for row in sorted({row.key: row for row in reversed(rows)}.values(), key=lambda r: r.key)
    ]
    insert = insert_for(tx.dialect.name)
    tx.execute(insert(events_table).on_conflict_do_nothing(index_elements=["key"]), values)


def roll_up(tx: Connection, limit: int) -> int:
    """Move up to `limit` events, the oldest, into the roll-ups; return how many.

    Marking and counting are one transaction, so an event is counted once whenever this dies; of
    two that run at once only one gets each event.
    """
    found = select(_e.key).where(_e.rolled.is_(False)).order_by(_e.at).limit(limit)
    keys = sorted(tx.execute(found).scalars())
    sums: dict[tuple[datetime, str, str, str], list[Any]] = {}
    rolled = 0
    for start in range(0, len(keys), IN_LIST):
        rows = tx.execute(
            update(events_table)
            .where(_e.key.in_(keys[start : start + IN_LIST]), _e.rolled.is_(False))
            .values(rolled=True)
            .returning(_e.at, _e.event_type, _e.service, _e.severity)
        )
        for at, *group in rows:
            rolled += 1
            total = sums.setdefault((quarter_of(at), *group), [0, at, at])
            total[:] = total[0] + 1, min(total[1], at), max(total[2], at)
    if sums:
        _add_sums(tx, sums)
    return rolled


def delete_expired(tx: Connection, before: datetime, limit: int) -> int:
    """Delete up to `limit` rolled-up events that were received before a time; return how many."""
    found = (
        select(_e.key)
        .where(_e.rolled.is_(True), _e.received_at < before)
        .order_by(_e.received_at)
        .limit(limit)
    )
    keys = list(tx.execute(found).scalars())
    for start in range(0, len(keys), IN_LIST):
        tx.execute(delete(events_table).where(_e.key.in_(keys[start : start + IN_LIST])))
    return len(keys)


def _add_sums(tx: Connection, sums: Mapping[tuple[datetime, str, str, str], list[Any]]) -> None:
    insert = insert_for(tx.dialect.name)(rollups_table)
    new, old = insert.excluded, rollups_table.c
    tx.execute(
        insert.on_conflict_do_update(
            index_elements=["quarter", "event_type", "service", "severity"],
            set_={
                "events": old.events + new.events,
                # Not min(): it has two arguments on SQLite alone, least() on PostgreSQL alone.
                "first_at": case((new.first_at < old.first_at, new.first_at), else_=old.first_at),
                "last_at": case((new.last_at > old.last_at, new.last_at), else_=old.last_at),
            },
        ),
        [
            {
                "quarter": quarter,
                "event_type": event_type,
                "service": service,
                "severity": severity,
                "events": number,
                "first_at": first,
                "last_at": last,
            }
            for (quarter, event_type, service, severity), (number, first, last) in sorted(
                sums.items()
            )
        ],
    )
