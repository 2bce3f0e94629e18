"""Objects in S3: frames, evidence, reports. Keys are deterministic, so a repeat changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from hearth.errors import Forbidden, InvalidInput, NotFound, TooLarge, Unavailable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One line of a listing; `size` in bytes."""

    key: str
    size: int
    last_modified: datetime


class ObjectStore(Protocol):
    """One bucket. Every method raises Unavailable when it does not answer."""

    def get(self, key: str, max_bytes: int) -> bytes:
        """The object's bytes.

        Raises:
            NotFound: no such key.
            TooLarge: more than `max_bytes`; nothing is read then.
        """

    def put(self, key: str, data: bytes, content_type: str) -> str:
        """Store or overwrite; returns the sha256 of `data` in hex."""

    def list(
        self, prefix: str, start_after: str | None = None, end_before: str | None = None
    ) -> Iterator[StoredObject]:
        """Objects under `prefix` in key order (UTF-8 bytes): `start_after` < key < `end_before`."""

    def delete(self, key: str) -> None:
        """Remove; a key that is not there is no error."""


class S3Store:
    """`ObjectStore` on an S3 bucket.

    Args:
        client: A boto3 S3 client (`hearth.aws.client("s3")`).
        bucket: Bucket name.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def get(self, key: str, max_bytes: int) -> bytes:
        with self._translated(key):
            answer = self._client.get_object(Bucket=self.bucket, Key=key)
            with closing(answer["Body"]) as body:
                size = answer["ContentLength"]
                if size > max_bytes:
                    raise TooLarge(f"{key} has {size} bytes; at most {max_bytes} are read")
                return body.read()

    def put(self, key: str, data: bytes, content_type: str) -> str:
        with self._translated(key):
            self._client.put_object(
                Bucket=self.bucket, Key=key, Body=data, ContentType=content_type
            )
        return hashlib.sha256(data).hexdigest()

    def list(
        self, prefix: str, start_after: str | None = None, end_before: str | None = None
    ) -> Iterator[StoredObject]:
        end = end_before.encode() if end_before is not None else None
        with self._translated(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, StartAfter=start_after or ""
            )
            for page in pages:
                for item in page.get("Contents", []):
                    key = item["Key"]
                    if end is not None and key.encode() >= end:
                        return
                    yield StoredObject(key, item["Size"], item["LastModified"])

    def delete(self, key: str) -> None:
        with self._translated(key):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            ParamValidationError,
        )

        where = f"s3://{self.bucket}/{key}"
        try:
            yield
        except ParamValidationError as error:
            raise InvalidInput(f"{where[:1100]!r} is not a valid S3 address") from error
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            # A missing bucket is our set-up, not the caller's key: a retry may well help.
            if code == "NoSuchBucket":
                raise Unavailable(f"bucket {self.bucket!r} does not exist") from error
            if code in {"NoSuchKey", "404"}:
                raise NotFound(f"{where} does not exist") from error
            if code in {"AccessDenied", "403"}:
                raise Forbidden(f"{where}: access denied") from error
            if code in {"KeyTooLongError", "InvalidURI"}:
                raise InvalidInput(f"{where[:1100]!r} is not a valid S3 address") from error
            raise Unavailable(f"{where}: S3 answered {code or status}") from error
        except NoCredentialsError as error:
            raise Unavailable(
                f"{where}: there are no AWS credentials; set AWS_ACCESS_KEY_ID and "
                f"AWS_SECRET_ACCESS_KEY, or AWS_ENDPOINT_URL of a local S3 with any of both"
            ) from error
        except BotoCoreError as error:
            raise Unavailable(f"{where}: S3 does not answer ({type(error).__name__})") from error
