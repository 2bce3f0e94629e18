"""Classifies the pattern that a text describes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from functions.embeddings.classification.keywords import classify_by_keywords
from functions.embeddings.classification.labels import CATEGORIES, PRIORITIES
from functions.embeddings.classification.schemas import ClassifyOut
from functions.embeddings.classification.zero_shot import ZeroShot
from functions.embeddings.optional_model import Models, OptionalModel
from hearth_text.seq2seq import Seq2SeqScorer
from hearth_text.store import Loaded

L = TypeVar("L", bound=str)

CATEGORY_TEMPERATURE, PRIORITY_TEMPERATURE = 0.061, 0.164
KEYWORD_CONFIDENCE, NO_KEYWORD_CONFIDENCE, DEFAULT_PRIORITY_CONFIDENCE = 0.77, 0.37, 0.37
"""All fitted to the 60 texts of `fit` in tests/performance/classification_texts.json, for
all-MiniLM-L6-v2: tests/performance/classify.py prints them, and how they hold on 40 others."""

_CATEGORY_PROMPT = (
    "Classify this smart home pattern.\n\nPattern: {text}\n\n"
    "Category (energy, comfort, security or convenience):"
)
_PRIORITY_PROMPT = (
    "How urgent is this smart home pattern?\n\nPattern: {text}\n\nPriority (high, medium or low):"
)


class ClassificationService:
    """Classifies with the best installed model.

    Args:
        classifier: The name of the sequence-to-sequence model, empty for none.
        embedder: The name of the embedding model.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        models: Models[Any],
        classifier: str,
        embedder: str,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._classifier = OptionalModel(models, classifier, "CLASSIFIER_MODEL")
        self._embedder = OptionalModel(models, embedder, "MODELS_DIR")
        self._categories = ZeroShot(CATEGORIES, CATEGORY_TEMPERATURE)
        self._priorities = ZeroShot(PRIORITIES, PRIORITY_TEMPERATURE)
        self._clock = clock

    def classify(self, text: str) -> ClassifyOut:
        """Classify a text by category and priority.

        Raises:
            InvalidInput: The text is no Unicode.
            Unavailable: A model is still being loaded.
        """
        began = self._clock()
        classifier, why = self._classifier.get()
        if classifier is not None:
            answer = self._ask_model(classifier, text)
        else:
            embedder, why_not = self._embedder.get()
            if embedder is not None:
                answer = self._compare_descriptions(embedder, text, why)
            else:
                answer = _match_keywords(text, f"{why}; {why_not}")
        return answer.model_copy(update={"processing_time": self._clock() - began})

    def _ask_model(self, classifier: Loaded[Seq2SeqScorer], text: str) -> ClassifyOut:
        model = classifier.value
        category, sure = _most_probable(model, _CATEGORY_PROMPT.format(text=text), CATEGORIES)
        priority, how_sure = _most_probable(model, _PRIORITY_PROMPT.format(text=text), PRIORITIES)
        return ClassifyOut(
            category=category,
            priority=priority,
            confidence=sure,
            priority_confidence=how_sure,
            method="seq2seq",
            reason=f"{model.name} gives {category} {sure:.0%} and {priority} {how_sure:.0%} of the "
            f"probability of all answers",
            fallback_reason=None,
            model_name=model.name,
            model_sha256=classifier.sha256,
            processing_time=0,
        )

    def _compare_descriptions(
        self, embedder: Loaded[Any], text: str, why: str | None
    ) -> ClassifyOut:
        model = embedder.value
        (vector,) = model.embed([text])
        category = self._categories.guess(vector, model)
        priority = self._priorities.guess(vector, model)
        return ClassifyOut(
            category=category.label,
            priority=priority.label,
            confidence=category.confidence,
            priority_confidence=priority.confidence,
            method="zero-shot",
            reason=f"of {category.label}'s descriptions, {category.description!r} is closest "
            f"(cosine {category.cosine:.2f}); of {priority.label} priority's, "
            f"{priority.description!r} ({priority.cosine:.2f})",
            fallback_reason=why,
            model_name=self._embedder.name,
            model_sha256=embedder.sha256,
            processing_time=0,
        )


def _match_keywords(text: str, why: str) -> ClassifyOut:
    category, priority, words = classify_by_keywords(text)
    return ClassifyOut(
        category=category,
        priority=priority,
        confidence=KEYWORD_CONFIDENCE if words else NO_KEYWORD_CONFIDENCE,
        priority_confidence=DEFAULT_PRIORITY_CONFIDENCE,
        method="keywords",
        reason=f"it says {', '.join(words)}" if words else "no word of a category is in it",
        fallback_reason=why,
        model_name=None,
        model_sha256=None,
        processing_time=0,
    )


def _most_probable(
    model: Seq2SeqScorer, prompt: str, labels: Mapping[L, object]
) -> tuple[L, float]:
    """Return the label with the highest probability, and its share of that of all labels."""
    names = list(labels)
    scores = model.log_probabilities(prompt, names).astype(np.float64)
    shares = np.exp(scores - scores.max())
    best = int(shares.argmax())
    return names[best], float(shares[best] / shares.sum())
