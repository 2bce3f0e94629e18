"""The table with the state of circuit breakers, shared by all replicas and functions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, or_, select, update

from hearth.db import UtcDateTime, insert_for

metadata = MetaData()

# The name is from the function that this table was part of first.
breakers = Table(
    "report_circuit_breakers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("opened_at", UtcDateTime),
    Column("probe_until", UtcDateTime),
    Column("updated_at", UtcDateTime, nullable=False),
)


@dataclass(frozen=True)
class BreakerState:
    """Failures in a row, when the breaker opened (None: closed), and the lease of a probe."""

    failures: int
    opened_at: datetime | None
    probe_until: datetime | None


def get_breaker(tx: Connection, name: str) -> BreakerState:
    """Return the state of a breaker; one that never failed is closed."""
    row = tx.execute(select(breakers).where(breakers.c.name == name)).one_or_none()
    if row is None:
        return BreakerState(0, None, None)
    return BreakerState(row.failures, row.opened_at, row.probe_until)


def claim_probe(tx: Connection, name: str, now: datetime, until: datetime) -> bool:
    """Become the one caller that may probe a half-open breaker until `until`."""
    taken = tx.execute(
        update(breakers)
        .where(
            breakers.c.name == name,
            or_(breakers.c.probe_until.is_(None), breakers.c.probe_until <= now),
        )
        .values(probe_until=until, updated_at=now)
    )
    return taken.rowcount == 1


def add_failure(tx: Connection, name: str, now: datetime, threshold: int) -> BreakerState:
    """Count one failure; `threshold` failures in a row open the breaker at `now`."""
    statement = insert_for(tx.dialect.name)(breakers)
    counted = tx.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"failures": breakers.c.failures + 1, "probe_until": None, "updated_at": now},
        ).returning(breakers.c.failures),
        {
            "name": name,
            "failures": 1,
            "opened_at": None,
            "probe_until": None,
            "updated_at": now,
        },
    ).scalar_one()
    if counted >= threshold:
        tx.execute(update(breakers).where(breakers.c.name == name).values(opened_at=now))
    return get_breaker(tx, name)


def close_breaker(tx: Connection, name: str, now: datetime) -> None:
    """Reset the failures."""
    tx.execute(
        update(breakers)
        .where(breakers.c.name == name)
        .values(failures=0, opened_at=None, probe_until=None, updated_at=now)
    )
