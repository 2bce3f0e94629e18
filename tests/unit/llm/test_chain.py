"""The chain of providers: order, budget and breakers."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from hearth_llm.chain import NoProviderAnswered, Provider, ProviderChain
from hearth_llm.chat import ChatRefused, ChatUnavailable


@dataclass
class ScriptedChat:
    """Answers or raises what the script says, and records the budgets."""

    model: str
    script: list[str | Exception]
    budgets: list[float] = field(default_factory=list)

    def complete(self, system: str, user: str, *, budget_s: float) -> str:
        self.budgets.append(budget_s)
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


@dataclass
class RecordingBreaker:
    is_open: bool = False
    results: list[bool] = field(default_factory=list)

    def allows_call(self) -> bool:
        return not self.is_open

    def record_success(self) -> None:
        self.results.append(True)

    def record_failure(self) -> None:
        self.results.append(False)


def parse(answer: str, model: str) -> tuple[str, str]:
    if answer == "chatter":
        raise ChatRefused("the answer is of no use")
    return answer, model


def ask(*providers: Provider, budget_s: float = 5) -> tuple[str, str]:
    return ProviderChain(providers).ask("system", "user", parse, budget_s=budget_s)


def test_without_providers_nobody_answers() -> None:
    with pytest.raises(NoProviderAnswered, match="no language model is configured"):
        ask()


def test_the_first_provider_that_answers_is_taken() -> None:
    first, second = ScriptedChat("a", ["yes"]), ScriptedChat("b", ["no"])
    breaker = RecordingBreaker()
    assert ask(Provider(first, breaker), Provider(second)) == ("yes", "a")
    assert breaker.results == [True]
    assert second.budgets == []


@pytest.mark.parametrize(
    "step", [ChatUnavailable("HTTP 503"), ChatRefused("HTTP 401"), "chatter"], ids=str
)
def test_a_provider_that_fails_is_counted_and_the_next_one_asked(step: str | Exception) -> None:
    breaker = RecordingBreaker()
    first, second = ScriptedChat("a", [step]), ScriptedChat("b", ["yes"])
    assert ask(Provider(first, breaker), Provider(second)) == ("yes", "b")
    assert breaker.results == [False]
    assert second.budgets[0] <= first.budgets[0]


def test_a_provider_whose_breaker_is_open_is_not_asked() -> None:
    first, second = ScriptedChat("a", []), ScriptedChat("b", ["yes"])
    assert ask(Provider(first, RecordingBreaker(is_open=True)), Provider(second)) == ("yes", "b")
    assert first.budgets == []


def test_when_all_fail_the_error_says_why_of_each() -> None:
    first, second = ScriptedChat("a", []), ScriptedChat("b", [ChatRefused("HTTP 401")])
    with pytest.raises(NoProviderAnswered) as caught:
        ask(Provider(first, RecordingBreaker(is_open=True)), Provider(second))
    assert caught.value.message == (
        "language model a is paused after repeated failures; "
        "language model b did not help: HTTP 401"
    )


def test_with_the_budget_spent_the_next_provider_is_not_asked() -> None:
    first, second = ScriptedChat("a", [ChatUnavailable("late")]), ScriptedChat("b", ["yes"])
    with pytest.raises(NoProviderAnswered, match="language model a"):
        ask(Provider(first), Provider(second), budget_s=0)
    assert second.budgets == []
