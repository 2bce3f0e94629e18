"""The real text model, as scripts/models made it; where it is missing the tests say how to."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from hearth.errors import ModelUnavailable
from hearth_text.embedder import SentenceEmbedder
from hearth_text.loading import load_embedder
from hearth_text.models import MINILM, Variant, check_installed
from hearth_text.store import Loaded

MODELS = Path(__file__).resolve().parents[2] / "models"


def installed() -> Path:
    """The folder of models; fails the test where MiniLM is not in it."""
    try:
        check_installed(MODELS, MINILM.name)
    except ModelUnavailable:
        pytest.fail("run scripts/models float32 int8-weights int8, as scripts/test does")
    return MODELS


@cache
def minilm(variant: Variant = Variant.WEIGHTS_INT8) -> Loaded[SentenceEmbedder]:
    """The real model, loaded once for a process; float32 is float32 throughout."""
    precision = "float32" if variant is Variant.FLOAT32 else "auto"
    return load_embedder(installed(), MINILM, variant, streams=2, precision=precision)
