"""What all capabilities declare, Hearth's own and a user's, as the functions look it up.

Hearth's own are in `hearth.declared`, which `scripts/declare` writes. Those of a user's functions
come in the environment variable `PLUGINS`, a JSON object with the same tables:

    {"permissions": {"pool:read": "user"}, "jobs": {"pool.clean": "record"}, "events": {},
     "subscribers": {"task.created": ["pool"]}, "queues": ["pool"], "functions": ["pool"]}
"""

from __future__ import annotations

import json
import os
from typing import Any, Final

from hearth import declared


def _from_environment() -> dict[str, Any]:
    text = os.environ.get("PLUGINS") or "{}"
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"PLUGINS must be what scripts/declare.py --plugins prints, not {text[:80]!r}"
        ) from error
    return found


def _merged(own: dict[str, Any], plugins: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted((own | plugins).items()))


_plugins: Final[dict[str, Any]] = _from_environment()

PERMISSIONS: Final[dict[str, str]] = _merged(declared.PERMISSIONS, _plugins.get("permissions", {}))
"""Permission → the least role that has it."""
RETENTIONS: Final[dict[str, str]] = _merged(
    declared.JOBS | declared.EVENTS, _plugins.get("jobs", {}) | _plugins.get("events", {})
)
"""Kind of job, which may be a type of event → how long one that is done is kept."""
SUBSCRIBERS: Final[dict[str, tuple[str, ...]]] = {
    event_type: tuple(
        sorted(
            {
                *declared.SUBSCRIBERS.get(event_type, ()),
                *_plugins.get("subscribers", {}).get(event_type, ()),
            }
        )
    )
    for event_type in sorted({*declared.SUBSCRIBERS, *_plugins.get("subscribers", {})})
}
"""Type of domain event → queues that get it."""
QUEUES: Final[tuple[str, ...]] = tuple(sorted({*declared.QUEUES, *_plugins.get("queues", ())}))
"""Names of all queues, without the stack's."""
FUNCTIONS: Final[tuple[str, ...]] = tuple(
    sorted({*declared.FUNCTIONS, *_plugins.get("functions", ())})
)
"""Names of all Lambda functions, without the stack's."""


def kinds_kept(retention: str) -> tuple[str, ...]:
    """The kinds of jobs with this retention."""
    return tuple(kind for kind, kept in RETENTIONS.items() if kept == retention)


def events_for(queue: str) -> tuple[str, ...]:
    """The types of domain events that `queue` gets."""
    return tuple(event_type for event_type, queues in SUBSCRIBERS.items() if queue in queues)
