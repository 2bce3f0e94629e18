from __future__ import annotations

import json
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import pytest

from functions.reports.narrative import rules_narrative
from functions.reports.writer import NarrativeWriter
from hearth_llm.chain import Provider, ProviderChain
from hearth_llm.chat import ChatRefused, ChatUnavailable
from tests.support.report_events import incident

BERLIN = ZoneInfo("Europe/Berlin")
GOOD = json.dumps(
    {
        "summary": "Seen.",
        "hazards": ["One."],
        "corrective_actions": ["A.", "B.", "C.", "D."],
        "follow_up": ["E."],
    }
)


@dataclass
class ScriptedChat:
    """Answers, or raises, what it was told to; remembers the budgets."""

    script: list[str | Exception]
    model: str = "tiny"
    budgets: list[float] = field(default_factory=list)

    def complete(self, system: str, user: str, *, budget_s: float) -> str:
        self.budgets.append(budget_s)
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


@dataclass
class CountingBreaker:
    open: bool = False
    successes: int = 0
    failures: int = 0

    def allows_call(self) -> bool:
        return not self.open

    def record_success(self) -> None:
        self.successes += 1

    def record_failure(self) -> None:
        self.failures += 1


def writer(chat: ScriptedChat, breaker: CountingBreaker | None = None) -> NarrativeWriter:
    return NarrativeWriter(BERLIN, ProviderChain([Provider(chat, breaker)]), budget_s=20.0)


def test_without_a_model_the_rules_write_and_add_no_note() -> None:
    assert NarrativeWriter(BERLIN).write(incident(), 5) == rules_narrative(incident(), BERLIN)


def test_a_usable_answer_is_taken_and_its_model_named() -> None:
    breaker = CountingBreaker()
    narrative = writer(ScriptedChat([GOOD]), breaker).write(incident(), 5)
    assert (narrative.source, narrative.model, narrative.summary) == ("llm", "tiny", "Seen.")
    assert (breaker.successes, breaker.failures) == (1, 0)


@pytest.mark.parametrize(
    "step",
    [ChatUnavailable("HTTP 503"), ChatRefused("HTTP 401"), "no JSON at all", "{}"],
    ids=["unavailable", "refused", "chatter", "wrong shape"],
)
def test_a_model_that_fails_is_replaced_by_rules_with_a_note(
    step: str | Exception,
) -> None:
    breaker = CountingBreaker()
    narrative = writer(ScriptedChat([step]), breaker).write(incident(), 5)
    assert narrative.source == "rules"
    assert narrative.model is None
    assert narrative.note is not None
    assert "tiny" in narrative.note
    assert (breaker.successes, breaker.failures) == (0, 1)


def test_an_open_breaker_prevents_the_call() -> None:
    chat = ScriptedChat([GOOD])
    narrative = writer(chat, CountingBreaker(open=True)).write(incident(), 5)
    assert chat.budgets == []
    assert narrative.note is not None
    assert "paused" in narrative.note


@pytest.mark.parametrize(("given", "expected"), [(3.0, 3.0), (50.0, 20.0)])
def test_the_smaller_budget_counts(given: float, expected: float) -> None:
    chat = ScriptedChat([GOOD])
    writer(chat).write(incident(), given)
    assert chat.budgets == [expected]


def test_a_bug_is_not_hidden_behind_the_rules() -> None:
    with pytest.raises(ZeroDivisionError):
        writer(ScriptedChat([ZeroDivisionError()])).write(incident(), 5)
