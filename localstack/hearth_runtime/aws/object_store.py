"""An S3 client of the stack's endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from .endpoint import AwsEndpoint

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"mode": "standard", "max_attempts": 3},
    s3={"addressing_style": "path"},
    response_checksum_validation="when_required",
)


def s3_client(endpoint: AwsEndpoint) -> S3Client:
    """A client to be closed by its user."""
    session = boto3.Session(
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        aws_session_token=endpoint.session_token,
        region_name=endpoint.region,
    )
    return session.client("s3", endpoint_url=endpoint.url, config=_CONFIG)
