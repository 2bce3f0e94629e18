"""Rate limit per caller in fixed windows of a minute, counted in the database for all replicas.

Each caller has a window of a minute; they begin at different seconds for different callers. A
process does not write for every request: it takes a few of the caller's requests out of the window
at once, never more than it has served already, and fewer as the window empties. So a busy caller
costs some forty writes a minute instead of six hundred, and one whose requests meet many processes
is hardly ever turned away early.

The database decides, but it cannot hold a request up: when it does not answer within a
second, each process counts alone for a while, up to the same limit. A limit that is too generous
for some seconds is better than an API that is down: what needs the database says so by itself.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zlib import crc32

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    case,
    delete,
    select,
)

from hearth.db import Database, UtcDateTime, insert_for
from hearth.errors import HearthError
from hearth.ids import utc_now
from hearth.logging import logger

WINDOW_S = 60
_WINDOW = timedelta(seconds=WINDOW_S)
_PATIENCE_S = 1.0
_ALONE_FOR = timedelta(seconds=5)
"""Pause before a database that did not answer is asked again."""
_KNOWN_CALLERS = 10_000
_PRUNED_AT_ONCE = 1000

metadata = MetaData()
rate_limits = Table(
    "rate_limits",
    metadata,
    Column("caller", Text, primary_key=True),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("used", Integer, nullable=False),
    Index("ix_rate_limits_ends_at", "ends_at"),
)
_t = rate_limits.c


@dataclass(frozen=True, slots=True)
class Quota:
    """The quota of a caller after this request.

    Attributes:
        admitted: Whether this request is within the limit.
        limit: Requests in a window.
        remaining: Of them, still to be made.
        resets_at: When all of them are there again; UTC.
        resets_in_s: The same, from now; whole seconds, 1 or more.
    """

    admitted: bool
    limit: int
    remaining: int
    resets_at: datetime
    resets_in_s: int


@dataclass(slots=True)
class _Share:
    """The share of a caller's window that this process has reserved.

    Attributes:
        held: Requests reserved and not served yet.
        served: Requests served here.
        left: Requests left in the window when the database was last asked.
    """

    ends_at: datetime
    left: int
    held: int = 0
    served: int = 0


class RateLimits:
    """The rate limits of all callers; one instance for each process.

    Args:
        per_minute: Requests of one caller in a window.
        now: The present, UTC.
        patience_s: Seconds for which a request waits for the database.
    """

    def __init__(
        self,
        db: Database,
        per_minute: int,
        *,
        now: Callable[[], datetime] = utc_now,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._db = db
        self._limit = per_minute
        self._now = now
        self._patience_s = patience_s
        self._shares: OrderedDict[str, _Share] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rate-limits")
        self._asking: asyncio.Future[tuple[datetime, int]] | None = None
        self._alone_until = datetime.min.replace(tzinfo=UTC)
        self._prune_at = datetime.min.replace(tzinfo=UTC)

    async def take(self, caller: str) -> Quota:
        """Count one request of `caller`, such as `user:01J…`."""
        now = self._now()
        share = self._share(caller, now)
        if share.held == 0 and share.left > 0:
            await self._take_more(caller, share, now)
        admitted = share.held > 0
        if admitted:
            share.held -= 1
            share.served += 1
        return Quota(
            admitted,
            self._limit,
            share.left + share.held,
            share.ends_at,
            # Rounded up: who comes back then finds a new window.
            max(1, -((now - share.ends_at) // timedelta(seconds=1))),
        )

    def _share(self, caller: str, now: datetime) -> _Share:
        share = self._shares.get(caller)
        if share is None or share.ends_at <= now:
            share = self._shares[caller] = _Share(_end_of_window(caller, now), self._limit)
        self._shares.move_to_end(caller)
        if len(self._shares) > _KNOWN_CALLERS:
            self._shares.popitem(last=False)
        return share

    async def _take_more(self, caller: str, share: _Share, now: datetime) -> None:
        wanted = min(max(1, share.served), max(1, share.left // 8))
        found = await self._ask(caller, share.ends_at, wanted, now)
        if found is None:
            # Alone: one at a time, so that the database is asked again as soon as it may be.
            share.left = max(0, self._limit - share.served)
            granted = min(1, share.left)
            share.left -= granted
        else:
            # Another process may be ahead of us in time: then its window is the caller's.
            share.ends_at, used = found
            granted = min(wanted, max(0, self._limit - (used - wanted)))
            share.left = max(0, self._limit - used)
        share.held += granted

    async def _ask(
        self, caller: str, ends_at: datetime, wanted: int, now: datetime
    ) -> tuple[datetime, int] | None:
        """Return the window's end and its requests, `wanted` included; None without an answer."""
        if now < self._alone_until or (self._asking and not self._asking.done()):
            return None
        # In a thread, because only that can be left waiting.
        self._asking = asyncio.get_running_loop().run_in_executor(
            self._thread, self._add, caller, ends_at, wanted, now
        )
        try:
            return await asyncio.wait_for(asyncio.shield(self._asking), self._patience_s)
        except (HearthError, TimeoutError) as error:
            self._alone_until = now + _ALONE_FOR
            reason = getattr(error, "message", "it took too long")
            logger.warning("requests are counted without the database", reason=reason)
            return None

    def _add(
        self, caller: str, ends_at: datetime, wanted: int, now: datetime
    ) -> tuple[datetime, int]:
        prunes = now >= self._prune_at

        def add(tx: Connection) -> tuple[datetime, int, int]:
            insert = insert_for(tx.dialect.name)(rate_limits)
            insert = insert.values(caller=caller, ends_at=ends_at, used=wanted)
            same_window = _t.ends_at >= insert.excluded.ends_at
            row = tx.execute(
                insert.on_conflict_do_update(
                    index_elements=["caller"],
                    set_={
                        "ends_at": case((same_window, _t.ends_at), else_=insert.excluded.ends_at),
                        "used": case((same_window, _t.used), else_=0) + wanted,
                    },
                ).returning(_t.ends_at, _t.used)
            ).one()
            return row.ends_at, row.used, _prune(tx, now) if prunes else 0

        end, used, pruned = self._db.write(add)
        if prunes and pruned < _PRUNED_AT_ONCE:
            self._prune_at = now + _WINDOW
        return end, used


def _prune(tx: Connection, now: datetime) -> int:
    """Delete expired windows, with a margin for processes whose clock is behind."""
    over = select(_t.caller).where(_t.ends_at < now - _WINDOW).limit(_PRUNED_AT_ONCE)
    return tx.execute(delete(rate_limits).where(_t.caller.in_(over))).rowcount


def _end_of_window(caller: str, now: datetime) -> datetime:
    """Return the end of the caller's window, offset per caller to avoid a thundering herd."""
    offset = crc32(caller.encode()) % WINDOW_S
    began = (int(now.timestamp()) - offset) // WINDOW_S * WINDOW_S + offset
    return datetime.fromtimestamp(began, UTC) + _WINDOW
