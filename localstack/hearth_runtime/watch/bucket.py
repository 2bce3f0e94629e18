"""The S3 bucket that frames go to."""

from __future__ import annotations

import os

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from hearth_runtime.watch.errors import StoreError

_PASSING_CODES = frozenset(
    {"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "RequestTimeTooSkewed"}
)
# An object as such is refused: the next one may well be taken.
_OBJECT_CODES = frozenset(
    {"EntityTooLarge", "InvalidRequest", "InvalidArgument", "KeyTooLongError"}
)


class OutOfReach(Exception):
    """The bucket did not take an object now; the message says why in a few words."""


class Refused(Exception):
    """The bucket will never take this object; the message says why in a few words."""


class Bucket:
    """Puts objects into one bucket.

    boto3 itself is not asked to retry: what to do while the bucket is out of reach is decided
    above, where frames can go to disk instead.
    """

    def __init__(
        self,
        name: str,
        endpoint_url: str | None = None,
        region: str | None = None,
        *,
        timeout_s: float = 5.0,
        connections: int = 4,
    ) -> None:
        self.name = name
        self.endpoint_url = endpoint_url or _endpoint_of_environment()
        # A local emulator takes any key: asking for one on a machine without an account is absurd.
        made_up = "test" if self.endpoint_url and "AWS_ACCESS_KEY_ID" not in os.environ else None
        self._client = boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=made_up,
            aws_secret_access_key=made_up,
            region_name=region
            or os.environ.get("AWS_REGION")
            or os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
            config=Config(
                connect_timeout=timeout_s,
                read_timeout=timeout_s * 2,
                retries={"total_max_attempts": 1},
                max_pool_connections=connections,
                s3={"addressing_style": "path" if self.endpoint_url else "auto"},
                request_checksum_calculation="when_required",
            ),
        )

    def check(self) -> str | None:
        """Look whether the bucket is there.

        Returns:
            Why it is out of reach now, or None when it answers.

        Raises:
            StoreError: It does not exist, or we may not use it.
        """
        try:
            self._client.head_bucket(Bucket=self.name)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 404:
                raise StoreError(
                    f"Bucket {self.name} does not exist{self._where()}.",
                    "Start the stack (`hearth up`), or name the right one with --bucket.",
                ) from None
            if status in {400, 401, 403}:
                raise StoreError(
                    f"The bucket {self.name} may not be used ({status}){self._where()}.",
                    "Check the AWS credentials in the environment.",
                ) from None
            return f"the bucket answers {status}"
        except NoCredentialsError:
            raise StoreError(
                "There are no AWS credentials in the environment.",
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name the --endpoint-url of a "
                "local stack.",
            ) from None
        except BotoCoreError as error:
            return self._words(error)
        return None

    def put(self, key: str, data: bytes) -> None:
        """Store an object; its content type follows from its key.

        Raises:
            OutOfReach: Not now.
            Refused: Never.
        """
        kind = "application/json" if key.endswith(".end") else "image/jpeg"
        try:
            self._client.put_object(Bucket=self.name, Key=key, Body=data, ContentType=kind)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if code in _OBJECT_CODES and code not in _PASSING_CODES:
                raise Refused(f"the bucket answers {status} {code}") from None
            # Expired credentials or a bucket that is being made anew may heal: nothing is thrown
            # away for them.
            raise OutOfReach(f"the bucket answers {status} {code}".rstrip()) from None
        except BotoCoreError as error:
            raise OutOfReach(self._words(error)) from None

    def count(self, prefix: str, suffix: str) -> int:
        """How many keys begin and end so.

        Raises:
            StoreError: The bucket does not answer.
        """
        pages = self._client.get_paginator("list_objects_v2")
        try:
            return sum(
                item["Key"].endswith(suffix)
                for page in pages.paginate(Bucket=self.name, Prefix=prefix)
                for item in page.get("Contents", ())
            )
        except (BotoCoreError, ClientError) as error:
            raise StoreError(f"The bucket {self.name} cannot be listed: {error}.") from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _words(self, error: BotoCoreError) -> str:
        # botocore's own messages hold the whole URL of the object.
        name = self.endpoint_url or "AWS"
        if isinstance(error, ReadTimeoutError):
            return f"{name} does not answer in time"
        if isinstance(error, (HTTPClientError, BotoConnectionError)):
            return f"no connection to {name}"
        return str(error).splitlines()[0][:200]

    def _where(self) -> str:
        return f" at {self.endpoint_url}" if self.endpoint_url else ""


def _endpoint_of_environment() -> str | None:
    """AWS_ENDPOINT_URL, or localstack-client's rule where LOCALSTACK_HOST is set, or AWS itself."""
    given = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if given or not os.environ.get("LOCALSTACK_HOST"):
        return given or None
    from localstack_client.config import get_service_endpoint

    endpoint: str | None = get_service_endpoint("s3")
    return endpoint
