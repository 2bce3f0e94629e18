"""Removes objects whose time is over: S3's lifecycle rules, which no emulator here carries out.

MiniStack and moto store the rules and do nothing. So the runtime, which knows them from the
template, lists and deletes. As on AWS, an object expires at the first midnight UTC that is at least
so many days after it was stored; that is why a look a day is enough.

S3 never runs out of room and a disk at home does, often before the days are over. MiniStack then
answers 200 and keeps the object in memory until its next start. So when the disk is almost full,
the oldest objects that would expire anyway go first, as network video recorders do it.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import prometheus_client
from botocore.exceptions import BotoCoreError, ClientError

from hearth_runtime.observe.logs import LogStream
from hearth_runtime.template.model import Bucket, Expiration

from .disk_history import DiskHistory
from .endpoint import AwsEndpoint
from .object_store import s3_client

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_LOOK_S = 60.0
_RETRY = timedelta(hours=1)
_FIRST_LOOK = timedelta(minutes=1)  # a stack that starts has other things to do
_DELETE_AT_ONCE = 1000
# S3 gives 1000 at most. MiniStack gives what it is asked for, and sorts the whole bucket for it.
_LIST_AT_ONCE = 10_000
_PAUSE_S = 0.1  # MiniStack does one thing at a time, and cameras are waiting
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
YOUNGEST = timedelta(hours=1)
"""Younger objects are kept whatever the disk: they may not be judged yet."""


class _Stopping(Exception):  # no error
    """The stack stops; the rest is for its next start."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one pass removed; `size` in bytes."""

    objects: int = 0
    size: int = 0

    def __add__(self, other: Swept) -> Swept:
        return Swept(self.objects + other.objects, self.size + other.size)


@dataclass(frozen=True, slots=True)
class _Item:
    key: str
    size: int
    stored_at: datetime


def expires_at(stored_at: datetime, days: int) -> datetime:
    """S3's rule: `days` after it was stored, rounded up to midnight UTC."""
    after = stored_at.astimezone(UTC) + timedelta(days=days)
    midnight = _midnight_before(after)
    return midnight if midnight == after else midnight + _DAY


