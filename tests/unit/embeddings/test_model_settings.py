"""Which models the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from functions.embeddings.settings import Settings
from functions.embeddings.wiring import Wiring


def made(**values: Any) -> Settings:
    return Settings(database_url="sqlite:////nowhere/hearth.db", **values)


def test_without_settings_only_the_embedding_model_exists() -> None:
    settings = made()
    assert (settings.reranker, settings.classifier) == ("", "")
    assert [one.name for one in Wiring(settings).store.status()] == ["all-MiniLM-L6-v2"]


def test_an_empty_variable_means_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANKER_MODEL", "")
    assert made().reranker_model is None


def test_a_model_is_called_by_the_name_of_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANKER_MODEL", "/models/bge-reranker-base")
    monkeypatch.setenv("CLASSIFIER_MODEL", "flan-t5-small")
    names = [one.name for one in Wiring(made()).store.status()]
    assert names == ["all-MiniLM-L6-v2", "bge-reranker-base", "flan-t5-small"]


@pytest.mark.parametrize(
    ("reranker", "classifier"),
    [("/a/same", "/b/same"), ("all-MiniLM-L6-v2", None), (None, "/models/all-MiniLM-L6-v2")],
)
def test_two_models_with_one_name_are_refused(reranker: str | None, classifier: str | None) -> None:
    folders = {"reranker_model": reranker, "classifier_model": classifier}
    with pytest.raises(ValidationError, match="different names"):
        made(**{name: Path(folder) for name, folder in folders.items() if folder})
