"""The text functions over HTTP, on models that lie in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from functions.embeddings.api import create_app
from functions.embeddings.settings import Settings
from functions.embeddings.wiring import Wiring
from hearth.http.app import lambda_handler_for
from hearth.http.auth import Principal, Role
from hearth_text.models import MINILM
from tests.support.callers import caller, request_context
from tests.support.events import load_event
from tests.support.fakes import LambdaContext
from tests.support.shared_app import SharedApp
from tests.support.text_models import installed


def with_minilm(folder: Path) -> Path:
    """`folder`, with the real MiniLM in it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MINILM.name).symlink_to(installed() / MINILM.name)
    return folder


class TextStage:
    """The API on the models of a folder, called as API Gateway calls it."""

    def __init__(self, models: Path, **settings: Any) -> None:
        self.wiring = Wiring(
            Settings(
                **{
                    "database_url": "sqlite:////nowhere/hearth.db",
                    "models_dir": models,
                    "streams": 2,
                    "precision": "float32",
                    "compile_cache": models / ".cache",
                    **settings,
                }
            )
        )
        self.app = SharedApp(create_app, self.wiring)
        self._handler: Callable[[dict[str, Any], Any], dict[str, Any]] = lambda_handler_for(
            self.app
        )

    def post(
        self,
        path: str,
        body: Any,
        principal: Principal | None = caller(Role.USER),  # noqa: B008
    ) -> tuple[int, Any]:
        """Status and decoded body; `body` is JSON, or a text as it is."""
        return self._call("POST", path, body, principal)

    def get(self, path: str) -> Any:
        status, body = self._call("GET", path, None, caller(Role.USER))
        assert status == 200, body
        return body

    def send(self, event: str) -> tuple[int, Any]:
        """A recorded event of `events/embeddings`."""
        answer = self._handler(load_event(f"embeddings/{event}"), LambdaContext())
        return answer["statusCode"], json.loads(answer["body"])

    def _call(
        self, method: str, path: str, body: Any, principal: Principal | None
    ) -> tuple[int, Any]:
        event = load_event("embeddings/http_api_classify", rawPath=path)
        event["body"] = body if isinstance(body, str | None) else json.dumps(body)
        event["requestContext"]["http"] |= {"method": method, "path": path}
        event["requestContext"] |= {"authorizer": {}} | request_context(principal)
        answer = self._handler(event, LambdaContext())
        return answer["statusCode"], json.loads(answer["body"])
