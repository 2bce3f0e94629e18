"""Asks one provider after the other until one gives a usable answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from hearth_llm.chat import Chat, ChatRefused, ChatUnavailable

T = TypeVar("T")


class Breaker(Protocol):
    """Whether to call a provider at all; `hearth_llm.breaker.CircuitBreaker` is one."""

    def allows_call(self) -> bool: ...
    def record_success(self) -> None: ...
    def record_failure(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Provider:
    """A language model and the circuit breaker that guards it."""

    chat: Chat
    breaker: Breaker | None = None


class NoProviderAnswered(ChatUnavailable):
    """No provider gave a usable answer; the message says of each why not."""


class ProviderChain:
    """Providers in the order in which they are asked."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = tuple(providers)

    def ask(self, system: str, user: str, parse: Callable[[str, str], T], *, budget_s: float) -> T:
        """Return the first answer that `parse` accepts, within `budget_s` seconds for all.

        Args:
            parse: Takes the answer and the model's name, and raises ChatRefused for an answer that
                is of no use, which then counts as a failure of the provider.

        Raises:
            NoProviderAnswered: All providers failed, or their breakers are open.
            Unavailable: The database with the state of the breakers does not answer.
        """
        expires = time.monotonic() + budget_s
        left_s = budget_s
        reasons: list[str] = []
        for provider in self._providers:
            name, breaker = provider.chat.model, provider.breaker
            if breaker is not None and not breaker.allows_call():
                reasons.append(f"language model {name} is paused after repeated failures")
                continue
            try:
                answer = parse(provider.chat.complete(system, user, budget_s=left_s), name)
            except (ChatUnavailable, ChatRefused) as error:
                if breaker is not None:
                    breaker.record_failure()
                reasons.append(f"language model {name} did not help: {error.message}")
                left_s = expires - time.monotonic()
                if left_s <= 0:
                    break
                continue
            if breaker is not None:
                breaker.record_success()
            return answer
        raise NoProviderAnswered("; ".join(reasons) or "no language model is configured")
