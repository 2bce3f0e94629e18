"""Writes narratives: the language model where one is configured and answers, else rules."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from functions.reports import prompt
from functions.reports.narrative import rules_narrative
from functions.reports.schemas import IncidentEvent, Narrative
from hearth_llm.chain import NoProviderAnswered, ProviderChain


class NarrativeWriter:
    """Writes narratives, each labelled with who wrote it and why.

    Args:
        zone: The site's time zone.
        chain: The language models; None for rules only.
        budget_s: Most seconds for one narrative, retries included.
    """

    def __init__(
        self, zone: ZoneInfo, chain: ProviderChain | None = None, budget_s: float = 20.0
    ) -> None:
        self._zone = zone
        self._chain = chain
        self._budget_s = budget_s

    @property
    def uses_model(self) -> bool:
        """Whether two calls may return different texts."""
        return self._chain is not None

    def write(self, event: IncidentEvent, budget_s: float) -> Narrative:
        """Write a narrative within `budget_s` seconds, by rules if no model helps.

        Raises:
            Unavailable: The database of the circuit breaker does not answer.
        """
        if self._chain is None:
            return rules_narrative(event, self._zone)
        try:
            return self._chain.ask(
                prompt.SYSTEM,
                prompt.facts(event, self._zone),
                prompt.read_answer,
                budget_s=min(budget_s, self._budget_s),
            )
        except NoProviderAnswered as error:
            note = f"Written by rules, because {error.message}."
            return rules_narrative(event, self._zone, note=note)
