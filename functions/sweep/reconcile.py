"""Adds a job for every frame that has none because its S3 notification was lost or never sent.

The bucket is examined in two ways. Each run lists the keys after each camera's watermark. Once a
day every key is listed, in parts, to find frames that arrived late, below a watermark: a camera
    that
spooled while S3 was out of reach uploads frames hours after they were captured.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from functions.sweep.repository import Listing, SweepRepository
from functions.sweep.schemas import SweepReport
from hearth.errors import HearthError, InvalidInput, Unavailable
from hearth.frames import FRAMES_PREFIX, camera_of, camera_prefix, frame_job
from hearth.ids import CLOCK_TOLERANCE, utc_now
from hearth.ledger.ledger import Ledger, NewJob, UnitOfWork
from hearth.retention import Retention
from hearth.storage import ObjectStore, StoredObject

if TYPE_CHECKING:
    from sqlalchemy import Connection

_log = logging.getLogger(__name__)

FULL_LISTING_EVERY = timedelta(days=1)
BATCH = 500
"""Keys in one transaction."""


class OutOfTime(Exception):  # not an error: the next run continues
    """The deadline is near."""


class ListingFailed(Unavailable):
    """The bucket could not be listed to the end."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Which keys are examined, and how many in one run.

    Attributes:
        grace: An upload younger than this is left to its own notification.
        settled: An upload younger than this may still be followed by one with a smaller key, so
            the watermark stays below it. Not less than `grace`: below a watermark, all have jobs.
        expired: An upload older than this is left to the bucket's lifecycle rule: the ledger may
            have forgotten that it was judged.
        keys: Keys for each camera, and as many for the full listing.
    """

    grace: timedelta = timedelta(seconds=15)
    settled: timedelta = timedelta(minutes=10)
    expired: timedelta = Retention().objects
    keys: int = 5000


class Reconciler:
    """Compares the bucket with the ledger.

    Args:
        ledger: Where jobs are.
        repository: The positions that earlier runs have reached.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: ObjectStore,
        repository: SweepRepository,
        limits: Limits | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._db = ledger.db
        self._store = store
        self._repository = repository
        self._limits = limits or Limits()
        self._now = now

    def examine_new_keys(self, report: SweepReport, time_left: Callable[[], float]) -> None:
        """Examine each camera's keys after its watermark; counts are added to `report`.

        Raises:
            OutOfTime: `time_left` (seconds) reached 0.
            ListingFailed: S3 did not answer.
        """
        watermarks = self._db.read(self._repository.watermarks)
        for camera_id in self._cameras(report):
            if time_left() <= 0:
                raise OutOfTime
            report.cameras += 1
            prefix = camera_prefix(camera_id)
            keys = self._list_keys(prefix, watermarks.get(camera_id, prefix))
            settled = True
            for batch in _batches(islice(keys, self._limits.keys), time_left):
                # After the first unsettled key, no later one can move the watermark.
                mark = self._last_settled(batch) if settled else None
                settled = mark == batch[-1].key
                save_position = None if mark is None else self._save_watermark(camera_id, mark)
                self._add_missing_jobs(batch, report, save_position)

    def examine_all_keys(self, report: SweepReport, time_left: Callable[[], float]) -> None:
        """Examine every key once a day, in parts; counts are added to `report`.

        Raises:
            OutOfTime: `time_left` (seconds) reached 0.
            ListingFailed: S3 did not answer.
        """
        listing = self._due_listing()
        if listing is None:
            return
        report.full_listing = "running"
        keys = islice(self._list_keys(FRAMES_PREFIX, listing.after_key), self._limits.keys)
        examined = 0
        for batch in _batches(keys, time_left):
            examined += len(batch)
            listing = replace(listing, after_key=_last_storable(batch) or listing.after_key)
            save_position = partial(
                self._repository.set_listing, prefix=FRAMES_PREFIX, listing=listing
            )
            self._add_missing_jobs(batch, report, save_position)
        if examined < self._limits.keys:
            report.full_listing = "finished"
            self._save_listing(replace(listing, finished_at=self._now()))

    def _due_listing(self) -> Listing | None:
        now = self._now()
        listing = self._db.read(lambda tx: self._repository.listing(tx, FRAMES_PREFIX))
        if listing is None:
            # Without watermarks the first runs examine every key anyway.
            self._save_listing(Listing(FRAMES_PREFIX, started_at=now, finished_at=now))
            return None
        if listing.finished_at is None:
            return listing
        if now - listing.started_at < FULL_LISTING_EVERY:
            return None
        return Listing(FRAMES_PREFIX, started_at=now, finished_at=None)

    def _save_listing(self, listing: Listing) -> None:
        self._db.write(lambda tx: self._repository.set_listing(tx, FRAMES_PREFIX, listing))

    def _save_watermark(self, camera_id: str, key: str) -> Callable[[Connection], None]:
        set_it = self._repository.set_watermark
        return partial(set_it, camera_id=camera_id, key=key, now=self._now())

    def _cameras(self, report: SweepReport) -> Iterator[str]:
        """Iterate over camera ids in key order, skipping from a folder's first key to its end."""
        after = FRAMES_PREFIX
        while (item := next(self._list_keys(FRAMES_PREFIX, after), None)) is not None:
            camera_id = camera_of(item.key)
            if camera_id is not None:
                yield camera_id
            else:
                report.unreadable += 1
                _log.warning("%.200r lies in the folder of no camera", item.key)
            name, slash, _ = item.key.removeprefix(FRAMES_PREFIX).partition("/")
            # "0" is the character after "/": after every key of the folder, and before the next
            # one.
            after = f"{FRAMES_PREFIX}{name}0" if slash else item.key

    def _list_keys(self, prefix: str, after: str) -> Iterator[StoredObject]:
        try:
            yield from self._store.list(prefix, start_after=after)
        except HearthError as error:
            raise ListingFailed(error.message) from error

    def _last_settled(self, batch: Sequence[StoredObject]) -> str | None:
        is_young = partial(_is_younger, now=self._now(), age=self._limits.settled)
        young = next((n for n, item in enumerate(batch) if is_young(item)), len(batch))
        return _last_storable(batch[:young])

    def _add_missing_jobs(
        self,
        batch: Sequence[StoredObject],
        report: SweepReport,
        save_position: Callable[[Connection], None] | None,
    ) -> None:
        """Add the missing jobs, and save the position in the same transaction."""
        now = self._now()
        oldest = now - self._limits.expired
        wanted: dict[str, NewJob] = {}
        for item in batch:
            try:
                job = frame_job(item.key)
            except InvalidInput as error:
                report.unreadable += 1
                _log.warning("%s", error.message)
                continue
            if item.last_modified > oldest and not _is_younger(item, now, self._limits.grace):
                wanted[job.dedupe_key] = job
        report.listed += len(batch)
        known = self._ledger.states(wanted)
        missing = [job for key, job in wanted.items() if key not in known]
        if not missing and save_position is None:
            return

        def record(work: UnitOfWork) -> None:
            if save_position is not None:
                save_position(work.tx)
            work.add(*missing)

        self._ledger.transact(record)
        report.found += len(missing)


def _batches(
    keys: Iterable[StoredObject], time_left: Callable[[], float]
) -> Iterator[list[StoredObject]]:
    remaining = iter(keys)
    while batch := list(islice(remaining, BATCH)):
        if time_left() <= 0:
            raise OutOfTime
        yield batch


def _is_younger(item: StoredObject, now: datetime, age: timedelta) -> bool:
    """Whether an object is younger than `age`. Not one that was stored before the clock was set
    back: it would stay young until the clock has caught up."""
    return now - age < item.last_modified <= now + CLOCK_TOLERANCE


def _last_storable(batch: Sequence[StoredObject]) -> str | None:
    # S3 allows NUL in a key, PostgreSQL's text does not.
    return next((item.key for item in reversed(batch) if "\x00" not in item.key), None)
