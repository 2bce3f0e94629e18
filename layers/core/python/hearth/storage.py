"""Objects in S3: frames, evidence, reports. Keys are deterministic, so a repeat changes nothing."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from hearth.errors import Conflict, Forbidden, InvalidInput, NotFound, TooLarge, Unavailable

if TYPE_CHECKING:
    from typing import BinaryIO

    from types_boto3_s3 import S3Client

READ_AHEAD = 4 * 1024 * 1024
"""Bytes that one request for a part of an object brings, and that lie in memory."""


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

    def open(self, key: str, max_bytes: int) -> BinaryIO:
        """The object as a file that can be read and sought; 4 MB of it are in memory at a time.

        Reading raises Conflict when the object is replaced meanwhile.

        Raises:
            NotFound: no such key.
            TooLarge: more than `max_bytes`.
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

    def open(self, key: str, max_bytes: int) -> BinaryIO:
        with self._translated(key):
            head = self._client.head_object(Bucket=self.bucket, Key=key)
        size = head["ContentLength"]
        if size > max_bytes:
            raise TooLarge(f"{key} has {size} bytes; at most {max_bytes} are read")
        parts: io.RawIOBase = _Parts(self, key, size, head["ETag"])
        return io.BufferedReader(parts, READ_AHEAD)

    def part(self, key: str, etag: str, start: int, length: int) -> bytes:
        """Some bytes of the object that has the entity tag `etag`.

        Raises:
            Conflict: it is another object by now.
            NotFound: it is gone.
        """
        with self._translated(key):
            answer = self._client.get_object(
                Bucket=self.bucket,
                Key=key,
                IfMatch=etag,
                Range=f"bytes={start}-{start + length - 1}",
            )
            with closing(answer["Body"]) as body:
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
        from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

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
            if code in {"PreconditionFailed", "412"}:
                raise Conflict(f"{where} was replaced while it was read") from error
            if code in {"AccessDenied", "403"}:
                raise Forbidden(f"{where}: access denied") from error
            if code in {"KeyTooLongError", "InvalidURI"}:
                raise InvalidInput(f"{where[:1100]!r} is not a valid S3 address") from error
            raise Unavailable(f"{where}: S3 answered {code or status}") from error
        except BotoCoreError as error:
            raise Unavailable(f"{where}: S3 does not answer ({type(error).__name__})") from error


class _Parts(io.RawIOBase):
    """Reads an object of S3 part by part; the buffer above it makes the parts large."""

    def __init__(self, store: S3Store, key: str, size: int, etag: str) -> None:
        self._store = store
        self._key = key
        self._size = size
        self._etag = etag
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # any writable buffer
        length = min(len(buffer), max(0, self._size - self._at))
        if length == 0:
            return 0
        data = self._store.part(self._key, self._etag, self._at, length)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
