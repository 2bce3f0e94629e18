"""The positions of the sweep, stored between runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, MetaData, Table, Text, select

from hearth.db import UtcDateTime, insert_for

metadata = MetaData()

watermarks = Table(
    "sweep_watermarks",
    metadata,
    Column("camera_id", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

listings = Table(
    "sweep_listings",
    metadata,
    Column("prefix", Text, primary_key=True),
    Column("after_key", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
)


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete listing of a prefix, done in parts.

    Attributes:
        after_key: The last key that was examined; the prefix before the first.
        finished_at: None while keys are left.
    """

    after_key: str
    started_at: datetime
    finished_at: datetime | None


class SweepRepository:
    """The sweep's two tables; each method works in the caller's transaction."""

    def watermarks(self, tx: Connection) -> dict[str, str]:
        """Return each camera's watermark, the key up to which every frame has a job."""
        rows = tx.execute(select(watermarks.c.camera_id, watermarks.c.key))
        return {row.camera_id: row.key for row in rows}

    def set_watermark(self, tx: Connection, camera_id: str, key: str, now: datetime) -> None:
        """Save a watermark; concurrent sweeps may set it back, and later runs repeat some keys."""
        _upsert(tx, watermarks, {"camera_id": camera_id, "key": key, "updated_at": now})

    def listing(self, tx: Connection, prefix: str) -> Listing | None:
        """Return the last or current listing of `prefix`; None when there was none yet."""
        row = tx.execute(
            select(listings.c.after_key, listings.c.started_at, listings.c.finished_at).where(
                listings.c.prefix == prefix
            )
        ).one_or_none()
        return None if row is None else Listing(*row)

    def set_listing(self, tx: Connection, prefix: str, listing: Listing) -> None:
        """Save the position of a listing."""
        _upsert(
            tx,
            listings,
            {
                "prefix": prefix,
                "after_key": listing.after_key,
                "started_at": listing.started_at,
                "finished_at": listing.finished_at,
            },
        )


def _upsert(tx: Connection, table: Table, row: dict[str, object]) -> None:
    (key,) = (column.name for column in table.primary_key)
    rest = {name: value for name, value in row.items() if name != key}
    tx.execute(
        insert_for(tx.dialect.name)(table)
        .values(row)
        .on_conflict_do_update(index_elements=[key], set_=rest)
    )
