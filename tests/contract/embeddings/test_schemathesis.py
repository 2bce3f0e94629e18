"""The OpenAPI document of the text functions keeps its word, whatever Schemathesis asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from starlette.types import Receive, Scope, Send

from functions.embeddings.api import create_app
from hearth.http.auth import Role
from tests.support.callers import acting_as, caller
from tests.support.text_stage import TextStage, with_minilm

load_all_checks()


class Later:
    """Stands for the services when the document is read, before there is a model."""

    services: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.services, name)


SERVICES = Later()
APP = create_app(SERVICES)
SHOWN = {"Authorization": "Bearer token-of-a-user"}


async def behind_the_gateway(scope: Scope, receive: Receive, send: Send) -> None:
    """As the gateway with its authorizer shows it: one token is known, and nobody else."""
    shown = dict(scope.get("headers", ())).get(b"authorization", b"").decode("latin-1")
    known = shown == SHOWN["Authorization"]
    await acting_as(APP, caller(Role.USER) if known else None)(scope, receive, send)


def document() -> Any:
    config = SchemathesisConfig()
    config.projects.default.generation.update(deterministic=True)
    found = schemathesis.openapi.from_dict(APP.openapi(), config=config)
    found.app = behind_the_gateway
    return found


schema = document()


@pytest.fixture(scope="module", autouse=True)
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    SERVICES.services = TextStage(with_minilm(tmp_path_factory.mktemp("models"))).wiring
    yield
    SERVICES.services = None


def sensible(case: schemathesis.Case) -> None:
    """Name a model that there is, and ask for no more than there are candidates, where the document
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


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_text_functions_keep_to_their_document(case: schemathesis.Case) -> None:
    sensible(case)
    wrong_headers = case.meta is not None and case.meta.is_negative_at(ParameterLocation.HEADER)
    case.call_and_validate(headers=None if wrong_headers else SHOWN)
