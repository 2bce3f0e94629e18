"""One instance of a function: its process, its Runtime API, and the invocation it works on.

    starting ──first poll──► idle ──event──► busy ──answer──► returning ──poll──► idle
        └───────────────── exit, kill ────────┴────────────────┴────────────► stopped

`returning` is the moment between an answer and the next poll; it ends by itself, so the supervisor
waits for it instead of starting another instance.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from hearth_runtime.launchers.process import Launcher, Memory, Process
from hearth_runtime.observe.emf import is_emf
from hearth_runtime.observe.logs import LineSplitter, LogStream, Tail, parse_object
from hearth_runtime.observe.metrics import FunctionMetrics, Metrics

from .environment import function_arn, lambda_environment
from .functions import RESPONSE_LIMIT, FunctionSpec, InvokeResult
from .runtime_api import ACCEPTED, INVALID_REQUEST_ID, TOO_LARGE, Answer, RuntimeApi

State = Literal["starting", "idle", "busy", "returning", "stopped"]
UNHANDLED = "Unhandled"
TERMINATE_GRACE_S = 2.0  # from SIGTERM to SIGKILL for a process that has nothing to do
LAST_WORDS = 300  # bytes of what a process wrote before it ended without a word to us
STOPPED = ("Runtime.ExitError", "Runtime stopped by the supervisor")


@dataclass(slots=True, eq=False)
class Invocation:
    """One event on its way through an instance. Times are of `time.monotonic`, in seconds."""

    request_id: str
    payload: bytes
    client_context: str | None
    trace_id: str
    answer: asyncio.Future[InvokeResult]
    tail: Tail = field(default_factory=Tail)
    cold: bool = False
    started: float = 0.0
    deadline: asyncio.TimerHandle | None = None

    def fail(self, error: bytes, duration_ms: float = 0.0) -> None:
        """Answer with an error; harmless when it has been answered, or nobody waits any more."""
        if not self.answer.done():
            tail = self.tail.bytes()
            self.answer.set_result(
                InvokeResult(self.request_id, error, UNHANDLED, tail, duration_ms, self.cold)
            )


class Pool(Protocol):
    """Callbacks of an instance to its supervisor."""

    def ready(self, instance: Instance) -> None: ...
    def ended(self, instance: Instance, error: Mapping[str, Any] | None) -> None: ...
    def init_failed(self, instance: Instance, error: bytes, *, explained: bool) -> None: ...
    def gone(self, instance: Instance) -> None: ...


class Instance:
    """Implements `RuntimeEvents`: what its process does over the Runtime API."""

    def __init__(
        self,
        spec: FunctionSpec,
        name: str,
        *,
        pool: Pool,
        launcher: Launcher,
        logs: LogStream,
        metrics: Metrics,
        counters: FunctionMetrics,
        region: str,
        init_timeout_s: float,
    ) -> None:
        self.name = name
        self.state: State = "starting"
        self.since = time.monotonic()
        self.memory = Memory(0.0, 0.0)
        self.process: Process | None = None
        self.invocations = 0
        self._spec = spec
        self._pool = pool
        self._launcher = launcher
        self._logs = logs
        self._metrics = metrics
        self._counters = counters
        self._region = region
        # As on AWS, an init that is not done in time goes on in the first invocation's time.
        self._init_timeout_s = init_timeout_s + spec.timeout_s
        self._init_deadline: asyncio.TimerHandle | None = None
        self._init_ms: float | None = None  # None until the first poll
        self._init_answered = False
        self._current: Invocation | None = None
        self._last_request: str | None = None
        self._last_line = ""  # of what it wrote before its first poll
        self._killed: tuple[str, str] | None = None  # errorType, text, when we end the process
        self._retiring = False  # its next poll is its last
        self._api = RuntimeApi(self)
        self._lines = LineSplitter(self._line)

    @property
    def idle(self) -> bool:
        """Whether an event can be handed over now."""
        return self.state == "idle" and self._killed is None

    @property
    def leaving(self) -> bool:
        """Whether it was ended, or is about to go by itself."""
        return self._killed is not None

    @property
    def coming(self) -> bool:
        """Whether it will be idle by itself in a moment."""
        healthy = self._killed is None and not self._init_answered
        return healthy and not self._retiring and self.state in ("starting", "returning")

    async def run(self) -> None:
        """Start the process and stay until it has ended."""
        loop = asyncio.get_running_loop()
        try:
            address = await self._api.start(self._launcher.runtime_api_host)
            environment = lambda_environment(self._spec, self.name, self._region)
            self.process = await self._launcher.launch(
                self._spec, address, environment, self._lines.feed
            )
            self._api.only_for(self.process.address)
            if self._killed is not None:  # stopped meanwhile
                self.process.kill()
            self._init_deadline = loop.call_later(self._init_timeout_s, self._init_timed_out)
            status = await self.process.wait()
            self._exited(status)
        except OSError as error:
            message = f"{self._spec.handler} could not be started: {error}"
            self._init_error(error_body("Runtime.LaunchError", message))
        finally:
            self._set_state("stopped")
            if self._init_deadline is not None:
                self._init_deadline.cancel()
            self._api.close()
            self._pool.gone(self)

    def hand_over(self, invocation: Invocation) -> bool:
        """Give an event to the idle process; False when it isn't there any more."""
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self._spec.timeout_s) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": function_arn(self._spec.name, self._region),
            "Lambda-Runtime-Trace-Id": invocation.trace_id,
        }
        if invocation.client_context is not None:
            headers["Lambda-Runtime-Client-Context"] = invocation.client_context
        if not self._api.hand_over(headers, invocation.payload):
            self._set_state("returning")  # it polls again, or its exit is about to be seen
            return False
        invocation.cold = self.invocations == 0
        invocation.started = time.monotonic()
        invocation.deadline = asyncio.get_running_loop().call_later(
            self._spec.timeout_s, self._timed_out, invocation
        )
        self.invocations += 1
        self._current = invocation
        self._last_request = invocation.request_id
        self._set_state("busy")
        text = f"START RequestId: {invocation.request_id} Version: $LATEST"
        invocation.tail.add(text.encode())
        self._record("DEBUG", "START", invocation.request_id)
        return True

    def measure(self) -> None:
        """Read its memory; end it when it takes more than the template allows."""
        measured = self.process.memory() if self.process is not None else None
        if measured is None or self.state == "stopped":
            return
        # What a child took is in no later look at its parent.
        self.memory = Memory(measured.now_mb, max(measured.peak_mb, self.memory.peak_mb))
        if measured.now_mb > self._spec.memory_mb and self._killed is None:
            used = f", used {measured.now_mb:.0f} MB"
            self.kill("Runtime.OutOfMemory", self._over_limit(used))

    def kill(self, error_type: str, reason: str, message: str | None = None) -> None:
        """End the process now; a running invocation gets this error (`message`, or `reason`)."""
        self._killed = (error_type, reason)
        self._record("ERROR", reason, self._current.request_id if self._current else None)
        if self.process is not None:
            self.process.drain()
            self.process.kill()
        if (invocation := self._current) is not None:
            said = message or f"RequestId: {invocation.request_id} Error: {reason}"
            self._fail(invocation, error_type, said)

    def terminate(self) -> None:
        """Ask the process to end. Its Runtime API goes after it: awslambdaric would complain."""
        self._killed = self._killed or STOPPED
        if self.process is not None:
            self.process.terminate()
            asyncio.get_running_loop().call_later(TERMINATE_GRACE_S, self.process.kill)

    def recycle(self) -> None:
        """End it before its next event: at once, or when it has answered the one it works on."""
        if self.state in ("busy", "returning"):
            self._retiring = True
        else:
            self.terminate()

    # ---- RuntimeEvents ----

    def polled(self) -> None:
        if self._init_ms is None:
            seconds = time.monotonic() - self.since
            self._init_ms = seconds * 1000
            self._counters.initialised(seconds)
            if self._init_deadline is not None:
                self._init_deadline.cancel()
        if self._current is not None:
            self._fail(
                self._current,
                "Runtime.NoResponse",
                f"RequestId: {self._current.request_id} Error: the function's process asked for "
                "the next event without answering this one",
            )
        if self._retiring:
            self.terminate()
        elif self._killed is None:
            self._set_state("idle")
            self._pool.ready(self)

    def responded(self, request_id: str, body: bytes | None) -> Answer:
        if (invocation := self._current) is None or invocation.request_id != request_id:
            return INVALID_REQUEST_ID
        if body is None:
            self._fail(
                invocation,
                "Function.ResponseSizeTooLarge",
                "Response payload size exceeded maximum allowed payload size "
                f"({RESPONSE_LIMIT} bytes).",
            )
            return TOO_LARGE
        self._settle(invocation, body, None)
        return ACCEPTED

    def failed(self, request_id: str, body: bytes | None) -> Answer:
        if (invocation := self._current) is None or invocation.request_id != request_id:
            return INVALID_REQUEST_ID
        if body is None:
            self._fail(
                invocation, "Function.ResponseSizeTooLarge", "The error is larger than 6 MB."
            )
            return TOO_LARGE
        self._settle(invocation, body, parse_object(body) or {"errorType": "Runtime.Unknown"})
        return ACCEPTED

    def init_failed(self, body: bytes | None) -> Answer:
        if body is None or parse_object(body) is None:
            body = error_body("Runtime.InitError", "the function failed while it was imported")
        self._drain()
        self._init_error(body)
        return ACCEPTED

    # ---- ends ----

    def _settle(self, invocation: Invocation, body: bytes, error: Mapping[str, Any] | None) -> None:
        duration_ms = (time.monotonic() - invocation.started) * 1000
        self._drain()  # before the request id of the next line changes
        self._current = None
        self._set_state("returning")
        if invocation.deadline is not None:
            invocation.deadline.cancel()
        if self.invocations == 1 and self.process is not None:
            self.memory = self.process.memory() or self.memory  # too early for the first look
        failed = error is not None
        error_type = error.get("errorType") if error is not None else None
        self._counters.ended(duration_ms / 1000, failed, error_type)
        self._pool.ended(self, error)
        report, text = self._report(invocation, duration_ms)
        invocation.tail.add(f"END RequestId: {invocation.request_id}".encode())
        invocation.tail.add(text.encode())
        if not invocation.answer.done():
            invocation.answer.set_result(
                InvokeResult(
                    invocation.request_id,
                    body,
                    UNHANDLED if error is not None else None,
                    invocation.tail.bytes(),
                    duration_ms,
                    invocation.cold,
                )
            )
        # The caller goes on first; it does not wait for our writing.
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: self._record("INFO", "REPORT", invocation.request_id, **report))

    def _fail(self, invocation: Invocation, error_type: str, message: str) -> None:
        error = {"errorType": error_type, "errorMessage": message}
        self._settle(invocation, json.dumps(error).encode(), error)

    def _init_error(self, body: bytes, *, explained: bool = True) -> None:
        if not self._init_answered:
            self._init_answered = True
            self._pool.init_failed(self, body, explained=explained)

    def _timed_out(self, invocation: Invocation) -> None:
        if self._current is not invocation:
            return
        self._drain()
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = f"Task timed out after {self._spec.timeout_s:.2f} seconds"
        message = f"{stamp} {invocation.request_id} {text}"
        invocation.tail.add(message.encode())
        self.kill("Sandbox.Timedout", text, message)

    def _init_timed_out(self) -> None:
        if self._init_ms is None:
            text = f"Init timed out after {self._init_timeout_s:.2f} seconds"
            self.kill("Sandbox.Timedout", text)

    def _exited(self, status: int) -> None:
        self._lines.flush()
        if self._killed is None and self.process is not None and self.process.out_of_memory:
            self._killed = ("Runtime.OutOfMemory", self._over_limit())
            request_id = self._current.request_id if self._current else None
            self._record("ERROR", self._killed[1], request_id)
        error_type, text = self._killed or ("Runtime.ExitError", _exit_text(status))
        if self._init_ms is None and self._killed != STOPPED:
            explained = self._killed is not None
            if not explained and self._last_line:
                text += f" ({self._last_line})"
            self._init_error(error_body(error_type, f"Error: {text}"), explained=explained)
        if (invocation := self._current) is not None:
            message = f"RequestId: {invocation.request_id} Error: {text}"
            self._fail(invocation, error_type, message)
        if self._killed is None:
            self._record("ERROR", text)

    # ---- logging ----

    def _over_limit(self, used: str = "") -> str:
        limit = f"memory limit {self._spec.memory_mb} MB{used}"
        return f"Runtime exited with error: signal: killed ({limit}): raise its MemorySize"

    def _drain(self) -> None:
        if self.process is not None:
            self.process.drain()

    def _line(self, line: bytes) -> None:
        if is_emf(line) and (document := parse_object(line)) is not None:
            self._metrics.observe_emf(self._spec.short_name, document)
            return
        if self._init_ms is None:
            self._last_line = line[:LAST_WORDS].decode("utf-8", "replace")
        # As on AWS, what is written between two events counts to the first. What a container
        # writes may also come up to a millisecond after its answer.
        request_id = self._last_request
        if self._current is not None:
            request_id = self._current.request_id
            self._current.tail.add(line)
        self._logs.function_line(self._spec.short_name, self.name, request_id, line)

    def _record(self, level: str, message: str, request_id: str | None = None, **more: Any) -> None:
        about = {"function": self._spec.short_name, "instance": self.name}
        if request_id is not None:
            about["request_id"] = request_id
        self._logs.write(level, message, **about, **more)

    def _report(self, invocation: Invocation, duration_ms: float) -> tuple[dict[str, Any], str]:
        """What Lambda's REPORT line says, as fields and as its text."""
        billed = int(-(-duration_ms // 1))
        fields = {
            "duration_ms": round(duration_ms, 2),
            "billed_ms": billed,
            "memory_mb": self._spec.memory_mb,
            "max_memory_mb": round(self.memory.peak_mb),
        }
        text = (
            f"REPORT RequestId: {invocation.request_id}\tDuration: {duration_ms:.2f} ms\t"
            f"Billed Duration: {billed} ms\tMemory Size: {self._spec.memory_mb} MB\t"
            f"Max Memory Used: {self.memory.peak_mb:.0f} MB\t"
        )
        if invocation.cold and self._init_ms is not None:
            fields["init_ms"] = round(self._init_ms, 2)
            text += f"Init Duration: {self._init_ms:.2f} ms\t"
        return fields, text

    def _set_state(self, state: State) -> None:
        self.state = state
        self.since = time.monotonic()


def error_body(error_type: str, message: str) -> bytes:
    """An error in the shape that Lambda answers with."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


def _exit_text(status: int) -> str:
    if status >= 0:
        return f"Runtime exited with error: exit status {status}"
    name = signal.strsignal(-status) or f"signal {-status}"
    return f"Runtime exited with error: signal: {name.lower()}"
