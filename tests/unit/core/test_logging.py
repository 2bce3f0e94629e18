from __future__ import annotations

import json
import logging

import pytest
from aws_lambda_powertools.metrics import MetricUnit

from hearth.logging import emit, logger, with_request_id
from tests.support.fakes import LambdaContext


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_no_values_write_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    emit({}, kind="a.b")
    assert lines(capsys) == []


def test_a_metrics_line_carries_values_units_and_dimensions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    emit({"JobsDone": (3, MetricUnit.Count), "WorkSeconds": (0.5, MetricUnit.Seconds)}, kind="a.b")
    emit({"JobsDone": (1, MetricUnit.Count)})
    first, second = lines(capsys)
    assert first["kind"] == "a.b"
    assert (first["JobsDone"], first["WorkSeconds"]) == ([3.0], [0.5])
    assert "kind" not in second


def test_a_line_names_the_request_and_the_next_invocation_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str | None] = []
    handler = with_request_id(lambda event, context: seen.append(logger.get_correlation_id()))
    handler({}, LambdaContext(aws_request_id="invocation"))
    handler({"requestContext": {"requestId": "http"}}, LambdaContext())
    handler({"requestContext": None}, None)
    assert seen == ["invocation", "http", None]
    assert logger.get_correlation_id() is None


def test_an_exception_is_logged_and_goes_on() -> None:
    def handler(event: object, context: object) -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        with_request_id(handler)({}, LambdaContext())
    assert logger.get_correlation_id() is None


def test_a_line_can_quote_what_no_stream_can_carry() -> None:
    formatter = logger.registered_formatter
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "half a pair: \ud800 ü", None, None)
    line = formatter.format(record)
    assert "ü" in line
    assert json.loads(line.encode())["message"] == "half a pair: \ud800 ü"
