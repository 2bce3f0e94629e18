"""Description of a function, result of an invocation, and the engine's errors.

    RuntimeRefusal
    ├── FunctionNotFound     404  no function of that name
    ├── PayloadTooLarge      413  more bytes than Lambda takes
    ├── TooManyRequests      429  queue full, or reserved concurrency used up
    └── EngineStopping       503  the runtime is shutting down

A function that *fails* raises nothing: its error is a result with `function_error` set, as on AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal

SYNC_PAYLOAD_LIMIT = 6 * 1024 * 1024  # bytes, request of a RequestResponse invocation
EVENT_PAYLOAD_LIMIT = 1024 * 1024  # bytes, request of an Event invocation
RESPONSE_LIMIT = 6 * 1024 * 1024 + 100  # bytes, Lambda's own odd number: 6,291,556

FunctionState = Literal["cold", "starting", "idle", "busy", "backing_off"]


class RuntimeRefusal(Exception):
    """The engine did not take an invocation; `code` and `status` are the Lambda API's."""

    code: ClassVar[str] = "ServiceException"
    status: ClassVar[int] = 500


class FunctionNotFound(RuntimeRefusal):
    code = "ResourceNotFoundException"
    status = 404


class PayloadTooLarge(RuntimeRefusal):
    code = "RequestTooLargeException"
    status = 413


class TooManyRequests(RuntimeRefusal):
    """`reason` is the Lambda API's: why the call was throttled."""

    code = "TooManyRequestsException"
    status = 429

    def __init__(self, message: str, reason: str = "ConcurrentInvocationLimitExceeded") -> None:
        super().__init__(message)
        self.reason = reason


class EngineStopping(RuntimeRefusal):
    code = "ServiceException"
    status = 503


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One function as the template describes it.

    Attributes:
        name: Physical name, "hearth-detection".
        short_name: Name a person uses, "detection".
        handler: Dotted path, "functions.detection.main.lambda_handler".
        environment: What the template gives it, on top of what Lambda gives every function.
        timeout_s: Seconds one invocation may take.
        memory_mb: Resident megabytes (2**20 bytes) one instance may take.
        reserved_concurrency: Invocations in flight at most; 0 refuses all; None is unlimited.
    """

    name: str
    short_name: str
    handler: str
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 3.0
    memory_mb: int = 128
    reserved_concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class InvokeResult:
    """Answer to one invocation.

    Attributes:
        payload: What it answered; with `function_error`, JSON with errorType and errorMessage.
        function_error: "Unhandled" when the function raised, crashed or ran out of time.
        log_tail: Last 4 KB of what it logged, as X-Amz-Log-Type: Tail gives it.
        duration_ms: From handing over the event to the answer, without start and waiting.
        cold: Whether the instance was started for it.
    """

    request_id: str
    payload: bytes
    function_error: str | None
    log_tail: bytes
    duration_ms: float
    cold: bool


@dataclass(frozen=True, slots=True)
class FunctionStatus:
    """One function at this moment; `state` is that of its busiest instance.

    Attributes:
        pids: Processes alive now.
        replicas: Instances it may have at most.
        instances: How many of them are in each state (starting, idle, busy).
        queued: Invocations that wait for an instance.
        errors: Invocations that ended with `function_error`.
        last_error: "errorType: errorMessage" of the last one.
        rss_mb: Resident megabytes of all its instances together.
        last_used: UTC.
    """

    name: str
    short_name: str
    state: FunctionState
    pids: tuple[int, ...]
    replicas: int
    instances: Mapping[str, int]
    queued: int
    invocations: int
    errors: int
    last_error: str | None
    rss_mb: float
    last_used: datetime | None
