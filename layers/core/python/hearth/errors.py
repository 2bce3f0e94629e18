"""Every error that Hearth raises on purpose.

Two questions choose a leaf: whose fault is it, and would a retry help?

    HearthError
    ├── CallerError            the caller's fault: a retry with the same input fails again
    │   ├── InvalidInput       400  malformed or outside its limits
    │   ├── Unauthenticated    401  nobody we know, or no longer
    │   ├── Forbidden          403  known, but not allowed
    │   ├── NotFound           404  no such thing
    │   ├── Conflict           409  the thing exists already, or its state does not allow it
    │   ├── PreconditionFailed 412  the thing has changed since the caller read it (If-Match)
    │   ├── TooLarge           413  more bytes, pixels or rows than the border admits
    │   └── RateLimited        429  allowed, but not now: a later retry helps
    └── ServiceError           ours
        ├── ModelFailed        500  a model is missing, broken or answers nonsense: no retry helps
        ├── ModelUnavailable   424  a model that somebody has to install first: no retry helps
        ├── Unavailable        503  something we depend on does not answer: a later retry helps
        └── TimedOut           504  it took longer than it may: less work at a time helps

Foreign errors are translated into these once, at the edge that calls the foreign code, by type
and code and never by message text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class HearthError(Exception):
    """Base of the tree.

    Args:
        message: One sentence that a person can act on; it reaches the caller.
        details: One mapping for each thing that is wrong (`field`, `message`); the raiser bounds
            how many.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, details: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details: tuple[Mapping[str, Any], ...] = tuple(details)


class CallerError(HearthError):
    """The caller's fault."""


class InvalidInput(CallerError):
    code = "VALIDATION_ERROR"
    status = 400


class Unauthenticated(CallerError):
    code = "UNAUTHENTICATED"
    status = 401


class Forbidden(CallerError):
    code = "FORBIDDEN"
    status = 403


class NotFound(CallerError):
    code = "NOT_FOUND"
    status = 404


class Conflict(CallerError):
    code = "CONFLICT"
    status = 409


class PreconditionFailed(CallerError):
    code = "PRECONDITION_FAILED"
    status = 412


class TooLarge(CallerError):
    code = "TOO_LARGE"
    status = 413


class RateLimited(CallerError):
    code = "RATE_LIMIT_EXCEEDED"
    status = 429
    retryable = True


class ServiceError(HearthError):
    """Our fault, or that of something we depend on."""


class ModelFailed(ServiceError):
    code = "MODEL_FAILED"
    status = 500


class ModelUnavailable(ServiceError):
    code = "MODEL_UNAVAILABLE"
    status = 424


class Unavailable(ServiceError):
    code = "UNAVAILABLE"
    status = 503
    retryable = True


class TimedOut(ServiceError):
    code = "TIMED_OUT"
    status = 504
