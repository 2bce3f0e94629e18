"""The port to a language model, its errors, and retries with back-off."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from hearth.errors import ModelFailed, Unavailable

if TYPE_CHECKING:
    from tenacity import RetryCallState

ATTEMPTS = 4
FIRST_PAUSE_S = 0.2


class Chat(Protocol):
    """A language model."""

    @property
    def model(self) -> str:
        """Its name, as answers state it."""

    def complete(self, system: str, user: str, *, budget_s: float) -> str:
        """Return the model's answer to one question.

        Raises:
            ChatUnavailable: No answer within `budget_s` seconds, retries included.
            ChatRefused: The endpoint refused, or answered without text; a retry would not help.
        """


class ChatUnavailable(Unavailable):
    """The endpoint does not answer, is overloaded or broke off.

    Args:
        message: What happened, without text of the endpoint.
        retry_after_s: How long the endpoint asks to wait, in seconds.
    """

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ChatRefused(ModelFailed):
    """The endpoint refused the request, or its answer is of no use."""


def with_retries(call: Callable[[float], str], budget_s: float) -> str:
    """Call until it succeeds: four attempts, 0.2, 0.4 and 0.8 s apart (with jitter).

    A Retry-After that fits into the budget is honoured; where it does not fit, or no time is left,
    the last error is raised at once.

    Args:
        call: Makes one attempt; takes the seconds that are left.
        budget_s: Seconds for all attempts together.

    Raises:
        ChatUnavailable: The last attempt failed and a later call may succeed.
        ChatRefused: An attempt failed for good.
    """
    from tenacity import (
        Retrying,
        retry_if_exception_type,
        stop_after_attempt,
        stop_before_delay,
    )

    expires = time.monotonic() + budget_s
    attempts = Retrying(
        retry=retry_if_exception_type(ChatUnavailable),
        stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(budget_s),
        wait=_pause,
        reraise=True,
    )
    return attempts(lambda: call(max(0.001, expires - time.monotonic())))


def _pause(state: RetryCallState) -> float:
    pause: float = FIRST_PAUSE_S * 2.0 ** (state.attempt_number - 1) * random.uniform(0.75, 1.25)  # noqa: S311
    error = state.outcome.exception() if state.outcome else None
    retry_after_s = error.retry_after_s if isinstance(error, ChatUnavailable) else 0.0
    return max(pause, retry_after_s)
