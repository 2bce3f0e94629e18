"""Metrics of the detection function."""

from __future__ import annotations

import json

import pytest

from functions.detection.wiring import report_metrics


def test_dropped_frames_are_metrics_by_reason(capsys: pytest.CaptureFixture[str]) -> None:
    report_metrics(0, 0, 0.0, {"lag": 2, "rate": 3})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["reason"], line["FramesDropped"]) for line in lines] == [
        ("lag", [2.0]),
        ("rate", [3.0]),
    ]


def test_a_batch_without_frames_emits_no_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    report_metrics(0, 0, 0.0, {"lag": 0, "rate": 0})
    assert capsys.readouterr().out == ""
