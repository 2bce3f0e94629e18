"""How often classification is right, and whether it knows: `python tests/performance/classify.py`.

Fits the temperatures of the zero-shot labels to the 60 texts of `fit` (the likelihood of the right
label), and says how they hold on the 40 of `check`, beside the keyword rules and beside what always
says the most frequent label. All texts were written for this. MODELS_DIR is the folder of models,
`models` by default.

Accuracy; mean confidence; expected calibration error in five bins (Naeini et al., 2015).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from functions.embeddings.classification.keywords import classify_by_keywords
from functions.embeddings.classification.labels import CATEGORIES, PRIORITIES
from functions.embeddings.classification.service import CATEGORY_TEMPERATURE, PRIORITY_TEMPERATURE
from functions.embeddings.classification.zero_shot import ZeroShot
from hearth_text.embedder import SentenceEmbedder
from hearth_text.loading import load_embedder
from hearth_text.models import MINILM

TEXTS = Path(__file__).with_name("classification_texts.json")
TEMPERATURES = np.geomspace(0.01, 1, 200)


def main() -> None:
    texts = json.loads(TEXTS.read_text())
    model = load_embedder(Path(os.environ.get("MODELS_DIR", "models")), MINILM, streams=2).value
    for column, name, labels, used in (
        (1, "category", CATEGORIES, CATEGORY_TEMPERATURE),
        (2, "priority", PRIORITIES, PRIORITY_TEMPERATURE),
    ):
        fit = {t: loss(model, labels, t, texts["fit"], column) for t in TEMPERATURES}
        best = min(fit, key=fit.__getitem__)
        print(f"\n{name}: temperature {best:.3f} fits best, {used} is used")
        for part in ("fit", "check"):
            report(part, name, column, texts[part], labels, used, model)


def report(
    part: str,
    name: str,
    column: int,
    rows: Sequence[Any],
    labels: Mapping[Any, Sequence[str]],
    temperature: float,
    model: SentenceEmbedder,
) -> None:
    shares = guesses(model, labels, temperature, [row[0] for row in rows])
    names = list(labels)
    right = np.array([names.index(row[column]) for row in rows])
    correct = shares.argmax(axis=1) == right
    confidence = shares.max(axis=1)
    keywords = [classify_by_keywords(row[0]) for row in rows]
    said = np.array(
        [found[column - 1] == row[column] for found, row in zip(keywords, rows, strict=True)]
    )
    most = Counter(row[column] for row in rows).most_common(1)[0][1] / len(rows)
    print(
        f"  {part:5} {len(rows)} texts: zero-shot {correct.mean():.3f}, confidence "
        f"{confidence.mean():.3f}, calibration error {calibration_error(confidence, correct):.3f}; "
        f"keywords {said.mean():.3f}; always the most frequent {most:.3f}"
    )
    if name == "category":
        hit = np.array([bool(found[2]) for found in keywords])
        print(
            f"        keywords: of {hit.sum()} texts with one {said[hit].mean():.2f} are right, of "
            f"{(~hit).sum()} without {said[~hit].mean():.2f}"
        )


def guesses(
    model: SentenceEmbedder,
    labels: Mapping[Any, Sequence[str]],
    temperature: float,
    texts: Sequence[str],
) -> NDArray[np.float64]:
    """Shares (texts, labels)."""
    shot = ZeroShot(labels, temperature)
    return np.array([list(shot.guess(v, model).shares.values()) for v in model.embed(texts)])


def loss(
    model: SentenceEmbedder,
    labels: Mapping[Any, Sequence[str]],
    temperature: float,
    rows: Sequence[Any],
    column: int,
) -> float:
    shares = guesses(model, labels, temperature, [row[0] for row in rows])
    names = list(labels)
    right = [names.index(row[column]) for row in rows]
    return float(-np.log(shares[np.arange(len(rows)), right]).mean())


def calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    edges = np.linspace(0, 1, 6)
    error = 0.0
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return float(error)


if __name__ == "__main__":
    main()