def _midnight_before(when: datetime) -> datetime:
    return when.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def least_free(total: int) -> int:
    """Bytes of a disk of `total` bytes below which room is made: 2 GiB, or a twentieth."""
    return min(2 * 2**30, total // 20)


class Lifecycle:
    """Carries out the expiration rules of a template's buckets.

    Args:
        disk: Folder whose disk holds the objects; None where they are on a server elsewhere.
        now: The present, timezone-aware.
        usage: Total and free bytes of a folder's disk.
    """

    def __init__(
        self,
        buckets: Sequence[Bucket],
        endpoint: AwsEndpoint,
        logs: LogStream,
        registry: prometheus_client.CollectorRegistry,
        *,
        disk: Path | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        usage: Callable[[Path], tuple[int, int]] | None = None,
    ) -> None:
        self._buckets = [bucket for bucket in buckets if bucket.expirations]
        self._endpoint = endpoint
        self._logs = logs
        self._disk = disk
        self._now = now
        self._usage = usage or _usage
        self._next = now() + _FIRST_LOOK
        self._stopping = threading.Event()
        self._reported_at = datetime.min.replace(tzinfo=UTC)
        self._objects = prometheus_client.Counter(
            "hearth_runtime_expired_objects",
            "Objects removed by a lifecycle rule, or because the disk was almost full.",
            ["reason"],
            registry=registry,
        )
        if disk is not None:
            prometheus_client.Gauge(
                "hearth_runtime_disk_free_bytes",
                "Free bytes of the data's disk.",
                registry=registry,
            ).set_function(lambda: self._usage(disk)[1])

    async def run(self) -> None:
        """Look once a minute; returns at once where there is nothing to expire."""
        try:
            while self._buckets:
                await asyncio.sleep(_LOOK_S)
                # A thread cannot be cancelled: it looks at `_stopping` after every page.
                await asyncio.to_thread(self.look)
        except asyncio.CancelledError:
            self._stopping.set()
            raise

    def look(self) -> None:
        """Remove what has expired, when it is time to; make room, when there is too little. An S3
        that does not answer is logged, and asked again later."""
        try:
            if self._now() >= self._next:
                self._next = self._now() + _RETRY
                self.expire()
                self._next = _midnight_before(self._now()) + _DAY + _MINUTE
            self.make_room()
            if self._disk is not None:
                DiskHistory(self._disk).note(self._now(), self._usage(self._disk)[1])
        except _Stopping:
            return
        except (BotoCoreError, ClientError, OSError) as error:
            self._logs.write("WARNING", "objects were not expired", error=str(error))

    def expire(self) -> Swept:
        """Remove every object whose days are over."""
        now = self._now()
        swept = Swept()
        with closing(s3_client(self._endpoint)) as client:
            for bucket, rule in self._rules():
                old = (
                    item
                    for item in self._listed(client, bucket.name, rule.prefix)
                    if expires_at(item.stored_at, rule.days) <= now
                )
                swept += _delete(client, bucket.name, old)
        if swept.objects:
            self._objects.labels("days").inc(swept.objects)
            self._logs.write(
                "INFO", "objects expired", objects=swept.objects, megabytes=swept.size // 10**6
            )
        return swept

    def make_room(self) -> Swept:
        """When the disk is almost full, remove the oldest objects under the rules' prefixes, until
        twice the least is free."""
        if self._disk is None:
            return Swept()
        total, free = self._usage(self._disk)
        if free >= least_free(total):
            return Swept()
        wanted = 2 * least_free(total) - free
        newest = self._now() - YOUNGEST
        with closing(s3_client(self._endpoint)) as client:
            limit = min(self._age_that_frees(client, wanted), newest)
            swept = Swept()
            for bucket, rule in self._rules():
                old = (
                    item
                    for item in self._listed(client, bucket.name, rule.prefix)
                    if item.stored_at < limit
                )
                swept += _delete(client, bucket.name, old)
        self._objects.labels("disk").inc(swept.objects)
        if swept.objects or self._now() - self._reported_at > _RETRY:
            self._reported_at = self._now()
            self._logs.write(
                "WARNING",
                "the disk is almost full: the oldest objects are removed before their days are"
                " over, make room",
                objects=swept.objects,
                megabytes=swept.size // 10**6,
                free_megabytes=free // 10**6,
            )
        return swept

    def _rules(self) -> Iterator[tuple[Bucket, Expiration]]:
        for bucket in self._buckets:
            for rule in bucket.expirations:
                yield bucket, rule

    def _age_that_frees(self, client: S3Client, wanted: int) -> datetime:
        """The end of the minute up to which the oldest objects have `wanted` bytes, or all.

        Two passes, so that no more than a number a minute is remembered.
        """
        minutes: Counter[datetime] = Counter()
        for bucket, rule in self._rules():
            for item in self._listed(client, bucket.name, rule.prefix):
                minutes[item.stored_at.replace(second=0, microsecond=0)] += item.size
        freed = 0
        for minute in sorted(minutes):
            freed += minutes[minute]
            if freed >= wanted:
                return minute + _MINUTE
        return self._now()

    def _listed(self, client: S3Client, bucket: str, prefix: str) -> Iterator[_Item]:
        # Deleting does not disturb it: the next page begins after the last key of this one.
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": _LIST_AT_ONCE}
        )
        for page in pages:
            for item in page.get("Contents", []):
                yield _Item(item["Key"], item["Size"], item["LastModified"])
            if self._stopping.wait(_PAUSE_S):
                raise _Stopping


def _delete(client: S3Client, bucket: str, items: Iterator[_Item]) -> Swept:
    swept = Swept()
    while batch := list(islice(items, _DELETE_AT_ONCE)):
        answer = client.delete_objects(
            Bucket=bucket,
            Delete={"Objects": [{"Key": item.key} for item in batch], "Quiet": True},
        )
        kept = {error.get("Key") for error in answer.get("Errors", [])}
        gone = [item for item in batch if item.key not in kept]
        swept += Swept(len(gone), sum(item.size for item in gone))
    return swept


def _usage(folder: Path) -> tuple[int, int]:
    found = shutil.disk_usage(folder)
    return found.total, found.free
