"""How fast rows are put into groups, how much memory that takes, and how near it is to exact.

    python -m tests.performance.clustering kmeans --rows 10000 50000 200000
    python -m tests.performance.clustering dbscan --rows 10000 50000 200000
    python -m tests.performance.clustering hdbscan --rows 10000 50000

Rows are 384 wide: topics that each spread in twelve directions of their own, sizes that fall, and a
tenth that belongs to none; standardised. Each figure is of a process of its own: seconds on the
clock and on the processors (the steadier one while others work), and the greatest resident set,
imports and rows included. The peer is scikit-learn with its defaults on the same rows; where it
would take more than `--patience` seconds it is stopped, and the answer says so. The agreement of
DBSCAN and HDBSCAN is the adjusted Rand index over all rows, noise a group like others, for HDBSCAN
with scikit-learn's `brute`, which is faster; beside it stands that of scikit-learn with itself when
it gets the same rows in reverse. Where the peer was stopped, the agreement is that on a sample of
4,000 rows. `whole` is the request: checks, order, scaling and explanation included. `grows` is the
exponent b of seconds ~ rows ** b.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
COLUMNS, TOPICS, DIRECTIONS, K = 384, 120, 12, 100
EPS = 9.9
"""1.2 times the median distance to the nearest neighbour of such rows."""
SAMPLE = 4_000
BRUTE_ROWS = 15_000

Floats = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["kmeans", "dbscan", "hdbscan"])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000])
    parser.add_argument("--patience", type=float, default=200.0)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        name, rows, labels = given.one
        print(json.dumps(alone(RUNS[name], Path(rows), Path(labels))))
        return
    times: dict[str, list[tuple[int, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for rows in given.rows:
            made = Path(folder) / "rows.npy"
            np.save(made, mixture(rows))
            found = compared(given.what, made, Path(folder), given.patience)
            print(json.dumps({"rows": rows, **found}, indent=2), flush=True)
            for name, figures in found.items():
                if isinstance(figures, dict) and "cpu_s" in figures:
                    times.setdefault(name, []).append((rows, figures["cpu_s"]))
    print(json.dumps({"grows": {name: exponent(some) for name, some in times.items()}}))


def mixture(rows: int, seed: int = 0) -> Floats:
    """Embedding-like rows, standardised."""
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((TOPICS, COLUMNS), np.float32)
    weights = 1 / np.arange(1, TOPICS + 1) ** 0.7
    topic = chance.choice(TOPICS, rows, p=weights / weights.sum())
    bases = chance.standard_normal((TOPICS, DIRECTIONS, COLUMNS), np.float32)
    bases *= (chance.uniform(0.25, 0.6, (TOPICS, 1, 1)) / DIRECTIONS**0.5).astype(np.float32)
    values = np.empty((rows, COLUMNS), np.float32)
    for one in range(TOPICS):
        members = np.flatnonzero(topic == one)
        spread = chance.standard_normal((len(members), DIRECTIONS), np.float32)
        values[members] = centres[one] + spread @ bases[one]
    stray = np.flatnonzero(chance.random(rows) < 0.1)
    values[stray] = chance.standard_normal((len(stray), COLUMNS), np.float32)
    for start in range(0, rows, 10_000):
        block = values[start : start + 10_000]
        block += 0.15 * chance.standard_normal(block.shape, np.float32)
    values -= values.mean(axis=0)
    values /= values.std(axis=0)
    return values


def compared(what: str, rows: Path, folder: Path, patience: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    labels = {}
    count = len(np.load(rows, mmap_mode="r"))
    for name in [name for name in RUNS if name.startswith(what)]:
        if "brute" in name and count > BRUTE_ROWS:
            found[name] = f"left out: all pairs of {count} rows are {8 * count**2 / 2**30:.0f} GB"
            continue
        labels[name] = folder / f"{name}.npy"
        labels[name].unlink(missing_ok=True)
        is_peer = "scikit" in name
        command = [sys.executable, "-m", "tests.performance.clustering", what, "--one"]
        try:
            done = subprocess.run(
                [*command, name, str(rows), str(labels[name])],
                check=True,
                capture_output=True,
                cwd=ROOT,
                timeout=patience if is_peer else 450,
            )
            found[name] = json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            found[name] = f"stopped after {patience:.0f} s"
    peer, ours = f"{what}_scikit_learn", f"{what}_hearth"
    exact_labels = f"{peer}_brute" if what == "hdbscan" else peer
    for name, figures in list(found.items()):
        if name == peer or not isinstance(figures, dict):
            continue
        if what != "kmeans" and isinstance(found[exact_labels], dict) and "whole" not in name:
            figures["adjusted_rand"] = agreement(
                np.load(labels[exact_labels]), np.load(labels[name])
            )
        if not isinstance(found[peer], dict):
            continue
        figures["times_faster"] = round(found[peer]["wall_s"] / figures["wall_s"], 1)
        figures["times_less_cpu"] = round(found[peer]["cpu_s"] / figures["cpu_s"], 1)
        if what == "kmeans":
            figures["inertia_to_peer"] = round(figures["inertia"] / found[peer]["inertia"], 4)
    if what != "kmeans" and not isinstance(found[exact_labels], dict):
        values = np.load(rows, mmap_mode="r")
        sample = np.array(values[np.arange(SAMPLE) * len(values) // SAMPLE])
        exact = RUNS[exact_labels](sample)[0]
        found["adjusted_rand_of_a_sample"] = agreement(exact, RUNS[ours](sample)[0])
    return found


def alone(run: Callable[[Floats], tuple[Any, dict[str, Any]]], rows: Path, labels: Path) -> Any:
    """One run, in a process of its own."""
    values = np.load(rows)
    _warm_up(run)
    began, busy = time.perf_counter(), time.process_time()
    found, more = run(values)
    figures = {
        "wall_s": round(time.perf_counter() - began, 2),
        "cpu_s": round(time.process_time() - busy, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "rows_mb": round(values.nbytes / 2**20),
    }
    np.save(labels, found)
    return {**figures, "clusters": int(found.max()) + 1, **more}


def _warm_up(run: Callable[[Floats], object]) -> None:
    """Imports, so that neither side is charged for them."""
    run(np.random.default_rng(0).standard_normal((300, 8), np.float32))


def kmeans_scikit_learn(rows: Floats) -> tuple[Any, dict[str, Any]]:
    from sklearn.cluster import KMeans

    fitted = KMeans(min(K, len(rows)), random_state=42).fit(rows)
    return fitted.labels_, {"inertia": float(fitted.inertia_), "steps": int(fitted.n_iter_)}


def kmeans_scikit_learn_minibatch(rows: Floats) -> tuple[Any, dict[str, Any]]:
    from sklearn.cluster import MiniBatchKMeans

    fitted = MiniBatchKMeans(min(K, len(rows)), random_state=42).fit(rows)
    return fitted.labels_, {"inertia": float(fitted.inertia_)}


def kmeans_refined(rows: Floats) -> tuple[Any, dict[str, Any]]:
    from functions.clustering.algorithms.kmeans import fit_refined

    fitted = fit_refined(rows, min(K, len(rows)), 42)
    return fitted.labels, {"inertia": fitted.inertia}


def kmeans_sampled(rows: Floats) -> tuple[Any, dict[str, Any]]:
    from functions.clustering.algorithms.kmeans import fit_sampled

    fitted = fit_sampled(rows, min(K, len(rows)), 42)
    return fitted.labels, {"inertia": fitted.inertia}


def dbscan_scikit_learn(rows: Floats) -> tuple[Any, dict[str, Any]]:
    from sklearn.cluster import DBSCAN

    return DBSCAN(eps=EPS, min_samples=2).fit(rows).labels_, {}


def dbscan_hearth(rows: Floats) -> tuple[Any, dict[str, Any]]:
    from functions.clustering.algorithms.density import dbscan

    found = dbscan(rows, EPS, 2)
    return found.labels, {"exact": found.exact, "noise": round(float((found.labels < 0).mean()), 3)}


def dbscan_whole(rows: Floats) -> tuple[Any, dict[str, Any]]:
    return _whole(rows, algorithm="dbscan", eps=EPS)


def hdbscan_scikit_learn(rows: Floats) -> tuple[Any, dict[str, Any]]:
    from sklearn.cluster import HDBSCAN

    return HDBSCAN(copy=False).fit(rows).labels_, {}


def hdbscan_scikit_learn_brute(rows: Floats) -> tuple[Any, dict[str, Any]]:
    from sklearn.cluster import HDBSCAN

    return HDBSCAN(copy=False, algorithm="brute").fit(rows).labels_, {}


def hdbscan_scikit_learn_brute_reversed(rows: Floats) -> tuple[Any, dict[str, Any]]:
    labels, more = hdbscan_scikit_learn_brute(np.ascontiguousarray(rows[::-1]))
    return labels[::-1], more


def hdbscan_hearth(rows: Floats) -> tuple[Any, dict[str, Any]]:
    from functions.clustering.algorithms.hierarchy import hdbscan

    found = hdbscan(rows, 5, 5)
    return found.labels, {"noise": round(float((found.labels < 0).mean()), 3)}


def hdbscan_whole(rows: Floats) -> tuple[Any, dict[str, Any]]:
    return _whole(rows, algorithm="hdbscan")


def _whole(rows: Floats, **parameters: Any) -> tuple[Any, dict[str, Any]]:
    from functions.clustering.algorithms.clusters import cluster
    from functions.clustering.algorithms.matrix import Table
    from functions.clustering.algorithms.parameters import ClusterParameters

    names = tuple(f"c{column}" for column in range(rows.shape[1]))
    answer = cluster(Table(rows, names), ClusterParameters(**parameters))
    return answer.labels, {"implementation": answer.method.implementation}


def agreement(one: Any, other: Any) -> float:
    from sklearn.metrics import adjusted_rand_score

    return round(float(adjusted_rand_score(one, other)), 4)


def exponent(times: list[tuple[int, float]]) -> float | None:
    if len(times) < 2:
        return None
    (few, short), (many, long) = times[0], times[-1]
    return round(math.log(long / short) / math.log(many / few), 2)


RUNS: dict[str, Callable[[Floats], tuple[Any, dict[str, Any]]]] = {
    run.__name__: run
    for run in (
        kmeans_scikit_learn,
        kmeans_scikit_learn_minibatch,
        kmeans_refined,
        kmeans_sampled,
        dbscan_scikit_learn,
        dbscan_hearth,
        dbscan_whole,
        hdbscan_scikit_learn,
        hdbscan_scikit_learn_brute,
        hdbscan_scikit_learn_brute_reversed,
        hdbscan_hearth,
        hdbscan_whole,
    )
}

if __name__ == "__main__":
    main()
