"""Keeps events and answers what they add up to."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from functions.analytics.buckets import (
    EARLIEST,
    QUARTER,
    Bucket,
    Granularity,
    buckets,
    moment,
    quarter_of,
    zone_named,
)
from functions.analytics.repository import counts, ledger
from functions.analytics.repository.events import EventRow, add_events
from functions.analytics.schemas import (
    ERROR_SEVERITIES,
    DashboardOut,
    ErrorGroup,
    ErrorsOut,
    ErrorsQuery,
    ErrorSummary,
    EventIn,
    HealthOut,
    Today,
    Trend,
    TypeCount,
    UsageOut,
    UsagePoint,
    UsageQuery,
)
from hearth.db import Database, encode_json
from hearth.errors import Forbidden, InvalidInput, TooLarge
from hearth.ids import new_ulid, utc_now
from hearth.principal import Principal

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_METADATA_BYTES = 8 * 1024
MAX_METADATA_DEPTH = 8
FAILED_JOBS = 5000
"""Failed jobs that one answer looks at, the newest."""
TOP = 10
ALL = "all"
_AHEAD = timedelta(days=1)
_DEFAULT_SPANS = {
    Granularity.HOUR: timedelta(hours=24),
    Granularity.DAY: timedelta(days=30),
    Granularity.WEEK: timedelta(weeks=12),
    Granularity.MONTH: timedelta(days=365),
}


class AnalyticsService:
    """Events in, counts out.

    Args:
        db: Where they are.
        zone: The site's time zone (IANA name).
        look: Tells how the system is.
        now: The present, timezone-aware.
    """

    def __init__(
        self,
        db: Database,
        zone: str,
        look: Callable[[], HealthOut],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._db = db
        self._zone = zone
        self.health = look
        self._now = now

    def record(self, principal: Principal, events: Sequence[EventIn]) -> list[str]:
        """Keep events, all or none; their ids.

        Raises:
            InvalidInput: A time out of range, or metadata that is no JSON or too deep.
            TooLarge: Metadata of more than 8 kB.
            Forbidden: An event in the name of somebody else.
        """
        now = self._now()
        ids = [event.event_id or new_ulid() for event in events]
        rows = [_row(principal, event, name, now) for event, name in zip(events, ids, strict=True)]
        self._db.write(partial(add_events, rows=rows))
        return ids

    def usage(self, query: UsageQuery) -> UsageOut:
        """How often something happened, by local hour, day, week or month.

        Raises:
            InvalidInput: An unknown zone, a date that is none or out of range, an end that is not
                after the start, or more than 1,000 buckets.
        """
        zone = zone_named(query.timezone or self._zone)
        begins, ends = self._range(query, zone, _DEFAULT_SPANS[query.granularity])
        spans = buckets(begins, ends, query.granularity, zone)
        metrics = list(dict.fromkeys(query.metric))
        points = self._series(spans, zone, metrics)
        return UsageOut(
            usage=points,
            granularity=query.granularity,
            timezone=zone.key,
            start=spans[0].begins.astimezone(zone),
            end=spans[-1].ends.astimezone(zone),
            total=sum(point.count for point in points),
        )

    def errors(self, query: ErrorsQuery) -> ErrorsOut:
        """Errors of a time, grouped: events from `warning` on, and jobs that failed.

        Whole quarters of an hour that hold some of the time.

        Raises:
            InvalidInput: As `usage`.
        """
        zone = zone_named(query.timezone or self._zone)
        begins, ends = self._range(query, zone, timedelta(days=1))
        if ends <= begins:
            raise InvalidInput(
                f"end_date ({ends.isoformat()}) must be after start_date ({begins.isoformat()})"
            )
        begins, ends = quarter_of(begins), quarter_of(ends - timedelta.resolution) + QUARTER
        groups, complete = self._error_groups(begins, ends, query)
        groups.sort(
            key=lambda group: (group.last_seen, group.type, group.service, group.severity),
            reverse=True,
        )
        return ErrorsOut(
            errors=groups[: query.limit],
            summary=ErrorSummary(
                total=sum(group.count for group in groups),
                groups=len(groups),
                by_severity=_summed((group.severity, group.count) for group in groups),
                by_service=_summed((group.service, group.count) for group in groups),
            ),
            start=begins,
            end=ends,
            truncated=len(groups) > query.limit or not complete,
        )

    def dashboard(self, timezone: str | None = None) -> DashboardOut:
        """Today and the trend of the last two weeks.

        Raises:
            InvalidInput: An unknown zone.
        """
        zone = zone_named(timezone or self._zone)
        now = self._now()
        (today,) = buckets(now, now + timedelta.resolution, Granularity.DAY, zone)
        hours = self._series(buckets(today.begins, today.ends, Granularity.HOUR, zone), zone, [])
        # From the eve of the first day: nothing but whole local days, whatever the clock did.
        eve = today.begins - timedelta(days=14, hours=12)
        days = buckets(eve, today.begins, Granularity.DAY, zone)[-14:]
        errors = self._errors_by_day([*days, today])
        top = self._db.read(
            lambda tx: counts.busiest_types(tx, today.begins, today.ends, TOP),
        )
        return DashboardOut(
            timezone=zone.key,
            today=Today(
                date=today.begins.astimezone(zone).date().isoformat(),
                events=sum(point.count for point in hours),
                errors=errors[-1],
                hours=hours,
                top=[TypeCount(metric=metric, count=number) for metric, number in top],
            ),
            trends={
                "events": _trend(self._series(days, zone, [])),
                "errors": _trend(_points(days, zone, "errors", errors[:-1])),
            },
            jobs=self._db.read(ledger.job_counts),
        )

    def _range(
        self, query: UsageQuery | ErrorsQuery, zone: ZoneInfo, span: timedelta
    ) -> tuple[datetime, datetime]:
        ends = moment(query.end_date, zone, last=True) if query.end_date else self._now()
        if query.start_date:
            return moment(query.start_date, zone), ends
        return max(EARLIEST, ends - span), ends

    def _series(
        self, spans: Sequence[Bucket], zone: ZoneInfo, metrics: Sequence[str]
    ) -> list[UsagePoint]:
        found = self._db.read(
            lambda tx: counts.count_by_bucket(
                tx, [(span.begins, span.ends) for span in spans], metrics
            )
        )
        return [
            point
            for metric in metrics or [""]
            for point in _points(
                spans,
                zone,
                metric or ALL,
                [found.get((number, metric), 0) for number in range(len(spans))],
            )
        ]

    def _errors_by_day(self, days: Sequence[Bucket]) -> list[int]:
        spans = [(day.begins, day.ends) for day in days]

        def look(tx: Connection) -> tuple[dict[tuple[int, str], int], list[ledger.FailedJob]]:
            told = counts.count_by_bucket(tx, spans, severities=ERROR_SEVERITIES)
            return told, ledger.failed_jobs(tx, spans[0][0], spans[-1][1], None, FAILED_JOBS)

        told, jobs = self._db.read(look)
        failed = Counter(
            bisect_right(days, job.finished_at, key=lambda day: day.begins) - 1 for job in jobs
        )
        return [told.get((number, ""), 0) + failed[number] for number in range(len(days))]

    def _error_groups(
        self, begins: datetime, ends: datetime, query: ErrorsQuery
    ) -> tuple[list[ErrorGroup], bool]:
        """All groups, and whether every failed job was looked at."""
        severities = [query.severity] if query.severity else list(ERROR_SEVERITIES)
        rows = self._db.read(
            lambda tx: counts.error_groups(tx, begins, ends, severities, query.service)
        )
        groups = [
            ErrorGroup.model_validate(
                {
                    "type": row.event_type,
                    "service": row.service,
                    "severity": row.severity,
                    "source": "event",
                    "job_kind": None,
                    "message": None,
                    "count": row.events,
                    "first_seen": row.first_at,
                    "last_seen": row.last_at,
                }
            )
            for row in rows
        ]
        if query.severity not in (None, "error"):
            return groups, True
        jobs = self._db.read(
            lambda tx: ledger.failed_jobs(tx, begins, ends, query.service, FAILED_JOBS + 1)
        )
        return groups + _job_groups(jobs[:FAILED_JOBS]), len(jobs) <= FAILED_JOBS


def _row(principal: Principal, event: EventIn, name: str, now: datetime) -> EventRow:
    user_id = event.user_id or principal.id
    if user_id != principal.id and not principal.may("analytics:read"):
        raise Forbidden("an event in the name of somebody else needs the permission analytics:read")
    at = event.timestamp or now
    if not EARLIEST <= at <= now + _AHEAD:
        raise InvalidInput(
            f"timestamp {at.isoformat()} is out of range; give a time from {EARLIEST.year} to a "
            "day from now"
        )
    _check_metadata(event.metadata)
    return EventRow(
        key=f"user/{principal.id}/{name}",
        event_type=event.event_type,
        service=event.service or "",
        severity=event.severity or "",
        user_id=user_id,
        metadata=event.metadata,
        at=at,
        received_at=now,
    )


def _check_metadata(metadata: dict[str, Any]) -> None:
    size = len(encode_json(metadata))
    if size > MAX_METADATA_BYTES:
        raise TooLarge(f"metadata has {size} bytes; at most {MAX_METADATA_BYTES} are kept")
    level: list[Any] = [metadata]
    for _ in range(MAX_METADATA_DEPTH):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
    if level:
        raise InvalidInput(f"metadata is nested more than {MAX_METADATA_DEPTH} deep")


def _job_groups(jobs: Iterable[ledger.FailedJob]) -> list[ErrorGroup]:
    groups: dict[tuple[str, str, str], ErrorGroup] = {}
    for job in jobs:
        key = (job.code, job.queue, job.kind)
        group = groups.get(key)
        if group is None:
            groups[key] = ErrorGroup(
                type=job.code,
                service=job.queue,
                severity="error",
                source="job",
                job_kind=job.kind,
                message=job.message,
                count=1,
                first_seen=job.finished_at,
                last_seen=job.finished_at,
            )
            continue
        group.count += 1
        group.first_seen = min(group.first_seen, job.finished_at)
        if job.finished_at > group.last_seen:
            group.last_seen, group.message = job.finished_at, job.message
    return list(groups.values())


def _points(
    spans: Sequence[Bucket], zone: ZoneInfo, metric: str, numbers: Sequence[int]
) -> list[UsagePoint]:
    return [
        UsagePoint(timestamp=span.begins.astimezone(zone), count=number, metric=metric)
        for span, number in zip(spans, numbers, strict=True)
    ]


def _trend(points: Sequence[UsagePoint]) -> Trend:
    previous = sum(point.count for point in points[:-7])
    current = sum(point.count for point in points[-7:])
    return Trend(
        days=list(points[-7:]),
        current=current,
        previous=previous,
        change=(current - previous) / previous if previous else None,
    )


def _summed(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, number in pairs:
        sums[name] = sums.get(name, 0) + number
    return dict(sorted(sums.items()))
