"""Plain requests to the stack under test."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from typing import Any

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def request(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
    """Send one request; an error status is a reply like any other."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    prepared = urllib.request.Request(url, data=body, headers=names, method=method)
    try:
        with _OPENER.open(prepared, timeout=20) as response:
            return Reply(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.headers, error.read())
