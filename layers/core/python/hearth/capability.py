"""What a capability declares about itself, in `functions/<name>/capability.py`.

    CAPABILITY = Capability(
        name="tasks",
        functions=("tasks", "tasks-api"),
        permissions={"tasks:read": "user"},
        queue="tasks",
        jobs={"tasks.remind": "record"},
        publishes=(Published("task.created", "event_schemas:TaskCreated"),),
        subscribes=("safety.report.ready",),
        tables=("tasks",),
    )

`scripts/declare` gathers all of them into `hearth.declared`, because an image holds only its own
function and the core imports none. This module imports nothing, so that reading a declaration
costs nothing.

Rejected: reading the files when a function starts (they are not in its image); a registry in which
functions enter themselves at import (each process imports only its own function); TOML (mypy checks
this, and a name that does not exist is a syntax error).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

RoleName = Literal["guest", "user", "developer", "admin"]
Retention = Literal["always", "record", "repeatable"]
"""How long the ledger keeps a done job of a kind.

`always`: its row is what prevents the work from being done twice, such as a second e-mail.
`record`: for `RECORD_RETENTION_DAYS`; nobody repeats it after months.
`repeatable`: as long as the frame that it is about; repeating it changes nothing that anybody sees.
"""


@dataclass(frozen=True, slots=True)
class Published:
    """A domain event that a capability publishes.

    Attributes:
        type: Such as `task.created`.
        model: The model of its data, as `module:Class` within the capability's folder; written to
            `events/schemas` by scripts/event_schemas.py.
        version: Of the model.
        keep: How long the ledger keeps a delivered one.
    """

    type: str
    model: str
    version: int = 1
    keep: Retention = "record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """The declaration of one folder of `functions/`.

    Attributes:
        name: The name of the folder.
        functions: Names of its Lambda functions in `template.yaml`, without the stack's.
        permissions: Permission → the least role that has it.
        public_routes: Routes that anybody may call, such as `POST /api/v1/auth/login`. Every other
            route of its API must name a permission or ask for a caller.
        queue: The queue that its worker reads, named in `template.yaml`; empty where it has none.
        jobs: Kind of job that its worker does → how long the ledger keeps one that is done.
        publishes: Domain events.
        subscribes: Types of domain events that its queue gets.
        tables: Database tables that it owns; nobody else reads or writes them.
    """

    name: str
    functions: tuple[str, ...]
    permissions: Mapping[str, RoleName] = field(default_factory=dict)
    public_routes: tuple[str, ...] = ()
    queue: str = ""
    jobs: Mapping[str, Retention] = field(default_factory=dict)
    publishes: tuple[Published, ...] = ()
    subscribes: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
