"""Invocations that are waited for so long and no longer, as API Gateway waits."""

from __future__ import annotations

import asyncio
from typing import Protocol

from hearth_runtime.engine.functions import InvokeResult


class Invoker(Protocol):
    """What the gateway needs of the engine."""

    async def invoke(
        self, function: str, payload: bytes, *, request_id: str | None = None
    ) -> InvokeResult: ...


class Calls:
    """Invokes functions; one that nobody waits for any more runs on to its end, as on AWS."""

    def __init__(self, engine: Invoker) -> None:
        self._engine = engine
        self._late: set[asyncio.Task[InvokeResult]] = set()

    async def invoke(
        self, function: str, payload: bytes, *, request_id: str, timeout_s: float
    ) -> InvokeResult:
        """Its answer.

        Raises:
            TimeoutError: It has not come within `timeout_s`.
            RuntimeRefusal: The engine did not take the invocation.
        """
        # One id for the request and its invocation: their log records are found together.
        invocation = self._engine.invoke(function, payload, request_id=request_id)
        call = asyncio.ensure_future(invocation)
        done, _ = await asyncio.wait((call,), timeout=timeout_s)
        if done:
            return call.result()
        self._late.add(call)
        call.add_done_callback(self._forget)
        raise TimeoutError(f"{function} has not answered within {timeout_s:g} s")

    def _forget(self, call: asyncio.Task[InvokeResult]) -> None:
        self._late.discard(call)
        if not call.cancelled():
            call.exception()  # seen: nobody waits for it
