"""The engine: takes invocations of any function and runs them on supervised instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .functions import FunctionSpec, FunctionStatus, InvokeResult
from .launchers import Launcher
from .logs import LogStream
from .metrics import Metrics


class Engine:
    """Runs functions. One per runtime; use it from the event loop that called `start`."""

    def __init__(
        self,
        functions: Sequence[FunctionSpec],
        *,
        launcher: Launcher,
        logs: LogStream,
        metrics: Metrics,
        replicas: Mapping[str, int] | None = None,
        idle_s: float = 300,
        max_queue: int = 1000,
        init_timeout_s: float = 10,
        region: str = "us-east-1",
        event_retry_delays_s: Sequence[float] = (60, 120),
    ) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        raise NotImplementedError

    async def stop(self, grace_s: float = 10) -> None:
        raise NotImplementedError

    async def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        client_context: str | None = None,
        request_id: str | None = None,
        trace_id: str | None = None,
    ) -> InvokeResult:
        """Invoke by short or physical name and wait for the answer.

        Raises:
            FunctionNotFound, PayloadTooLarge, TooManyRequests, EngineStopping.
        """
        raise NotImplementedError

    def invoke_event(
        self, function: str, payload: bytes, *, client_context: str | None = None
    ) -> str:
        """Queue an Event invocation; returns its request id. Raises what `invoke` raises."""
        raise NotImplementedError

    def status(self) -> list[FunctionStatus]:
        raise NotImplementedError
