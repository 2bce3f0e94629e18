"""Where the stack's AWS services answer, and a lean SQS client for the pollers."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

if TYPE_CHECKING:
    import aiohttp


@dataclass(frozen=True, slots=True)
class AwsEndpoint:
    """One endpoint for every service, as AWS_ENDPOINT_URL means it."""

    url: str
    region: str
    access_key: str
    secret_key: str
    session_token: str | None = None

    @classmethod
    def local(cls, url: str, environment: Mapping[str, str] | None = None) -> AwsEndpoint:
        """An emulator's endpoint: the credentials of the environment, or dummies."""
        given = os.environ if environment is None else environment
        return cls(
            url.rstrip("/"),
            given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or "us-east-1",
            given.get("AWS_ACCESS_KEY_ID") or "test",
            given.get("AWS_SECRET_ACCESS_KEY") or "test",
            given.get("AWS_SESSION_TOKEN") or None,
        )

    def environment(self) -> dict[str, str]:
        """What boto3 in a function needs to find it."""
        variables = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }
        if self.session_token:
            variables["AWS_SESSION_TOKEN"] = self.session_token
        return variables


class SqsError(Exception):
    """SQS refused a request; `code` is its error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class SqsClient:
    """Speaks the SQS JSON protocol over kept-alive connections.

    boto3's blocking long poll cannot be interrupted, and a call takes it 0.85 ms of processor time
    instead of 0.36. Cancelling `call` closes the connection.
    """

    def __init__(self, endpoint: AwsEndpoint) -> None:
        self._url = endpoint.url + "/"
        credentials = Credentials(endpoint.access_key, endpoint.secret_key, endpoint.session_token)
        self._signer = SigV4Auth(credentials, "sqs", endpoint.region)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> SqsClient:
        import aiohttp  # not above: provisioning runs inside LocalStack too, which has none

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=40, sock_connect=10),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call. Raises SqsError when refused, aiohttp.ClientError or TimeoutError when
        the endpoint does not answer."""
        if self._session is None:
            raise RuntimeError("the client is used outside its context")
        body = json.dumps(request).encode()
        signed = AWSRequest(
            "POST",
            self._url,
            headers={
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": f"AmazonSQS.{action}",
            },
            data=body,
        )
        self._signer.add_auth(signed)
        headers = {str(name): str(value) for name, value in signed.headers.items()}
        async with self._session.post(self._url, data=body, headers=headers) as response:
            text = await response.read()
            try:
                answer: dict[str, Any] = json.loads(text) if text else {}
            except ValueError:
                answer = {"message": text[:200].decode(errors="replace")}
            if response.status != 200:
                # "com.amazonaws.sqs#QueueDoesNotExist"
                code = str(answer.get("__type") or response.status).rsplit("#", 1)[-1]
                raise SqsError(code, str(answer.get("message") or answer.get("Message") or ""))
            return answer
