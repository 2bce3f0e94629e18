"""Speaks HTTP with a running stack."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from hearth_runtime.commands.output import MISUSED, CommandError
from hearth_runtime.http.owner import read_owner_key
from hearth_runtime.stack_state import StackState, read_state

TOKEN = "HEARTH_TOKEN"  # noqa: S105 (its name)
# The stack is on this machine: a proxy of the environment could not reach it.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and body of an HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            CommandError: It is not.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise CommandError(
                f"The stack answered {self.status} with something that is not JSON: "
                f"{self.body[:200]!r}.",
                "Look into `hearth logs`.",
            ) from None


def running_stack(data: Path) -> StackState:
    """The stack that runs on a data folder.

    Raises:
        CommandError: None does.
    """
    state = read_state(data)
    if state is None:
        raise CommandError(
            f"No stack is running on {data}.",
            "Start one with `hearth up`, or name its folder with --data.",
            code=MISUSED,
        )
    return state


def request(
    url: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 35.0,
) -> Answer:
    """One request; every HTTP status is an answer.

    Raises:
        CommandError: Nobody answers.
    """
    asked = urllib.request.Request(url, body, dict(headers or {}), method=method)  # noqa: S310
    try:
        with _OPENER.open(asked, timeout=timeout_s) as response:
            return _answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, error.headers, error.read())
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise CommandError(
            f"The stack does not answer at {urllib.parse.urlsplit(url).netloc}: {reason}.",
            "See `hearth status` and `hearth logs`.",
        ) from None


def _answer(status: int, headers: Any, body: bytes) -> Answer:
    return Answer(status, {name.lower(): value for name, value in headers.items()}, body)


class Api:
    """The product's HTTP API behind the gateway.

    Args:
        key: Authenticates the caller, unless `HEARTH_TOKEN` holds an access token or an API key.
    """

    def __init__(self, gateway_url: str, key: str | None = None) -> None:
        self._base = f"{gateway_url.rstrip('/')}/api/v1"
        token = os.environ.get(TOKEN, "").strip() or (key or "")
        if not (token.isascii() and token.isprintable()):
            raise CommandError(
                f"{TOKEN} holds characters that no token has.",
                "Copy the token or the API key again.",
                code=MISUSED,
            )
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, **query: str | int | None) -> Any:
        """JSON of a GET.

        Raises:
            CommandError: The stack does not answer, or answers with an error.
        """
        return self._ok(self._request(self._url(path, query))).json()

    def get_bytes(self, path: str) -> Answer:
        """A file; 404 is an answer, any other error is raised as CommandError."""
        answer = self._request(self._url(path, {}))
        return answer if answer.status == 404 else self._ok(answer)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """JSON of a POST, with a JSON body if one is given; errors as for `get`."""
        data = b"" if body is None else json.dumps(body).encode()
        return self._ok(self._request(self._url(path, {}), "POST", data)).json()

    def delete(self, path: str) -> None:
        """A DELETE; errors as for `get`."""
        self._ok(self._request(self._url(path, {}), "DELETE"))

    def pages(self, path: str, field: str, **query: str | int | None) -> Iterator[dict[str, Any]]:
        """The items of a list, page after page."""
        cursor: str | None = None
        while True:
            page = self.get(path, **{"limit": 100, **query, "cursor": cursor})
            yield from page[field]
            cursor = page.get("next_cursor")
            if not cursor:
                return

    def _request(self, url: str, method: str = "GET", body: bytes | None = None) -> Answer:
        headers = self._headers | ({"Content-Type": "application/json"} if body else {})
        return request(url, method=method, body=body, headers=headers)

    def _url(self, path: str, query: Mapping[str, str | int | None]) -> str:
        given = {name: value for name, value in query.items() if value is not None}
        return f"{self._base}{path}" + (f"?{urllib.parse.urlencode(given)}" if given else "")

    @staticmethod
    def _ok(answer: Answer) -> Answer:
        if answer.status < 400:
            return answer
        if answer.status == 401:
            raise CommandError(
                "The stack requires authentication, and the token is missing or not valid.",
                f"Set {TOKEN} to an access token or an API key that is still valid.",
            )
        try:
            error = json.loads(answer.body)["error"]
            said = f"{error['message']} (request {error.get('request_id', 'unknown')})"
            if answer.status < 500:
                raise CommandError(f"{said}.")
        except (ValueError, KeyError, TypeError):
            said = f"{answer.body[:200]!r}"
        raise CommandError(f"The stack answered {answer.status}: {said}", "See `hearth logs`.")


def api_of(url: str | None, data: Path) -> Api:
    """The API at an address, or of the stack that runs on a data folder.

    Raises:
        CommandError: None runs there.
    """
    if url is not None:
        return Api(url)
    state = running_stack(data)
    return Api(state.owner_url or state.gateway_url, read_owner_key(data))
