"""Commands show HEARTH_TOKEN to a gateway that authenticates callers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hearth_runtime.commands import stack_client
from hearth_runtime.commands.output import CommandError
from hearth_runtime.commands.stack_client import Answer, Api


class Gateway:
    def __init__(self) -> None:
        self.status = 200
        self.shown: list[dict[str, str]] = []

    def request(self, _: str, *, headers: Mapping[str, str], **__: Any) -> Answer:
        self.shown.append(dict(headers))
        return Answer(self.status, {}, b"{}")


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    made = Gateway()
    monkeypatch.setattr(stack_client, "request", made.request)
    return made


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (None, {}),
        ("", {}),
        (" \n", {}),
        ("key", {"Authorization": "Bearer key"}),
        (" key\n", {"Authorization": "Bearer key"}),
    ],
)
def test_the_token_of_the_environment_is_shown_with_every_request(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, token: str | None, shown: dict[str, str]
) -> None:
    monkeypatch.delenv("HEARTH_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("HEARTH_TOKEN", token)
    api = Api("http://127.0.0.1:1")
    api.get("/jobs")
    api.post("/jobs/x/retry")
    api.get_bytes("/reports/x/pdf")
    assert gateway.shown == [shown] * 3


@pytest.mark.parametrize("token", ["a\r\nHost: evil", "a\tb", "schlüssel", "a\x7f"])
def test_a_token_that_is_none_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("HEARTH_TOKEN", token)
    with pytest.raises(CommandError) as caught:
        Api("http://127.0.0.1:1")
    assert "HEARTH_TOKEN" in str(caught.value)
    assert token not in str(caught.value)


def test_a_refusal_says_where_the_token_belongs(gateway: Gateway) -> None:
    gateway.status = 401
    with pytest.raises(CommandError) as caught:
        Api("http://127.0.0.1:1").get("/jobs")
    assert "HEARTH_TOKEN" in f"{caught.value} {caught.value.remedy}"
