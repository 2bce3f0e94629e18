"""Clustering through the function: latency, cold start, memory, and a large file as a job.

    .venv/bin/python -m tests.performance.clustering_service [--requests 60] [--image TAG]

Latency: 1,000 rows of 10 numbers through the local stack's gateway, against scikit-learn alone
doing the same (StandardScaler and KMeans, ten starts) in a process that has it imported, in turns.
Cold start: a fresh process until its first answer, of a route without scikit-learn and of one with
it, against a process that only imports FastAPI and Mangum; with --image inside that image, where
everything is compiled. Memory: the most that parent and child took, together an upper bound because
they share pages, at the limit of a request (50,000 rows of 25). Job: --rows of 384 numbers as NPY,
from the request to the result, with the worker's peak.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import numpy as np

from hearth import migrations
from tests.support.stack_process import ROOT, small_stack

PATH = "/api/v1/clustering"
COLD = """
import json, time, sys
began = time.perf_counter()
from functions.clustering.main_api import lambda_handler
event = json.loads(sys.stdin.read())
class Context:
    aws_request_id = "cold"
    function_name = "clustering-api"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:clustering-api"
    def get_remaining_time_in_millis(self): return 30000
answer = lambda_handler(event, Context())
took = time.perf_counter() - began
import resource
WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
of = [resource.getrusage(who).ru_maxrss // 1024 for who in WHO]
def cpu():
    return [resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime for who in WHO]
before = cpu()
times = 20 if "--again" in sys.argv else 0
for _ in range(times):
    lambda_handler(event, Context())
cpu_ms = [round((b - a) * 1000 / max(1, times), 1) for a, b in zip(before, cpu())]
print(json.dumps([answer["statusCode"], took, of, cpu_ms]))
"""
PEER = (
    "import time; b = time.perf_counter(); import fastapi, mangum; print(time.perf_counter() - b)"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--image", help="also measure cold starts inside this image")
    parser.add_argument("--rows", type=int, default=50_000, help="of the job's file")
    given = parser.parse_args()
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        os.environ.setdefault(f"AWS_{name}", value)
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    with tempfile.TemporaryDirectory() as folder:
        template = str(ROOT / "template.yaml")
        with small_stack(Path(folder), template=template, idle_s=60.0) as state:
            show("latency", latency(state.gateway_url, given.requests))
            show("job", job(state, given.rows))
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{folder}/hearth.db"
        migrations.upgrade(database)
        show("cold_process", cold([sys.executable], database))
        show("processor_ms_a_request", processor(database))
        show("memory_at_the_limit_mb", memory(database))
        if given.image:
            Path(folder).chmod(0o777)  # nobody's, in there
            Path(folder, "hearth.db").chmod(0o666)
            docker = ["docker", "run", "--rm", "-i", "--entrypoint", "python", "-v"]
            inside = [f"{folder}:/database", "-e", "DATABASE_URL=sqlite:////database/hearth.db"]
            image = [*docker, *inside, "-e", "BUCKET=hearth-data", given.image]
            show("cold_image", cold(image, database))


def show(name: str, figures: object) -> None:
    print(json.dumps({name: figures}, indent=2), flush=True)


def blobs(rows: int, columns: int, groups: int = 5) -> Any:
    rng = np.random.default_rng(1)
    centres = rng.uniform(-20, 20, (groups, columns))
    return centres[np.arange(rows) % groups] + rng.normal(0, 1, (rows, columns))


# ---- latency ----


def latency(url: str, requests: int) -> dict[str, Any]:
    data = blobs(1000, 10)
    bodies = {
        "kmeans_k_given": ("cluster", {"data": data.tolist(), "n_clusters": 5}),
        "kmeans_k_chosen": ("cluster", {"data": data.tolist()}),
        "dbscan": ("cluster", {"data": data.tolist(), "algorithm": "dbscan"}),
        "isolation_forest": ("anomaly", {"data": data.tolist()}),
        "robust_zscore": ("anomaly", {"data": data.tolist(), "algorithm": "robust_zscore"}),
    }
    ways: dict[str, Callable[[], Any]] = {
        name: lambda path=path, body=body: post(f"{url}{PATH}/{path}", body)
        for name, (path, body) in bodies.items()
    }
    ways["status"] = lambda: get(f"{url}{PATH}/algorithms/status")
    ways["peer_scikit_learn_k_given"] = lambda: plain(data)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for ask in ways.values():
        ask()
    for _ in range(requests):
        for name, ask in ways.items():
            began = time.perf_counter()
            ask()
            times[name].append((time.perf_counter() - began) * 1000)
    peer = statistics.median(times["peer_scikit_learn_k_given"])
    return {
        name: {
            "p50_ms": round(statistics.median(taken), 1),
            "p95_ms": round(sorted(taken)[int(len(taken) * 0.95)], 1),
            "ratio": round(statistics.median(taken) / peer, 2),
        }
        for name, taken in times.items()
    }


def plain(data: Any) -> Any:
    """What the service that this contract comes from does."""
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import StandardScaler

    rows = StandardScaler().fit_transform(data)
    return KMeans(5, n_init=10, random_state=42).fit_predict(rows)


# ---- a large file ----


def job(state: Any, rows: int) -> dict[str, Any]:
    file = io.BytesIO()
    np.save(file, blobs(rows, 384, 50).astype(np.float32))
    s3 = boto3.client("s3", endpoint_url=state.endpoint_url)
    s3.put_object(Bucket=state.bucket, Key="datasets/large.npy", Body=file.getvalue())
    figures: dict[str, Any] = {"rows": rows, "megabytes": round(len(file.getvalue()) / 1e6)}
    for algorithm, extra in (("kmeans", {"n_clusters": 50}), ("dbscan", {"eps": 12.0})):
        order = {"input": f"s3://{state.bucket}/datasets/large.npy", "algorithm": algorithm} | extra
        began = time.perf_counter()
        name = post(f"{state.gateway_url}{PATH}/cluster", order)["job_id"]
        while (found := get(f"{state.gateway_url}{PATH}/jobs/{name}"))["status"] != "done":
            if found["status"] == "failed":
                raise RuntimeError(found["error"]["message"])
            time.sleep(0.2)
        figures[f"{algorithm}_s"] = round(time.perf_counter() - began, 1)
        result = get(f"{state.gateway_url}{PATH}/jobs/{name}/result")
        figures[f"{algorithm}_clusters"] = result["n_clusters"]
    return figures


# ---- fresh processes ----


def event(name: str, **changes: Any) -> str:
    recorded = json.loads((ROOT / f"events/clustering/http_api_{name}.json").read_text("utf-8"))
    return json.dumps(recorded | changes)


def cold(python: list[str], database: str) -> dict[str, Any]:
    return {
        "fastapi_mangum_alone_s": fastest(lambda: float(ran(python, PEER, "", database))),
        "status_s": fastest(lambda: answered(python, "algorithms", database)[1]),
        "unknown_model_s": fastest(lambda: answered(python, "score_unknown_model", database)[1]),
        "ragged_rows_s": fastest(lambda: answered(python, "ragged", database)[1]),
        "cluster_s": fastest(lambda: answered(python, "cluster", database)[1]),
        "anomaly_s": fastest(lambda: answered(python, "anomaly", database)[1]),
    }


def processor(database: str) -> dict[str, Any]:
    """Milliseconds of processor time of one request of 1,000 rows of 10, which another program's
    load does not change: of the parent and of the child, after the first."""
    data = blobs(1000, 10).tolist()
    figures = {}
    for algorithm, extra in (("kmeans", {"n_clusters": 5}), ("kmeans", {}), ("dbscan", {})):
        body = json.dumps({"data": data, "algorithm": algorithm} | extra)
        code = [sys.executable]
        told = json.loads(ran(code, COLD, event("cluster", body=body), database, "--again"))
        figures[f"{algorithm} {extra or ''}".strip()] = dict(
            zip(("parent", "child"), told[3], strict=True)
        )
    return figures


def memory(database: str) -> dict[str, Any]:
    data = blobs(50_000, 25).astype(int).tolist()  # more digits would not fit a request
    figures = {}
    for algorithm, extra in (("kmeans", {"n_clusters": 8}), ("dbscan", {"eps": 1.0})):
        body = json.dumps({"data": data, "algorithm": algorithm} | extra, separators=(",", ":"))
        status, seconds, (parent, child), _ = answered(
            [sys.executable], "cluster", database, body=body
        )
        figures[algorithm] = {
            "status": status,
            "seconds": round(seconds, 2),
            "parent": parent,
            "child": child,
            "body_mb": round(len(body) / 1e6, 1),
        }
    return figures


def answered(python: list[str], name: str, database: str, **changes: Any) -> Any:
    return json.loads(ran(python, COLD, event(name, **changes), database))


def ran(python: list[str], code: str, given: str, database: str, *words: str) -> str:
    environment = os.environ | {"DATABASE_URL": database, "BUCKET": "hearth-data"}
    result = subprocess.run(
        [*python, "-c", code, *words],
        input=given,
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip().splitlines()[-1]


def fastest(measure: Callable[[], float], times: int = 5) -> float:
    return round(min(measure() for _ in range(times)), 3)


def post(url: str, body: Any) -> Any:
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
