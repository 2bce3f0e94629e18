"""What a template asks of its surroundings, resolved: the plan that the runtime carries out.

Everything here is plain data. Queues are named by logical id, functions by physical name.
`template_reader.py` makes it from template.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hearth_runtime.engine.functions import FunctionSpec


@dataclass(frozen=True, slots=True)
class Redrive:
    """After `max_receive_count` receipts a message moves to the queue `queue_id`."""

    queue_id: str
    max_receive_count: int


@dataclass(frozen=True, slots=True)
class Queue:
    """`attributes` are SQS queue attributes as CreateQueue takes them, without the redrive."""

    logical_id: str
    name: str
    attributes: Mapping[str, str]
    redrive: Redrive | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """Objects whose key has `prefix` and `suffix` are announced on `queue_id`."""

    event: str
    queue_id: str
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Expiration:
    """Objects whose key has `prefix` are removed `days` after they were stored."""

    prefix: str
    days: int


@dataclass(frozen=True, slots=True)
class Bucket:
    logical_id: str
    name: str
    notifications: tuple[Notification, ...] = ()
    expirations: tuple[Expiration, ...] = ()


@dataclass(frozen=True, slots=True)
class Throttle:
    """A token bucket: `rate` requests a second, `burst` at once."""

    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class Cors:
    """Cross-origin rules; "*" stands for all. `max_age_s` None sends no Access-Control-Max-Age."""

    origins: tuple[str, ...]
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_s: int | None = None
    credentials: bool = False


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A Lambda authorizer of payload 2.0 with simple answers.

    Attributes:
        identity: Where a request shows who calls, such as `$request.header.Authorization`; an
            answer is kept for a request that shows the same.
        ttl_s: Seconds for which an answer is kept; 0 asks for every request.
    """

    name: str
    function: str
    identity: tuple[str, ...] = ()
    ttl_s: int = 300


@dataclass(frozen=True, slots=True)
class Route:
    """`method` is ANY or a method in upper case; `path` is "$default" for the catch-all route.

    `authorizer` is None where nobody is asked; `public` where the template says so on purpose.
    """

    function: str
    method: str
    path: str
    authorizer: Authorizer | None = None
    public: bool = False
    timeout_s: float = 30.0
    throttle: Throttle | None = None

    @property
    def key(self) -> str:
        return "$default" if self.path == "$default" else f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Api:
    """The HTTP API. `throttle` counts for every route that has none of its own."""

    routes: tuple[Route, ...] = ()
    cors: Cors | None = None
    throttle: Throttle | None = None


@dataclass(frozen=True, slots=True)
class QueueMapping:
    """An SQS event source mapping. `maximum_concurrency` None leaves it to the poller."""

    function: str
    queue_id: str
    batch_size: int = 10
    window_s: float = 0.0
    maximum_concurrency: int | None = None
    partial_responses: bool = False
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Schedule:
    """`source` says whose event shape is sent: an EventBridge rule's, or the Scheduler's."""

    name: str
    function: str
    expression: str
    source: Literal["rule", "scheduler"]
    timezone: str = "UTC"
    input: str | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class CustomResource:
    logical_id: str
    kind: str
    function: str
    properties: Mapping[str, Any]
    timeout_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Template:
    """A whole template. `ignored` lists resources that need nothing at home, "Id (type)"."""

    functions: tuple[FunctionSpec, ...]
    queues: tuple[Queue, ...]
    buckets: tuple[Bucket, ...]
    api: Api
    mappings: tuple[QueueMapping, ...]
    schedules: tuple[Schedule, ...]
    custom_resources: tuple[CustomResource, ...]
    ignored: tuple[str, ...]
    outputs: Mapping[str, Any]
