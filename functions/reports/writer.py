"""Who writes the narrative: the language model where one is configured and answers, else rules."""

from __future__ import annotations

from typing import Protocol
from zoneinfo import ZoneInfo

from functions.reports import prompt
from functions.reports.chat import Chat, ChatRefused, ChatUnavailable
from functions.reports.narrative import rules_narrative
from functions.reports.schemas import IncidentEvent, Narrative


class Breaker(Protocol):
    """Whether to ask at all; `functions.reports.breaker.CircuitBreaker` is one."""

    def allows(self) -> bool: ...
    def succeeded(self) -> None: ...
    def failed(self) -> None: ...


class NarrativeWriter:
    """Writes narratives, and says on each who wrote it and why.

    Args:
        zone: Time zone of the site.
        chat: The language model; None for rules only.
        breaker: Guards `chat`.
        budget_s: Most seconds for one narrative, retries included.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        chat: Chat | None = None,
        breaker: Breaker | None = None,
        budget_s: float = 20.0,
    ) -> None:
        self._zone = zone
        self._chat = chat
        self._breaker = breaker
        self._budget_s = budget_s

    @property
    def asks_a_model(self) -> bool:
        """Whether two calls may give two texts."""
        return self._chat is not None

    def write(self, event: IncidentEvent, budget_s: float) -> Narrative:
        """A narrative within `budget_s` seconds, whatever the model does.

        Raises:
            Unavailable: The breaker's database does not answer.
        """
        if self._chat is None:
            return rules_narrative(event, self._zone)
        name = self._chat.model
        if self._breaker is not None and not self._breaker.allows():
            return self._rules(event, f"language model {name} is paused after repeated failures")
        try:
            answer = self._chat.complete(
                prompt.SYSTEM,
                prompt.facts(event, self._zone),
                budget_s=min(budget_s, self._budget_s),
            )
            narrative = prompt.read_answer(answer, name)
        except (ChatUnavailable, ChatRefused) as error:
            if self._breaker is not None:
                self._breaker.failed()
            return self._rules(event, f"language model {name} did not help: {error.message}")
        if self._breaker is not None:
            self._breaker.succeeded()
        return narrative

    def _rules(self, event: IncidentEvent, reason: str) -> Narrative:
        return rules_narrative(event, self._zone, note=f"Written by rules, because {reason}.")
