"""Objects of a running stack, through S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from hearth_runtime.aws.endpoint import AwsEndpoint
from hearth_runtime.aws.object_store import s3_client
from hearth_runtime.stack_state import StackState

from .errors import BackupError
from .models import SERVED
from .object_folder import DEFAULT_ACCOUNT, StoredObject

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_GONE = {"NoSuchKey", "404"}


def bucket_objects(state: StackState, wanted: Callable[[str], bool]) -> Iterator[StoredObject]:
    """Every object of the stack's bucket whose key is wanted, in key order, but first which model
    is in force: its files were there before it was written.

    One that is removed meanwhile is left out, as if it had been removed before.

    Raises:
        BackupError: S3 stopped answering, or refuses.
    """
    endpoint = AwsEndpoint.local(state.endpoint_url)
    account = _account(state)
    try:
        with closing(s3_client(endpoint)) as client:
            if wanted(SERVED):
                yield from _object(client, account, state.bucket, SERVED)
            # Keys may hold what XML cannot; boto3 asks for them encoded, and decodes them.
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=state.bucket):
                for item in page.get("Contents", []):
                    key = item["Key"]
                    if key != SERVED and wanted(key):
                        yield from _object(client, account, state.bucket, key)
    except (BotoCoreError, ClientError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, not the network's
        raise BackupError(
            f"S3 at {state.endpoint_url} stopped answering: {error}.",
            "See `hearth status`, and run the backup again.",
        ) from error


def _object(client: S3Client, account: str, bucket: str, key: str) -> Iterator[StoredObject]:
    try:
        answer = client.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return
        raise
    with closing(answer["Body"]) as body:
        yield StoredObject(
            account,
            bucket,
            key,
            answer["ContentLength"],
            answer["ContentType"],
            answer["LastModified"],
            body,
        )


def _account(state: StackState) -> str:
    """The account that the stack's objects belong to, as its queues' URLs tell it."""
    for url in state.queues.values():
        parts = urlsplit(url).path.split("/")
        if len(parts) > 1 and len(parts[1]) == 12 and parts[1].isdigit():
            return parts[1]
    return DEFAULT_ACCOUNT
