"""Keeps one watcher process for each enabled camera."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hearth_runtime.launchers.process import INHERITED, guarded
from hearth_runtime.observe.logs import LogStream, parse_object
from hearth_runtime.watch.addresses import public_source, without_secrets

from .model import Camera

FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0
# Cameras lock an account after three to seven wrong passwords, mostly for half an hour.
FIRST_REFUSED_DELAY_S, LONGEST_REFUSED_DELAY_S = 600.0, 3600.0
STABLE_S = 60.0  # after which a failure counts as the first one again
STOP_GRACE_S = 10.0
SILENCE_S = 60.0  # a watcher reports every second; one that does not hangs
LINE_LIMIT = 1024 * 1024  # bytes; a summary holds up to 100 warnings
_LOG_BYTES = 1_000_000
# How S3 is reached, which functions of the stack's own environment must not see.
_PASSED_ON = (
    *INHERITED,
    *("PYTHONPATH", "PYTHONDONTWRITEBYTECODE"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"),
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
    *("AWS_CA_BUNDLE", "TZ"),
)

State = Literal["starting", "running", "waiting", "stopped"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where frames go.

    Attributes:
        bucket: Name of the S3 bucket.
        endpoint_url: S3 server of the bucket.
        data: Folder under which spools (`spool/NAME`) and logs (`cameras/NAME.log`) lie.
    """

    bucket: str
    endpoint_url: str
    data: Path


@dataclass(frozen=True, slots=True)
class BackOff:
    """Exponential back-off with jitter, in seconds: cameras behind one switch must not all come
    back together."""

    first_s: float = FIRST_DELAY_S
    longest_s: float = LONGEST_DELAY_S
    jitter: Callable[[float, float], float] = random.uniform

    def delay_s(self, failures: int, *, refused: bool = False) -> float:
        """Seconds to wait after so many failures in a row; long where the password was refused."""
        first, bound = self.first_s, self.longest_s
        if refused:
            first, bound = FIRST_REFUSED_DELAY_S, LONGEST_REFUSED_DELAY_S
        longest: float = min(bound, first * 2 ** min(max(failures - 1, 0), 16))
        return longest * self.jitter(0.5, 1)


@dataclass(slots=True)
class _Condition:
    """What is known of a watcher; times are of the monotonic clock."""

    state: State = "starting"
    reason: str | None = None
    pid: int | None = None
    restarts: int = 0
    retry_at: float | None = None
    last_image_at: float | None = None
    refused: bool = False
    frames_read: int = 0
    progress: Mapping[str, Any] = field(default_factory=dict)


class CameraSupervisor:
    """Watches the cameras that `apply` names; `stop` ends all watchers."""

    def __init__(
        self,
        destination: Destination,
        logs: LogStream,
        *,
        back_off: BackOff | None = None,
    ) -> None:
        self._destination = destination
        self._logs = logs
        self._back_off = back_off or BackOff()
        self._watchers: dict[str, _Watcher] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def apply(self, cameras: Iterable[Camera]) -> None:
        """Start what is new, stop what has gone, restart what has changed, leave the rest alone."""
        wanted = {camera.name: camera for camera in cameras}
        for name, watcher in list(self._watchers.items()):
            if wanted.get(name) == watcher.camera:
                continue
            del self._watchers[name]
            task = asyncio.create_task(watcher.stop())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            if name in wanted:
                self._start(wanted[name], after=task)
        for name, camera in wanted.items():
            if name not in self._watchers:
                self._start(camera, after=None)

    def status(self) -> list[dict[str, Any]]:
        """Every camera as it is now, without secrets."""
        return [self._watchers[name].status() for name in sorted(self._watchers)]

    async def stop(self) -> None:
        """End every watcher in order; what has been read is delivered or lies in the spool."""
        watchers, self._watchers = list(self._watchers.values()), {}
        await asyncio.gather(*(watcher.stop() for watcher in watchers), *self._ending)

    def _start(self, camera: Camera, after: asyncio.Task[None] | None) -> None:
        watcher = _Watcher(camera, self._destination, self._logs, self._back_off)
        self._watchers[camera.name] = watcher
        watcher.start(after)


