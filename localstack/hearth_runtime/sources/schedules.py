"""Runs the template's schedules, across restarts: a missed run is caught up once."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from hearth_runtime.clock import ClockSteps, elapsed_s, utc_now
from hearth_runtime.engine.background import BackgroundTasks
from hearth_runtime.engine.functions import InvokeResult, RuntimeRefusal
from hearth_runtime.observe.logs import LogStream
from hearth_runtime.records import JsonRecords
from hearth_runtime.template.model import Schedule

from .cron import Expression, Rate, parse_expression

# Lambda tries an asynchronous invocation three times; never into the next due time here.
RETRY_DELAYS_S = (60.0, 120.0)
_LONGEST_SLEEP_S = 10.0  # the clock may be set, and the machine may have slept


class Invoker(Protocol):
    """What schedules need of the engine."""

    async def invoke(self, function: str, payload: bytes) -> InvokeResult: ...


class Schedules:
    """One task a schedule. A schedule never overlaps itself: what falls due while it still runs
    is left out."""

    def __init__(
        self,
        schedules: Sequence[Schedule],
        engine: Invoker,
        logs: LogStream,
        records: JsonRecords,
        *,
        region: str,
        account: str,
        now: Callable[[], datetime] = utc_now,
        elapsed: Callable[[], float] = elapsed_s,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        retry_delays_s: Sequence[float] = RETRY_DELAYS_S,
    ) -> None:
        """Raises TemplateError when an expression is not valid."""
        self._schedules = [
            (schedule, parse_expression(schedule.expression, schedule.timezone))
            for schedule in schedules
        ]
        self._engine = engine
        self._logs = logs
        self._records = records
        self._place = (region, account)
        self._now = now
        self._elapsed = elapsed
        self._sleep = sleep
        self._retry_delays_s = retry_delays_s
        self._since: dict[str, Any] = {}
        self._status: dict[str, dict[str, Any]] = {}

    def start(self, background: BackgroundTasks) -> None:
        """Run the enabled schedules. A schedule that is new counts from now."""
        recorded = self._records.load()
        for schedule, expression in self._schedules:
            entry = recorded.get(schedule.name)
            shape = f"{schedule.expression} {schedule.timezone}"
            if not _usable(entry, shape):
                entry = {"expression": shape, "since": self._now().isoformat()}
            self._since[schedule.name] = entry
            self._status[schedule.name] = {
                "name": schedule.name,
                "function": schedule.function,
                "expression": schedule.expression,
                "timezone": schedule.timezone,
                "enabled": schedule.enabled,
                "runs": 0,
                "errors": 0,
                "last_run": None,
                "next_run": None,
            }
            if schedule.enabled:
                background.start(
                    f"schedule {schedule.name}", partial(self._keep, schedule, expression)
                )
        self._record()

    def status(self) -> list[dict[str, Any]]:
        return list(self._status.values())

    async def _keep(self, schedule: Schedule, expression: Expression) -> None:
        status, entry = self._status[schedule.name], self._since[schedule.name]
        clock = ClockSteps(self._now, self._elapsed)
        last_due: datetime | None = None
        began_s = 0.0
        while True:
            step = clock.take()
            if isinstance(expression, Rate):
                entry["since"] = (datetime.fromisoformat(entry["since"]) + step).isoformat()
            since = min(datetime.fromisoformat(entry["since"]), self._now())
            if step and last_due is not None and not isinstance(expression, Rate):
                ago = timedelta(seconds=self._elapsed() - began_s)
                due = due_after_step(expression, since, last_due, ago, self._now())
            else:
                # A clock that was set back must not stop a schedule until it has caught up.
                due = expression.after(since)
            status["next_run"] = due and due.isoformat()
            if due is None:
                return
            if not await self._sleep_until(due, clock):
                continue
            following = expression.after(due)
            last_due, began_s = due, self._elapsed()
            await self._run(schedule, due, following)
            status["last_run"] = due.isoformat()
            # On time: count from the due time, so that a rate does not drift. Late: count from
            # now, so that many missed runs make one. By the clock as it was before the run.
            now = self._now() - clock.seen()
            late = following is not None and following <= now
            entry["since"] = (now if late else due).isoformat()
            self._record()

    def _record(self) -> None:
        """Keep when each schedule has run. On a full disk the next run is recorded with it."""
        try:
            self._records.save(self._since)
        except OSError as error:
            self._logs.write("ERROR", "runs of schedules were not recorded", error=str(error))

    async def _sleep_until(self, due: datetime, clock: ClockSteps) -> bool:
        """Whether it is due; otherwise the clock was set, and it has to be planned again."""
        while (wait_s := (due - self._now()).total_seconds()) > 0:
            if clock.seen():
                return False
            await self._sleep(min(wait_s, _LONGEST_SLEEP_S))
        return not clock.seen()

    async def _run(self, schedule: Schedule, due: datetime, following: datetime | None) -> None:
        status = self._status[schedule.name]
        execution = str(uuid.uuid4())
        for attempt, delay_s in enumerate((*self._retry_delays_s, None), start=1):
            payload = scheduled_event(schedule, due, *self._place, execution, attempt)
            status["runs"] += 1
            error = await self._attempt(schedule.function, payload)
            if error is None:
                return
            status["errors"] += 1
            self._logs.write(
                "ERROR", "schedule failed", schedule=schedule.name, attempt=attempt, error=error
            )
            if delay_s is None:
                return
            if following is not None and (following - self._now()).total_seconds() <= delay_s:
                return
            await self._sleep(delay_s)

    async def _attempt(self, function: str, payload: bytes) -> str | None:
        try:
            result = await self._engine.invoke(function, payload)
        except RuntimeRefusal as refusal:
            return str(refusal)
        return result.payload[:300].decode(errors="replace") if result.function_error else None


def due_after_step(
    expression: Expression, since: datetime, last_due: datetime, ago: timedelta, now: datetime
) -> datetime | None:
    """When a schedule by wall time is due after the clock was set.

    What the clock skipped runs once, and what it shows again is not repeated: as cron does it, but
    by the schedule's own period instead of three hours.

    Args:
        since: From when the schedule counts.
        last_due: When its last run was due, by the clock as it was before.
        ago: How long ago that run began, whatever the clock shows.
    """
    following = expression.after(last_due)
    if now < last_due:
        if following is None:
            return None
        if following - now <= 1.5 * (following - last_due):
            return following
    # Since its last run, in the time that the clock shows now.
    due = expression.after(min(since, now - ago))
    again = None if due is None else expression.after(due)
    if due is None or again is None:
        return due
    distance = ago + max(due - now, timedelta(0))
    return due if distance >= (again - due) / 2 else expression.after(max(due, now))


def scheduled_event(
    schedule: Schedule, due: datetime, region: str, account: str, execution: str, attempt: int = 1
) -> bytes:
    """The payload that EventBridge, or its Scheduler, sends at `due`."""
    time = due.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    detail: object = {}
    if schedule.source == "rule":
        arn = f"arn:aws:events:{region}:{account}:rule/{schedule.name}"
        source = "aws.events"
    else:
        arn = f"arn:aws:scheduler:{region}:{account}:schedule/default/{schedule.name}"
        source, detail = "aws.scheduler", "{}"  # a text, unlike a rule's
    if schedule.input is not None:
        if schedule.source == "rule":
            return schedule.input.encode()
        attributes = {
            "<aws.scheduler.schedule-arn>": arn,
            "<aws.scheduler.scheduled-time>": time,
            "<aws.scheduler.execution-id>": execution,
            "<aws.scheduler.attempt-number>": str(attempt),
        }
        text = schedule.input
        for name, value in attributes.items():
            text = text.replace(name, value)
        return text.encode()
    event = {
        "version": "0",
        "id": execution,
        "detail-type": "Scheduled Event",
        "source": source,
        "account": account,
        "time": time,
        "region": region,
        "resources": [arn],
        "detail": detail,
    }
    return json.dumps(event).encode()


def _usable(entry: Any, shape: str) -> bool:
    """Whether a record is of this very schedule and holds an aware time."""
    if not isinstance(entry, dict) or entry.get("expression") != shape:
        return False
    try:
        return datetime.fromisoformat(entry["since"]).tzinfo is not None
    except (KeyError, TypeError, ValueError):
        return False
