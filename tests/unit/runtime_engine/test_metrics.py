"""EMF lines as Prometheus metrics, and the runtime's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hearth_runtime.engine.functions import FunctionStatus
from hearth_runtime.observe.emf import METRIC_LIMIT, SERIES_LIMIT, is_emf
from hearth_runtime.observe.metrics import Metrics


def document(
    name: str = "Frames", unit: str | None = "Count", value: Any = 1, **dimensions: Any
) -> dict[str, Any]:
    definition = {"Name": name} | ({"Unit": unit} if unit else {})
    directive = {
        "Namespace": "Hearth",
        "Dimensions": [list(dimensions)],
        "Metrics": [definition],
    }
    return {"_aws": {"Timestamp": 0, "CloudWatchMetrics": [directive]}, name: value, **dimensions}


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[name, frozenset(labels.items())]


def test_nothing_observed_renders_an_empty_registry() -> None:
    assert samples(Metrics()) == {}


def test_a_count_is_summed_over_lines_and_values() -> None:
    metrics = Metrics()
    metrics.observe_emf("detection", document("FramesAnalysed", value=2, service="detection"))
    metrics.observe_emf("detection", document("FramesAnalysed", value=[3, 4], service="detection"))
    metrics.observe_emf("detection", document("FramesAnalysed", value=1, service="other"))
    assert sample(metrics, "hearth_frames_analysed_total", service="detection") == 9
    assert sample(metrics, "hearth_frames_analysed_total", service="other") == 1
    assert (
        sample(metrics, "hearth_runtime_metric_lines_total", function="detection", outcome="taken")
        == 3
    )


@pytest.mark.parametrize(
    ("unit", "value", "seconds"),
    [("Seconds", 0.2, 0.2), ("Milliseconds", 200, 0.2), ("Microseconds", 200_000, 0.2)],
)
def test_a_time_is_a_histogram_in_seconds(unit: str, value: float, seconds: float) -> None:
    metrics = Metrics()
    metrics.observe_emf("f", document("InferenceTime", unit, value))
    assert sample(metrics, "hearth_inference_time_seconds_sum") == pytest.approx(seconds)
    assert sample(metrics, "hearth_inference_time_seconds_bucket", le="0.1") == 0
    assert sample(metrics, "hearth_inference_time_seconds_bucket", le="0.25") == 1
    assert sample(metrics, "hearth_inference_time_seconds_bucket", le="+Inf") == 1


def test_a_size_is_a_histogram_in_bytes_and_anything_else_the_last_value() -> None:
    metrics = Metrics()
    metrics.observe_emf("f", document("PdfSize", "Kilobytes", 2))
    metrics.observe_emf("f", document("QueueDepth", "None", 5))
    metrics.observe_emf("f", document("QueueDepth", "None", 3))
    metrics.observe_emf("f", document("Level", None, -1))
    assert sample(metrics, "hearth_pdf_size_bytes_sum") == 2000
    assert sample(metrics, "hearth_queue_depth") == 3
    assert sample(metrics, "hearth_level") == -1


def test_the_same_name_with_another_unit_is_another_metric() -> None:
    metrics = Metrics()
    metrics.observe_emf("f", document("Time", "Count", 1))
    metrics.observe_emf("f", document("Time", "Percent", 50))
    assert sample(metrics, "hearth_time_total") == 1
    assert sample(metrics, "hearth_time_percent") == 50


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"_aws": None},
        {"_aws": {"CloudWatchMetrics": {}}},
        {"_aws": {"CloudWatchMetrics": [None]}},
        {"_aws": {"CloudWatchMetrics": [{"Namespace": "n", "Metrics": [{"Name": "absent"}]}]}},
        document(value="many"),
        document(value=float("nan")),
        document(value=-1),
        document(value=None),
    ],
)
def test_a_malformed_document_is_counted_as_refused(wrong: dict[str, Any]) -> None:
    metrics = Metrics()
    metrics.observe_emf("f", wrong)
    assert (
        sample(metrics, "hearth_runtime_metric_lines_total", function="f", outcome="refused") == 1
    )


def test_a_dimension_with_endless_values_does_not_fill_the_memory() -> None:
    metrics = Metrics()
    for number in range(SERIES_LIMIT + 50):
        metrics.observe_emf("f", document(request_id=str(number)))
    for number in range(METRIC_LIMIT + 50):
        metrics.observe_emf("f", document(f"Metric{number}"))
    lines = metrics.render().splitlines()
    assert sum(line.startswith(b"hearth_frames_total{") for line in lines) == SERIES_LIMIT
    assert sum(line.startswith(b"hearth_metric") for line in lines) == METRIC_LIMIT - 1
    refused = sample(metrics, "hearth_runtime_metric_lines_total", function="f", outcome="refused")
    assert refused == 101


@pytest.mark.parametrize("value", ['quo"te', "line\nend", "back\\slash", "€" * 500, 7])
def test_any_dimension_value_gives_text_that_prometheus_reads(value: Any) -> None:
    metrics = Metrics()
    metrics.observe_emf("f", document("1 odd/näme", **{"odd key!": value}))
    families = list(text_string_to_metric_families(metrics.render().decode()))
    (family,) = [family for family in families if "odd" in family.name]
    assert family.samples[0].labels == {"odd_key": str(value)[:200]}


def test_a_line_is_emf_only_with_its_two_marks() -> None:
    assert is_emf(json.dumps(document()).encode())
    assert not is_emf(b'{"message": "_aws"}')
    assert not is_emf(b"")


def test_the_runtime_counts_invocations_and_shows_instances() -> None:
    metrics = Metrics()
    function = metrics.function("detection")
    function.ended(0.002, failed=False)
    function.ended(0.2, failed=True, error_type="ValueError")
    function.ended(0.2, failed=True)
    status = FunctionStatus(
        name="hearth-detection",
        short_name="detection",
        state="busy",
        pids=(1, 2),
        replicas=2,
        instances={"busy": 1, "idle": 1},
        queued=3,
        invocations=3,
        errors=2,
        last_error=None,
        rss_mb=1.5,
        last_used=None,
    )
    metrics.watch(lambda: [status])
    assert sample(metrics, "hearth_runtime_invocations_total", function="detection") == 3
    for error in ("ValueError", "Unknown"):
        assert (
            sample(metrics, "hearth_runtime_errors_total", function="detection", error_type=error)
            == 1
        )
    assert sample(metrics, "hearth_runtime_queued", function="detection") == 3
    assert sample(metrics, "hearth_runtime_instances", function="detection", state="idle") == 1
    assert sample(metrics, "hearth_runtime_memory_bytes", function="detection") == 1.5 * 2**20
