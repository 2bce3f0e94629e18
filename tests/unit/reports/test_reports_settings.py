from __future__ import annotations

from datetime import time

import pytest
from pydantic import ValidationError

from functions.reports.settings import Settings
from hearth.mail import SmtpServer

BASE = {"DATABASE_URL": "sqlite:////tmp/x.db", "BUCKET": "hearth"}
MAIL = {
    "SMTP_URL": "smtp://user:p%40ss@mail.example.org:2525",
    "EMAIL_FROM": "hearth@example.org",
    "EMAIL_TO": "a@example.org, b@example.org,,a@example.org",
}


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in (BASE | environment).items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_everything_optional_is_off_when_the_template_passes_empty_parameters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = dict.fromkeys(
        ["LLM_BASE_URL", "LLM_MODEL", "LLM_API_KEY", "SMTP_URL", "EMAIL_FROM", "EMAIL_TO"], ""
    )
    read = settings(monkeypatch, **empty)
    assert read.smtp is None
    assert read.llm_base_url == ""
    assert read.daily_report_time == time(18, 0)


def test_a_mail_server_is_read_from_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    read = settings(monkeypatch, **MAIL)
    assert read.smtp is not None
    assert (read.smtp.host, read.smtp.port, read.smtp.user) == ("mail.example.org", 2525, "user")
    assert read.smtp.password.get_secret_value() == "p@ss"
    assert read.email_to == ("a@example.org", "b@example.org")


@pytest.mark.parametrize(
    ("url", "port"), [("smtp://h", 25), ("smtp+starttls://h", 587), ("smtps://h", 465)]
)
def test_each_scheme_has_its_port(url: str, port: int) -> None:
    assert SmtpServer.from_url(url).port == port


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"LLM_BASE_URL": "api.openai.com/v1", "LLM_MODEL": "m"}, "LLM_BASE_URL"),
        ({"LLM_BASE_URL": "https://api.openai.com/v1"}, "LLM_MODEL"),
        (MAIL | {"SMTP_URL": "http://mail.example.org"}, "smtp"),
        (MAIL | {"SMTP_URL": "smtp://"}, "host"),
        (MAIL | {"SMTP_URL": "smtp://h:99999"}, "SMTP_URL"),
        (MAIL | {"EMAIL_TO": ""}, "EMAIL_TO"),
        (MAIL | {"EMAIL_FROM": "Hearth"}, "Hearth"),
        (MAIL | {"EMAIL_FROM": "a@x\r\nBcc: b@y"}, "e-mail address"),
        (MAIL | {"EMAIL_TO": "müller@example.org"}, "e-mail address"),
        ({"EMAIL_REPORT_MODE": "weekly"}, "immediate"),
        ({"DAILY_REPORT_TIME": "25:00"}, "daily_report_time"),
        ({"TIMEZONE": "Mars/Olympus"}, "IANA"),
    ],
)
def test_an_invalid_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(monkeypatch, **changes)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = repr(settings(monkeypatch, **MAIL, LLM_API_KEY="sk-secret"))
    assert "p%40ss" not in shown
    assert "sk-secret" not in shown


def test_secrets_are_not_in_the_error_about_another_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(monkeypatch, **MAIL | {"EMAIL_TO": ""})
    assert "p%40ss" not in str(caught.value)
    with pytest.raises(ValidationError) as caught:
        settings(monkeypatch, **MAIL | {"SMTP_URL": "http://user:p%40ss@h"})
    assert "p%40ss" not in str(caught.value)
