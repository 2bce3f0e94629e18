"""What the API reads: usage, errors and the dashboard."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from functions.analytics.buckets import (
    EARLIEST,
    QUARTER,
    Bucket,
    Granularity,
    buckets,
    parse_moment,
    quarter_of,
    zone_named,
)
from functions.analytics.repository import counts, ledger
from functions.analytics.schemas import (
    ERROR_SEVERITIES,
    DashboardOut,
    ErrorGroup,
    ErrorsOut,
    ErrorsQuery,
    ErrorSummary,
    Today,
    Trend,
    TypeCount,
    UsageOut,
    UsagePoint,
    UsageQuery,
)
from hearth.db import Database
from hearth.errors import InvalidInput
from hearth.ids import utc_now

if TYPE_CHECKING:
    from sqlalchemy import Connection

FAILED_JOBS = 5000
"""Most failed jobs that one response reads, the newest ones."""
TOP = 10
ALL = "all"
_DEFAULT_SPANS = {
    Granularity.HOUR: timedelta(hours=24),
    Granularity.DAY: timedelta(days=30),
    Granularity.WEEK: timedelta(weeks=12),
    Granularity.MONTH: timedelta(days=365),
}


class AnalyticsQueries:
    """Counts events and failed jobs.

    Args:
        zone: The site's time zone (IANA name).
    """

    def __init__(
        self,
        db: Database,
        zone: str,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._db = db
        self._zone = zone
        self._now = now

    def usage(self, query: UsageQuery) -> UsageOut:
        """Count events by local hour, day, week or month.

        Raises:
            InvalidInput: The zone does not exist, a date is not valid or out of range, the end is
                not after the start, or there are more than 1,000 buckets.
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
        """Group errors: events from `warning` on, and failed jobs.

        The range is extended to whole quarters of an hour.

        Raises:
            InvalidInput: The zone, a date or the range is not valid.
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
                by_severity=_sum_by((group.severity, group.count) for group in groups),
                by_service=_sum_by((group.service, group.count) for group in groups),
            ),
            start=begins,
            end=ends,
            truncated=len(groups) > query.limit or not complete,
        )

    def dashboard(self, timezone: str | None = None) -> DashboardOut:
        """Summarize today and the trend of the last two weeks.

        Raises:
            InvalidInput: The zone does not exist.
        """
        zone = zone_named(timezone or self._zone)
        now = self._now()
        (today,) = buckets(now, now + timedelta.resolution, Granularity.DAY, zone)
        hours = self._series(buckets(today.begins, today.ends, Granularity.HOUR, zone), zone, [])
        # Half a day earlier, so that 14 whole local days fit in despite daylight saving time.
        trend_start = today.begins - timedelta(days=14, hours=12)
        days = buckets(trend_start, today.begins, Granularity.DAY, zone)[-14:]
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
        ends = parse_moment(query.end_date, zone, last=True) if query.end_date else self._now()
        if query.start_date:
            return parse_moment(query.start_date, zone), ends
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

        def read(tx: Connection) -> tuple[dict[tuple[int, str], int], list[ledger.FailedJob]]:
            events = counts.count_by_bucket(tx, spans, severities=ERROR_SEVERITIES)
            return events, ledger.failed_jobs(tx, spans[0][0], spans[-1][1], None, FAILED_JOBS)

        events, jobs = self._db.read(read)
        failed = Counter(
            bisect_right(days, job.finished_at, key=lambda day: day.begins) - 1 for job in jobs
        )
        return [events.get((number, ""), 0) + failed[number] for number in range(len(days))]

    def _error_groups(
        self, begins: datetime, ends: datetime, query: ErrorsQuery
    ) -> tuple[list[ErrorGroup], bool]:
        """Return all groups, and whether every failed job was read."""
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


def _sum_by(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, number in pairs:
        sums[name] = sums.get(name, 0) + number
    return dict(sorted(sums.items()))
