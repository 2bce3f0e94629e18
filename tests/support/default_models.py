"""The models that Hearth brings, as scripts/models made them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hearth_vision.default_models import DefaultModel

MODELS = Path(__file__).resolve().parents[2] / "models"


def installed(model: DefaultModel) -> Path:
    """A model's file; fails the test where it was not made."""
    path = model.find(MODELS)
    if path is None:
        pytest.fail("run scripts/models, as scripts/test does")
    return path
