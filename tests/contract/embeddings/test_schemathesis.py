"""The OpenAPI document of the text functions keeps its word, whatever Schemathesis asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis

from functions.embeddings.api import create_app
from hearth.http.auth import Role
from tests.support.callers import caller
from tests.support.openapi_contract import Deferred, OpenApiContract, examples
from tests.support.text_stage import TextStage, with_minilm

SERVICES = Deferred()
CONTRACT = OpenApiContract(create_app(SERVICES), lambda: caller(Role.USER))


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    SERVICES.service = TextStage(with_minilm(tmp_path_factory.mktemp("models"))).wiring
    yield
    SERVICES.service = None


def make_sensible(case: schemathesis.Case) -> None:
    """Name a model that exists, and ask for no more than there are candidates, where the document
    can only ask for a text and a number."""
    body = case.body
    if not isinstance(body, dict):
        return
    if isinstance(body.get("model"), str) and 1 <= len(body["model"]) <= 200:
        body["model"] = "all-MiniLM-L6-v2"
    if isinstance(body.get("dimensions"), int):
        body["dimensions"] = 384
    candidates, top_k = body.get("candidates"), body.get("top_k")
    if isinstance(candidates, list) and isinstance(top_k, int | float) and candidates and top_k > 1:
        body["top_k"] = min(top_k, len(candidates)) if top_k <= 50 else top_k


@CONTRACT.document().parametrize()
@examples(40)
def test_the_text_functions_keep_to_their_document(case: schemathesis.Case) -> None:
    make_sensible(case)
    CONTRACT.check(case)
