"""`auth` as its callers meet it: through API Gateway's events, behind its real authorizer."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any
from urllib.parse import urlencode

from functions.auth.access_tokens import AccessTokens
from functions.auth.api import create_app
from functions.auth.authenticator import Authenticator
from functions.auth.handler import Unauthorized, make_handler
from functions.auth.keyring import Keyring
from functions.auth.settings import Settings
from functions.auth.wiring import build_services
from hearth.db import Database
from hearth.errors import HearthError
from hearth.http.app import lambda_handler_for
from hearth.ids import utc_now
from hearth.principal import LOCAL_OWNER
from tests.support.events import load_event
from tests.support.fakes import Clock, LambdaContext
from tests.support.shared_app import SharedApp

SETUP_TOKEN = "a-token-for-the-setup"
PASSWORD = "a heron stood in the brook"
ADMIN = "ada@example.org"


def run_concurrently(*calls: Callable[[], Any]) -> list[Any]:
    """What each of `calls` gave or raised; they begin together, each in a thread.

    Below the handler, whose event loop is one for a process: Lambda runs one invocation at a time.
    """
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(10)
        try:
            return call()
        except HearthError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


@dataclass
class Harness:
    """Sends requests through the authorizer to `auth`, as API Gateway does, without its cache."""

    db: Database
    clock: Clock = field(default_factory=lambda: Clock(utc_now()))
    setup_token: str | None = SETUP_TOKEN
    address: str = "192.0.2.10"
    handler: Callable[[dict[str, Any], Any], dict[str, Any]] = field(init=False)
    authorizer: Callable[[dict[str, Any], Any], dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        settings = Settings(database_url="sqlite:////unused", setup_token=self.setup_token)
        self.services = build_services(self.db, settings, self.clock)
        self.handler = lambda_handler_for(SharedApp(create_app, self.services))
        self.authorizer = self.new_authorizer()

    def new_authorizer(self) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
        """That of another process: it has no keys in memory."""
        keyring = Keyring(self.db, self.clock, lambda: self.clock().timestamp())
        return make_handler(Authenticator(self.db, AccessTokens(keyring, self.clock), self.clock))

    def authorize(self, authorization: str) -> dict[str, Any]:
        """The authorizer's answer. Raises Unauthorized: API Gateway's 401."""
        event = load_event("authorizer/http_api_request", identitySource=[authorization])
        return self.authorizer(event, LambdaContext())

    def knows(self, credential: str) -> bool:
        """Whether the authorizer lets the bearer of `credential` in."""
        try:
            return bool(self.authorize(f"Bearer {credential}")["isAuthorized"])
        except Unauthorized:
            return False

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        local: bool = False,
        address: str | None = None,
        **query: Any,
    ) -> Answer:
        """The answer to a request below /api/v1/auth.

        Args:
            token: In the header Authorization; None: none is sent.
            local: It comes from a program of the machine itself.
        """
        event = load_event(
            "auth/http_api_login",
            rawPath=f"/api/v1/auth{path}",
            rawQueryString=urlencode(query),
            body=body if isinstance(body, str) else json.dumps(body),
        )
        if body is None:
            del event["body"], event["headers"]["content-type"]
        context = event["requestContext"]
        context["http"] |= {
            "method": method,
            "path": event["rawPath"],
            "sourceIp": address or self.address,
        }
        is_public = (method, path) in {
            ("POST", "/register"),
            ("POST", "/login"),
            ("POST", "/refresh"),
        }
        if local:
            context["authorizer"] = {"lambda": LOCAL_OWNER.context()}
        elif token is not None and not is_public:
            event["headers"]["authorization"] = f"Bearer {token}"
            try:
                context["authorizer"] = {"lambda": self.authorize(f"Bearer {token}")["context"]}
            except Unauthorized:
                return Answer(401, {"message": "Unauthorized"}, {})
        response = self.handler(event, LambdaContext())
        text = response["body"]
        return Answer(
            response["statusCode"], json.loads(text) if text else None, response["headers"]
        )

    # ---- what most tests begin with ----

    def set_up(self, email: str = ADMIN, password: str = PASSWORD) -> str:
        """Register the first user; their id."""
        answer = self.call(
            "POST",
            "/register",
            {"email": email, "password": password, "setup_token": SETUP_TOKEN},
        )
        assert answer.status == 201, answer.body
        return str(answer.body["id"])

    def log_in(self, email: str = ADMIN, password: str = PASSWORD, **where: Any) -> dict[str, Any]:
        """The tokens of a new session."""
        answer = self.call("POST", "/login", {"email": email, "password": password}, **where)
        assert answer.status == 200, answer.body
        tokens: dict[str, Any] = answer.body
        return tokens

    def administrator(self) -> str:
        """The access token of the first user, just registered."""
        self.set_up()
        return str(self.log_in()["access_token"])

    def user(self, admin: str, email: str = "bob@example.org", role: str = "user") -> str:
        """Id of another user, whose password is PASSWORD as well."""
        wanted = {"email": email, "password": PASSWORD, "role": role}
        answer = self.call("POST", "/users", wanted, token=admin)
        assert answer.status == 201, answer.body
        return str(answer.body["id"])

    def key(self, token: str, **wanted: Any) -> dict[str, Any]:
        """A new API key of the bearer of `token`."""
        answer = self.call("POST", "/keys", {"name": "a program", **wanted}, token=token)
        assert answer.status == 201, answer.body
        made: dict[str, Any] = answer.body
        return made

    def audited(self, admin: str, **query: Any) -> list[tuple[str, str, str | None]]:
        """(action, outcome, reason) of the log, oldest first."""
        answer = self.call("GET", "/audit", token=admin, limit=100, **query)
        assert answer.status == 200, answer.body
        entries = answer.body["entries"]
        return [(e["action"], e["outcome"], e["reason"]) for e in reversed(entries)]
