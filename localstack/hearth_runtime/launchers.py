"""How an instance of a function is started: as a process now, as a container later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from .functions import FunctionSpec


class Process(Protocol):
    """A running instance."""

    @property
    def pid(self) -> int: ...


class Launcher(Protocol):
    """The seam between the supervisor and where functions run."""

    async def launch(
        self,
        spec: FunctionSpec,
        runtime_api: str,
        env: Mapping[str, str],
        output: Callable[[bytes], None],
    ) -> Process:
        """Start one instance that polls `runtime_api` ("host:port")."""
        ...


class ProcessLauncher:
    """Starts a function as `python -m awslambdaric <handler>` of this virtual environment."""

    def __init__(self, project_root: Path, environment: Mapping[str, str] | None = None) -> None:
        """`environment`: credentials, AWS_ENDPOINT_URL and what else every function gets."""
        raise NotImplementedError
