"""Retries of a chat client, with back-off and a budget."""

from __future__ import annotations

import pytest

from hearth_llm.chat import ChatRefused, ChatUnavailable, with_retries


def test_four_attempts_are_made_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", pauses.append)
    calls: list[float] = []

    def call(left_s: float) -> str:
        calls.append(left_s)
        raise ChatUnavailable("HTTP 500")

    with pytest.raises(ChatUnavailable):
        with_retries(call, 60)
    assert len(calls) == 4
    assert pauses == [
        pytest.approx(0.2, rel=0.26),
        pytest.approx(0.4, rel=0.26),
        pytest.approx(0.8, rel=0.26),
    ]


def test_retry_after_is_honoured_when_it_fits_and_ends_the_call_when_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", pauses.append)
    script: list[str | Exception] = [ChatUnavailable("HTTP 429", 7), "answer"]

    def call(left_s: float) -> str:
        step = script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    assert with_retries(call, 60) == "answer"
    assert pauses == [7]
    script[:] = [ChatUnavailable("HTTP 429", 90), "answer"]
    with pytest.raises(ChatUnavailable):
        with_retries(call, 60)
    assert pauses == [7]


def test_a_refusal_is_not_repeated() -> None:
    calls: list[float] = []

    def call(left_s: float) -> str:
        calls.append(left_s)
        raise ChatRefused("HTTP 400")

    with pytest.raises(ChatRefused):
        with_retries(call, 60)
    assert len(calls) == 1
