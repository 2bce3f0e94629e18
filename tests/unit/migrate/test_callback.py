from __future__ import annotations

import json

import httpx
import pytest

from functions.migrate.callback import ATTEMPTS, Callback
from functions.migrate.schemas import CustomResourceResponse
from hearth.errors import Unavailable
from tests.support.events import load_event

URL = load_event("migrate/cloudformation_create")["ResponseURL"]
RESPONSE = CustomResourceResponse(
    status="SUCCESS",
    physical_resource_id="hearth-database-schema",
    stack_id="stack",
    request_id="request",
    logical_resource_id="Schema",
    data={"Revision": "0004"},
)


class Receiver:
    """Answers with what it is given, one after the other, and keeps what it was sent."""

    def __init__(self, *answers: int | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits: list[float] = []

    def callback(self) -> Callback:
        client = httpx.Client(transport=httpx.MockTransport(self._answer))
        return Callback(client, sleep=self.waits.append)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer)


def test_the_answer_is_put_as_cloudformation_expects_it() -> None:
    receiver = Receiver(200)

    receiver.callback()(URL, RESPONSE)

    (request,) = receiver.requests
    assert request.method == "PUT"
    # One changed byte of path or query and the signature no longer fits.
    assert str(request.url) == URL
    assert "content-type" not in request.headers
    assert json.loads(request.content) == {
        "Status": "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": "hearth-database-schema",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Schema",
        "Data": {"Revision": "0004"},
    }


@pytest.mark.parametrize(
    "passing", [500, 503, 429, httpx.ConnectError("refused"), httpx.ReadTimeout("slow")]
)
def test_a_temporary_failure_is_retried(passing: int | Exception) -> None:
    receiver = Receiver(passing, passing, 200)

    receiver.callback()(URL, RESPONSE)

    assert len(receiver.requests) == 3
    assert receiver.waits == [0.5, 1.0]


def test_a_receiver_that_never_answers_fails_the_invocation_without_disclosing_the_url() -> None:
    receiver = Receiver(*[503] * ATTEMPTS)

    with pytest.raises(Unavailable, match=r"amazonaws\.com did not take .* \(HTTP 503\)") as caught:
        receiver.callback()(URL, RESPONSE)

    assert len(receiver.requests) == ATTEMPTS
    assert "Signature" not in str(caught.value)


def test_an_expired_url_is_not_retried() -> None:
    receiver = Receiver(403)

    with pytest.raises(Unavailable, match="HTTP 403"):
        receiver.callback()(URL, RESPONSE)

    assert len(receiver.requests) == 1