class _Watcher:
    """One camera: its process, and what it says."""

    def __init__(
        self, camera: Camera, destination: Destination, logs: LogStream, back_off: BackOff
    ) -> None:
        self.camera = camera
        self._destination = destination
        self._runtime_logs = logs
        self._back_off = back_off
        self._now = _Condition()
        self._task: asyncio.Task[None] | None = None
        self._logs: LogStream | None = None

    def start(self, after: asyncio.Task[None] | None) -> None:
        """Watch; a predecessor of the same camera ends first, because it holds the spool."""
        if not self.camera.enabled or self.camera.problem is not None:
            self._enter("stopped", self.camera.problem or "it is disabled")
            return
        self._task = asyncio.create_task(self._keep(after))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def status(self) -> dict[str, Any]:
        now, condition = time.monotonic(), self._now
        age = None if condition.last_image_at is None else now - condition.last_image_at
        retry = None if condition.retry_at is None else max(0.0, condition.retry_at - now)
        return {
            "name": self.camera.name,
            "source": public_source(self.camera.source),
            "enabled": self.camera.enabled,
            "state": condition.state,
            "reason": condition.reason,
            "retry_in_s": None if retry is None else round(retry, 1),
            "last_image_age_s": None if age is None else round(age, 1),
            "restarts": condition.restarts,
            "pid": condition.pid,
            "frames_sent": condition.progress.get("frames_sent", 0),
            "frames_waiting": condition.progress.get("frames_waiting", 0),
            "outage": condition.progress.get("outage"),
        }

    async def _keep(self, after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await asyncio.shield(after)
        path = self._destination.data / "cameras" / f"{self.camera.name}.log"
        failures = 0
        try:
            while True:
                began = time.monotonic()
                if self._logs is None:
                    # Without room for a log of its own it is watched all the same.
                    with contextlib.suppress(OSError):
                        self._logs = LogStream(path, max_bytes=_LOG_BYTES, backups=1)
                reason = await self._run_once()
                if reason is None:
                    self._enter("stopped", "the source has ended")
                    return
                failures = 1 if time.monotonic() - began > STABLE_S else failures + 1
                delay = self._back_off.delay_s(failures, refused=self._now.refused)
                self._enter("waiting", reason, retry_in_s=delay)
                await asyncio.sleep(delay)
                self._now.restarts += 1
        finally:
            if self._logs is not None:
                self._logs.close()
                self._logs = None

    async def _run_once(self) -> str | None:
        """Run the watcher until it ends; returns why it failed, or None when the source ended."""
        self._enter("starting", None)
        try:
            process = await asyncio.create_subprocess_exec(
                *guarded([sys.executable, "-m", f"{__package__}.watcher_process"]),
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the runtime, which ends it in order
                limit=LINE_LIMIT,
            )
        except OSError as error:
            return f"no process could be started: {error.strerror}"
        self._now.pid = process.pid
        failure: str | None = None
        try:
            await self._send_configuration(process)
            failure = await self._follow(process)
            status = await process.wait()
        except asyncio.CancelledError:
            await self._end(process)
            raise
        finally:
            await self._kill(process)
            self._now.pid = None
        if status == 0:
            return failure
        if status < 0 and failure is None:
            return f"its process was ended by {signal.Signals(-status).name}"
        return failure or f"its process ended with status {status}; see {self.camera.name}.log"

    async def _send_configuration(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None  # noqa: S101 - asked for
        settings = {
            "name": self.camera.name,
            "source": self.camera.source,
            "rate": self.camera.rate,
            "regions": self.camera.regions,
            "bucket": self._destination.bucket,
            "endpoint_url": self._destination.endpoint_url,
            "spool": str(self._destination.data / "spool"),
        }
        # One that ended at once says why by its status.
        with contextlib.suppress(ConnectionError):
            process.stdin.write(json.dumps(settings).encode())
            await process.stdin.drain()
        process.stdin.close()

    async def _follow(self, process: asyncio.subprocess.Process) -> str | None:
        """Read what it says until it ends; returns the failure that it named."""
        assert process.stdout is not None  # noqa: S101 - asked for
        failure: str | None = None
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    line = await process.stdout.readline()
            except TimeoutError:
                self._signal(process, signal.SIGKILL)
                return f"its process said nothing for {SILENCE_S:g} s"
            except ValueError:  # a line beyond the limit
                continue
            if not line:
                return failure
            event = parse_object(line)
            if event is None:
                self._log("WARNING", line.decode("utf-8", "replace").rstrip())
            elif event.get("event") == "ended" and not event.get("complete"):
                failure = f"{event.get('frames_waiting')} objects wait in the spool"
            elif event.get("event") == "failed":
                self._now.refused = bool(event.get("refused"))
                failure = self._public(f"{event.get('reason')} {event.get('remedy') or ''}").strip()
            else:
                self._note(event)

    def _note(self, event: Mapping[str, Any]) -> None:
        match event.get("event"):
            case "started":
                self._log("INFO", "the source is open")
            case "warning":
                self._log("WARNING", str(event.get("message")))
            case "waiting":
                reason = self._public(str(event.get("reason")))
                self._enter("waiting", reason, retry_in_s=float(event.get("retry_in_s") or 0))
            case "progress":
                self._note_progress(event)

    def _note_progress(self, event: Mapping[str, Any]) -> None:
        self._now.progress = event
        read = int(event.get("frames_read", 0))
        if read == self._now.frames_read:
            return
        self._now.frames_read = read
        self._now.last_image_at = time.monotonic()
        if self._now.state != "running":
            self._enter("running", None)

    def _enter(self, state: State, reason: str | None, retry_in_s: float | None = None) -> None:
        now = self._now
        changed = (now.state, now.reason) != (state, reason)
        now.state, now.reason = state, reason
        now.retry_at = None if retry_in_s is None else time.monotonic() + retry_in_s
        if state == "starting":
            now.frames_read, now.refused = 0, False
        if changed:
            level = "WARNING" if state == "waiting" else "INFO"
            message = f"camera is {state}" + (f": {reason}" if reason else "")
            self._log(level, message)
            self._runtime_logs.write(level, message, camera=self.camera.name)

    def _log(self, level: str, message: str) -> None:
        if self._logs is not None:
            self._logs.write(level, self._public(message), camera=self.camera.name)

    def _public(self, text: str) -> str:
        return without_secrets(text, self.camera.source)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Ask it to end, and give it time to deliver what it has read."""
        self._signal(process, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_GRACE_S):
                await self._follow(process)
                await process.wait()

    async def _kill(self, process: asyncio.subprocess.Process) -> None:
        # The group outlives its leader while any process of it is left.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    @staticmethod
    def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
