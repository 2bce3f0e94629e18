"""The HTTP function on the real model, called as API Gateway calls it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.embeddings.api import create_app
from functions.embeddings.service import EmbeddingService
from hearth.http.app import lambda_handler_for
from hearth.http.auth import Principal, Role
from hearth_text.models import MINILM
from hearth_text.store import ModelStore
from tests.support.callers import caller, request_context
from tests.support.events import load_event
from tests.support.fakes import LambdaContext
from tests.support.text_models import installed, minilm

TIMEOUT_S = 100.0
"""More than the function has: these tests run beside others."""


class Harness:
    """`embeddings-api`, and its answers decoded."""

    def __init__(self, service: EmbeddingService) -> None:
        self.embeddings = service
        self.app = create_app(self)
        self._handler = lambda_handler_for(self.app)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        principal: Principal | None = caller(Role.USER),  # noqa: B008
    ) -> tuple[int, Any]:
        """Status and decoded body of one request; `body` is JSON, or a text as it is."""
        status, decoded, _ = self.whole(method, path, body, principal)
        return status, decoded

    def whole(
        self,
        method: str,
        path: str,
        body: Any = None,
        principal: Principal | None = caller(Role.USER),  # noqa: B008
    ) -> tuple[int, Any, dict[str, str]]:
        """The same, and the headers."""
        event = load_event("embeddings/http_api_embed", rawPath=path)
        event["body"] = body if isinstance(body, str | None) else json.dumps(body)
        event["requestContext"]["http"] |= {"method": method, "path": path}
        event["requestContext"] |= {"authorizer": {}} | request_context(principal)
        answer = self._handler(event, LambdaContext())
        return answer["statusCode"], json.loads(answer["body"]), dict(answer["headers"])

    def embed(self, *texts: str, **more: Any) -> Any:
        status, body = self.call("POST", "/api/v1/text/embeddings", {"texts": texts, **more})
        assert status == 200, body
        return body


@pytest.fixture(scope="session")
def harness() -> Harness:
    store = ModelStore({MINILM.name: minilm}, 1 << 30)
    return Harness(EmbeddingService(store, installed(), TIMEOUT_S))
