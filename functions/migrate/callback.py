"""Sends the response of a custom-resource request."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from functions.migrate.schemas import CustomResourceResponse
from hearth.errors import Unavailable

ATTEMPTS = 4
_BACKOFF_S = 0.5


class Callback:
    """Puts responses to a pre-signed URL.

    Args:
        client: The HTTP client, whose time-outs limit one attempt.
        sleep: Waits between attempts, in seconds.
    """

    def __init__(self, client: httpx.Client, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._sleep = sleep

    def __call__(self, url: str, response: CustomResourceResponse) -> None:
        """Deliver `response`; a repeat does no harm, because the first one counts.

        Raises:
            Unavailable: Four attempts failed; Lambda then repeats the invocation.
        """
        body = response.model_dump_json(by_alias=True).encode()
        # The signature covers an empty content type; httpx sends none for bytes.
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(_BACKOFF_S * 2 ** (attempt - 1))
            try:
                answer = self._client.put(url, content=body)
            except httpx.HTTPError as error:
                problem = type(error).__name__
                continue
            if answer.is_success:
                return
            problem = f"HTTP {answer.status_code}"
            if answer.status_code < 500 and answer.status_code not in (408, 429):
                break  # expired or already answered: a retry would be refused as well
        host = httpx.URL(url).host
        # Not the URL itself: with its signature anybody who reads the log could answer instead.
        raise Unavailable(f"{host} did not take the answer {response.status} ({problem})")
