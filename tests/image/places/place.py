"""What a place is to the suite."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from hearth_runtime.engine.functions import FunctionSpec
from tests.image.places.backing import Backing, backing
from tests.image.places.contract import Case

EVERY_TIME = "process,container"
"""Places that are tried when `HEARTH_PLACES` names no others; `all` means every one."""


class Invoke(Protocol):
    def __call__(self, spec: FunctionSpec, event: Mapping[str, Any]) -> Any:
        """What the function answers to the event, as `answers.comparable` gives it."""


class Open(Protocol):
    def __call__(self, backing: Backing) -> AbstractContextManager[Invoke]:
        """Start what the place needs; end it and every container of it afterwards."""


Around = Callable[..., AbstractContextManager[Backing]]
"""Given a folder, the URL of an empty database and the template's parameters: S3, SQS and the
database, with the template's resources."""


@dataclass(frozen=True)
class Place:
    """One way to run the functions.

    Attributes:
        name: As in `HEARTH_PLACES`.
        open: Starts it.
        stage: Stage of the image that it runs; empty where it needs no image.
        around: Makes what the functions need around them.
        whole: Whether it is asked every case each time (tests/image/places/scope.py).
        asks: Whether it is asked an event, given those that it was asked before. The others are
            handled by a process, so that the database is in the same state everywhere.
    """

    name: str
    open: Open
    stage: str = "hardened"
    around: Around = backing
    whole: bool = False
    asks: Callable[[Case, Mapping[str, Any], Sequence[Case]], bool] = lambda case, event, done: True

    def wanted(self) -> bool:
        """Whether this run tries it."""
        names = os.environ.get("HEARTH_PLACES") or EVERY_TIME
        return names == "all" or self.name in names.split(",")
