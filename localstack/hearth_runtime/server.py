"""Starts a whole stack in the right order, keeps it running, and ends it without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .stack_state import StackState


@dataclass(frozen=True)
class RuntimeConfig:
    """How to run one stack.

    `data` holds everything that outlives the process. `port` (gateway) and `control_port` of 0
    take free ports. `endpoint_url` None starts MiniStack on loopback. `parameters` override the
    template's defaults; `replicas` maps short function names to processes; `idle_s` is the idle
    time in seconds after which a function's process ends. `log_format` is "json" or "text".
    """

    template: Path
    data: Path
    stack: str = "hearth"
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    endpoint_url: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    replicas: Mapping[str, int] = field(default_factory=dict)
    idle_s: float = 300.0
    log_format: str = "json"


async def serve(
    config: RuntimeConfig, *, ready: Callable[[StackState], None], stop: asyncio.Event
) -> None:
    """Run the stack until `stop` is set; `ready` is called once everything answers.

    Raises SetupError (stack_state.py) with one sentence when the stack cannot start as asked.
    """
    raise NotImplementedError
