"""Rows in a request: answers that explain themselves, and refusals that name row or field."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.clustering import rows as rows_module
from functions.clustering import service as service_module
from functions.clustering.algorithms import clusters
from functions.clustering.limits import SMALL_ROWS
from hearth.http.auth import PERMISSIONS, Principal, Role
from tests.contract.clustering.harness import ANA, BOSS, Harness, blobs


def error(harness: Harness, path: str, body: Any) -> tuple[int, str, dict[str, Any]]:
    """Status, code and the first detail of a refusal."""
    status, answer = harness.ask("POST", path, body)
    assert status >= 400, answer
    assert answer["error"]["message"], answer
    details = answer["error"]["details"]
    return status, answer["error"]["code"], details[0] if details else {}


# ---- answers ----


def test_rows_are_grouped_and_the_answer_keeps_to_the_contract(home: Harness) -> None:
    data = blobs(60, 3, groups=3).tolist()
    answer = home.post(
        "/cluster", {"data": data, "n_clusters": 3, "feature_names": ["a", "b", "c"]}
    )
    assert answer["algorithm"] == "kmeans"
    assert answer["n_clusters"] == 3
    assert answer["processing_time"] > 0
    assert len(answer["labels"]) == 60
    groups = {tuple(answer["labels"][n::3]) for n in range(3)}
    assert all(len(set(group)) == 1 for group in groups)
    assert set(answer["clusters"][0]["centroid"]) == {"a", "b", "c"}
    assert answer["model"] is None


def test_chosen_defaults_are_named(home: Harness) -> None:
    answer = home.post("/cluster", {"data": blobs(40).tolist()})
    assert "n_clusters" in {default["field"] for default in answer["defaults"]}
    assert answer["curve"]


@pytest.mark.parametrize("algorithm", ["isolation_forest", "robust_zscore", "local_outlier_factor"])
def test_unusual_rows_are_found_and_the_answer_keeps_to_the_contract(
    home: Harness, algorithm: str
) -> None:
    data = [*np.random.default_rng(3).normal(0, 1, (60, 2)).tolist(), [40.0, -40.0]]
    answer = home.post("/anomaly", {"data": data, "algorithm": algorithm, "contamination": 0.05})
    assert set(answer["labels"]) == {1, -1}
    assert answer["labels"][-1] == -1
    assert answer["n_anomalies"] == answer["labels"].count(-1)
    assert len(answer["scores"]) == 61
    assert answer["anomalies"][0]["row"] == 60


def test_feature_importance_is_ranked(home: Harness) -> None:
    rng = np.random.default_rng(4)
    data = rng.normal(0, 1, (120, 3))
    body = {
        "data": data.tolist(),
        "feature_names": ["noise", "cause", "other"],
        "target": (data[:, 1] * 3).tolist(),
    }
    answer = home.post("/importance", body)
    assert answer["columns"][0]["column"] == "cause"
    assert answer["task"] == "regression"


def test_the_target_may_be_a_column_of_the_rows(home: Harness) -> None:
    data = np.random.default_rng(4).normal(0, 1, (120, 2))
    rows = np.column_stack([data, data[:, 0] * 2]).tolist()
    body = {"data": rows, "feature_names": ["cause", "noise", "y"], "target_column": "y"}
    answer = home.post("/importance", body)
    assert [column["column"] for column in answer["columns"]] == ["cause", "noise"]
    body["target_column"] = "z"
    assert error(home, "/importance", body)[2]["field"] == "target_column"


def test_a_seed_gives_the_same_answer_again(home: Harness) -> None:
    body = {"data": blobs(50, 4).tolist(), "seed": 7}
    one, two = home.post("/cluster", body), home.post("/cluster", body)
    for answer in (one, two):
        answer.pop("processing_time")
    assert one == two


# ---- saved and scored ----


def test_a_model_is_saved_promoted_and_scores_new_rows(harness: Harness) -> None:
    body = {"data": blobs(60).tolist(), "n_clusters": 3, "save_as": "rooms"}
    fitted = harness.post("/cluster", body)
    model = harness.get(f"/models/{fitted['model']['id']}")
    assert (model["name"], model["rows"], model["promoted"]) == ("rooms", 60, False)
    assert model["parameters"]["n_clusters"] == 3
    harness.post(f"/models/{model['model_id']}/promote", None)
    scored = harness.post("/score", {"model": "rooms", "data": body["data"]}, ANA)
    assert scored["labels"] == fitted["labels"]
    assert scored["model"] == fitted["model"]


@pytest.mark.parametrize(
    ("path", "extra"),
    [
        ("/cluster", {"algorithm": "dbscan"}),
        ("/anomaly", {"algorithm": "isolation_forest"}),
        ("/anomaly", {"algorithm": "local_outlier_factor"}),
        ("/anomaly", {"algorithm": "robust_zscore"}),
        ("/importance", {"target": ["warm", "cold"] * 30}),
    ],
)
def test_every_kind_of_model_is_saved_and_scores(
    home: Harness, path: str, extra: dict[str, Any]
) -> None:
    data = blobs(60, 2, 2).tolist()
    fitted = home.post(path, {"data": data, "save_as": "m", **extra})
    scored = home.post("/score", {"model": fitted["model"]["id"], "data": data[:5]})
    assert len(scored["labels"]) == 5
    assert scored["rule"]


def test_saving_needs_a_permission_and_computing_does_not(home: Harness) -> None:
    body = {"data": blobs().tolist(), "save_as": "mine"}
    status, _, message = home.refused("/cluster", body, ANA)
    assert (status, "clustering:manage" in message) == (403, True)
    assert home.get("/models")["models"] == []


def test_rows_that_do_not_fit_the_model_are_refused(home: Harness) -> None:
    kept = home.keep()
    status, _, _ = error(home, "/score", {"model": kept.model_id, "data": [[1, 2, 3]]})
    assert status == 400
    status, _, _ = error(home, "/score", {"model": "nobody", "data": [[1, 2]]})
    assert status == 404


# ---- bad rows ----

GOOD = [[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]
SMALL = blobs(SMALL_ROWS).tolist()
LARGE = blobs(SMALL_ROWS + 1).tolist()


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"data": [[1, 2], [3], [4, 5]]}, 400, "data[1]"),
        ({"data": []}, 400, "data"),
        ({"data": [[]]}, 400, "data[0]"),
        ({"data": [[1, 2], [3, "4"]]}, 400, "body.data.1.1"),
        ({"data": [[1, 2], [3, True]]}, 400, "body.data.1.1"),
        ({"data": [[1, 2], "34"]}, 400, "body.data.1"),
        ({"data": [[1, 2], [None, 4], [5, 6]]}, 400, "data[1][0]"),
        ({"data": [[1.0] * 1001] * 3}, 400, "data"),
        ({"data": [[0]] * 50_001}, 413, "data"),
        ({"data": GOOD, "n_clusters": 4}, 400, "n_clusters"),
        ({"data": GOOD, "n_clusters": 101}, 400, "body.n_clusters"),
        ({"data": GOOD, "n_clusters": 1}, 400, "body.n_clusters"),
        ({"data": GOOD, "algorithm": "dbscan", "eps": 0}, 400, "body.eps"),
        ({"data": GOOD, "algorithm": "dbscan", "eps": -1}, 400, "body.eps"),
        ({"data": GOOD, "algorithm": "kmeans", "eps": 1}, 400, "eps"),
        ({"data": GOOD, "algorithm": "magic"}, 400, "body.algorithm"),
        ({"data": GOOD, "feature_names": ["a"]}, 400, "feature_names"),
        ({"data": GOOD, "feature_names": ["a", "a"]}, 400, "feature_names"),
        ({"data": GOOD, "save_as": "Not A Name"}, 400, "body.save_as"),
        ({"data": GOOD, "input": "s3://hearth-data/datasets/a.csv"}, 400, "body"),
        ({}, 400, "body"),
        ({"data": GOOD, "colour": "red"}, 400, "body.colour"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_invalid_rows_and_fields_are_named(
    home: Harness, body: dict[str, Any], status: int, field: str
) -> None:
    found, _, detail = error(home, "/cluster", body)
    assert (found, detail["field"]) == (status, field)


@pytest.mark.parametrize("data", [[[1.0, 2.0]], [[5.0, 5.0]] * 10])
@pytest.mark.parametrize("path", ["/cluster", "/anomaly"])
def test_one_row_and_rows_all_alike_are_refused_with_a_field(
    home: Harness, path: str, data: Any
) -> None:
    status, code, detail = error(home, path, {"data": data})
    assert (status, code) == (400, "VALIDATION_ERROR")
    assert detail["field"].startswith("data")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_value_that_is_not_a_json_number_is_named_by_row(home: Harness, word: str) -> None:
    status, _, detail = error(home, "/cluster", f'{{"data": [[1, 2], [3, {word}]]}}')
    assert (status, detail["field"]) == (400, "body.data.1.1")


@pytest.mark.parametrize("share", [0, 0.5, -0.1, 1])
def test_contamination_lies_between_nothing_and_half(home: Harness, share: float) -> None:
    status, _, detail = error(home, "/anomaly", {"data": GOOD, "contamination": share})
    assert (status, detail["field"]) == (400, "body.contamination")


def test_constant_columns_are_left_out_and_named(home: Harness) -> None:
    data = np.column_stack([blobs(30, 2), np.full(30, 7.0)])
    body = {"data": data.tolist(), "feature_names": ["a", "b", "still"], "n_clusters": 3}
    answer = home.post("/cluster", body)
    assert answer["dropped"]["columns"] == ["still"]


def test_rows_with_an_empty_cell_are_dropped_where_that_is_asked(home: Harness) -> None:
    data: list[list[float | None]] = blobs(30, 2).tolist()
    data[4][1] = None
    answer = home.post("/cluster", {"data": data, "missing": "drop", "n_clusters": 3})
    assert answer["dropped"]["rows"] == [4]
    assert answer["labels"][4] == -2


def test_more_numbers_than_a_request_may_have_are_sent_to_s3(
    home: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "MAX_INLINE_BYTES", 100)
    status, code, detail = error(home, "/cluster", {"data": blobs(20).tolist()})
    assert (status, code) == (413, "TOO_LARGE")
    assert "put them in S3 under datasets/" in detail["message"]


def test_an_answer_that_would_be_too_long_is_refused(
    home: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "MAX_ANSWER_BYTES", 100)
    status, code, _ = home.refused("/cluster", {"data": blobs().tolist()})
    assert (status, code) == (413, "TOO_LARGE")


numbers = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-(10**400), 9)
cells = numbers | st.none() | st.booleans() | st.text(max_size=3) | st.floats()
tables = st.lists(st.lists(cells, max_size=3), max_size=6)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tables, st.sampled_from(["/cluster", "/anomaly", "/score"]))
def test_any_request_gets_an_answer_or_a_clear_error(home: Harness, data: Any, path: str) -> None:
    body = {"data": data} | ({"model": "nobody"} if path == "/score" else {})
    status, answer = home.ask("POST", path, json.dumps(body))
    assert status in (200, 400, 404), answer
    if status != 200:
        assert answer["error"]["message"]


# ---- time ----


def test_an_algorithm_that_takes_too_long_is_ended_with_504(
    home: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "cluster", lambda *_: time.sleep(60))
    slow = Harness(home.db, algorithm_s=0.3)
    began = time.monotonic()
    status, code, message = slow.refused("/cluster", {"data": LARGE})
    assert (status, code) == (504, "TIMED_OUT")
    assert message.startswith("kmeans took longer than 0.3 s and was ended")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("route", "algorithm"),
    [
        ("/cluster", "kmeans"),
        ("/cluster", "minibatch"),
        ("/cluster", "dbscan"),
        ("/cluster", "hdbscan"),
        ("/anomaly", "isolation_forest"),
        ("/anomaly", "robust_zscore"),
        ("/anomaly", "local_outlier_factor"),
    ],
)
def test_a_child_process_works_after_a_computation_in_the_parent(
    home: Harness, route: str, algorithm: str
) -> None:
    small, large = (
        home.post(route, {"data": rows, "algorithm": algorithm}) for rows in (SMALL, LARGE)
    )
    assert (len(small["labels"]), len(large["labels"])) == (len(SMALL), len(LARGE))


def test_a_crash_in_the_parent_is_reported_by_its_type_alone(
    home: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "cluster", lambda *_: 1 // 0)
    status, _, message = home.refused("/cluster", {"data": GOOD})
    assert status == 500
    assert message.startswith("kmeans crashed with ZeroDivisionError; see the log")


# ---- batch ----


def test_operations_of_a_batch_succeed_or_fail_independently(home: Harness) -> None:
    good = {"data": blobs().tolist(), "n_clusters": 3}
    answer = home.post(
        "/batch/process",
        {
            "operations": [
                {"type": "cluster", "data": good},
                {"type": "cluster", "data": {"data": [[1, 2], [3]]}},
                {"type": "anomaly", "data": {"data": good["data"], "contamination": 7}},
                {"type": "score", "data": {"model": "nobody", "data": [[1]]}},
                {"type": "cluster", "data": {"input": "s3://hearth-data/datasets/a.csv"}},
                {"type": "anomaly", "data": {"data": good["data"]}},
            ]
        },
    )
    assert [one["status"] for one in answer["results"]] == ["ok", *["error"] * 4, "ok"]
    assert (answer["succeeded"], answer["failed"]) == (2, 4)
    assert [one["index"] for one in answer["results"]] == list(range(6))
    fields = [one["error"]["details"][0]["field"] for one in answer["results"][1:3]]
    assert fields == ["data[1]", "contamination"]
    assert answer["results"][3]["error"]["code"] == "NOT_FOUND"
    assert answer["results"][0]["result"]["n_clusters"] == 3


def test_operations_without_time_left_fail_and_the_others_are_kept(
    home: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "cluster", lambda *_: time.sleep(60))
    short = Harness(home.db, algorithm_s=0.6, batch_s=1.5)
    operation = {"type": "cluster", "data": {"data": LARGE}}
    answer = short.post("/batch/process", {"operations": [operation] * 6})
    codes = [one["error"]["code"] for one in answer["results"]]
    assert codes == ["TIMED_OUT"] * 6
    assert "used its 1.5 s" in answer["results"][-1]["error"]["message"]


@pytest.mark.parametrize("count", [0, 101])
def test_a_batch_has_one_to_a_hundred_operations(home: Harness, count: int) -> None:
    operation = {"type": "cluster", "data": {"data": [[1, 2]]}}
    status, _, detail = error(home, "/batch/process", {"operations": [operation] * count})
    assert (status, detail["field"]) == (400, "body.operations")


# ---- what it says of itself ----


def test_both_names_of_the_status_answer_the_same(home: Harness) -> None:
    kept = home.keep()
    home.post(f"/models/{kept.model_id}/promote", None)
    status = home.get("/models/status")
    assert status == home.get("/algorithms/status")
    assert status["promoted"] == {"rooms": kept.model_id}
    assert {one["name"] for one in status["algorithms"]} >= {"kmeans", "dbscan", "isolation_forest"}
    assert status["libraries"]["scikit-learn"]


def test_health_names_what_does_not_answer(home: Harness) -> None:
    assert home.get("/health")["status"] == "healthy"
    home.store.offline = True
    status, answer = home.ask("GET", "/health")
    assert (status, answer["status"]) == (503, "unhealthy")
    assert answer["checks"]["database"] == "ok"
    assert "does not answer" in answer["checks"]["object store"]


def test_a_guest_may_not_compute(home: Harness) -> None:
    guest = Principal("g", "user", Role.GUEST, PERMISSIONS[Role.GUEST])
    assert home.refused("/cluster", {"data": GOOD}, guest)[0] == 403
    assert "clustering:use" in BOSS.permissions
