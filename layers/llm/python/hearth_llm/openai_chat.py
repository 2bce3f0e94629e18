"""Any OpenAI-compatible chat completions endpoint: OpenAI, Groq, Gemini, Ollama, Hugging Face."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx

from hearth_llm.chat import ChatRefused, ChatUnavailable, with_retries

MAX_RESPONSE_BYTES = 1024 * 1024
CONNECT_TIMEOUT_S = 5.0
STALL_TIMEOUT_S = 5.0
"""Longest pause within an answer that has begun; it exceeds the budget by no more than this."""
_RETRYABLE = frozenset({408, 409, 425, 429})


class OpenAiChat:
    """`Chat` on `POST {base_url}/chat/completions`.

    Args:
        client: Needs no time-outs: each request gets what is left of its budget.
        base_url: Up to and including `/v1`.
        api_key: Sent as a bearer token; empty where none is needed.
        temperature: Between 0 and 2.
    """

    def __init__(
        self,
        client: httpx.Client,
        base_url: str,
        model: str,
        api_key: str = "",
        temperature: float = 0.3,
    ) -> None:
        self._client = client
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._options: dict[str, Any] = {
            "temperature": temperature,
            "response_format": {"type": "json_object"},
        }
        self.model = model

    def complete(self, system: str, user: str, *, budget_s: float) -> str:
        body = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": user},
            ],
        }

        def attempt(left_s: float) -> str:
            expires = time.monotonic() + left_s
            status, answer = self._post(body | self._options, left_s)
            if status in (400, 422):
                # Not every model supports JSON mode or a temperature: retry without them.
                left = expires - time.monotonic()
                if left <= 0:
                    raise ChatUnavailable("no time was left")
                status, answer = self._post(body, left)
            if status != 200:
                raise ChatRefused(f"the endpoint answered HTTP {status}")
            return _content(answer)

        return with_retries(attempt, budget_s)

    def _post(self, body: dict[str, Any], left_s: float) -> tuple[int, bytes]:
        """Return status and body; retryable statuses are raised."""
        expires = time.monotonic() + left_s
        timeout = httpx.Timeout(left_s, connect=min(CONNECT_TIMEOUT_S, left_s))
        try:
            with self._client.stream(
                "POST", self._url, json=body, headers=self._headers, timeout=timeout
            ) as response:
                status = response.status_code
                if status in _RETRYABLE or status >= 500:
                    raise ChatUnavailable(
                        f"the endpoint answered HTTP {status}", _retry_after(response)
                    )
                # The first byte may take the whole budget; once begun, the answer must not stall.
                response.request.extensions["timeout"]["read"] = min(STALL_TIMEOUT_S, left_s)
                return status, _read(response, expires)
        except httpx.TimeoutException as error:
            raise ChatUnavailable("the endpoint did not answer in time") from error
        except httpx.TransportError as error:
            raise ChatUnavailable(f"the connection failed ({type(error).__name__})") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ChatRefused(f"the answer is unusable ({type(error).__name__})") from error


def _read(response: httpx.Response, expires: float) -> bytes:
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > MAX_RESPONSE_BYTES:
            raise ChatRefused(f"the answer is over {MAX_RESPONSE_BYTES} bytes")
        if time.monotonic() > expires:
            raise ChatUnavailable("the endpoint did not finish its answer in time")
        chunks.append(chunk)
    return b"".join(chunks)


def _retry_after(response: httpx.Response) -> float:
    """Return the seconds of Retry-After; 0 where absent or a date, which few send."""
    try:
        return max(0.0, float(response.headers.get("retry-after", "0")))
    except ValueError:
        return 0.0


def _content(answer: bytes) -> str:
    try:
        content = json.loads(answer)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise ChatRefused("the answer is not a chat completion") from error
    if not isinstance(content, str):
        raise ChatRefused("the answer holds no text")
    return content
