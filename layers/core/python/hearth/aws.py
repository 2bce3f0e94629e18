"""The one place where boto3 clients are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from hearth.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 15
MAX_ATTEMPTS = 3


@overload
def client(
    service: Literal["cloudwatch"], settings: AwsSettings | None = None
) -> CloudWatchClient: ...
@overload
def client(service: Literal["s3"], settings: AwsSettings | None = None) -> S3Client: ...
@overload
def client(service: Literal["sqs"], settings: AwsSettings | None = None) -> SQSClient: ...
@overload
def client(
    service: str,
    settings: AwsSettings | None = None,
    *,
    read_timeout_s: float = ...,
    max_attempts: int = ...,
) -> Any: ...
def client(
    service: str,
    settings: AwsSettings | None = None,
    *,
    read_timeout_s: float = READ_TIMEOUT_S,
    max_attempts: int = MAX_ATTEMPTS,
) -> Any:
    """A boto3 client with time-outs and retries that fit a Lambda.

    Args:
        service: As boto3 names it.
        settings: Where AWS is; the environment by default.
        read_timeout_s: Seconds without a byte after which an attempt is given up.
        max_attempts: 1 for a caller that retries by its own deadline.

    The endpoint is `AWS_ENDPOINT_URL`, or by localstack-client's rule where `LOCALSTACK_HOST` is
    set, or AWS itself. boto3 is imported here and not above: a process that asks for no client
    does not pay for it.
    """
    import boto3
    from botocore.config import Config

    where = settings or AwsSettings()
    endpoint = endpoint_url(service, where)
    options: dict[str, Any] = {}
    if endpoint is not None:
        options["endpoint_url"] = endpoint
    if where.aws_endpoint_url is None and where.localstack_host is not None:
        # localstack-client signs with made-up credentials; real ones must not reach an emulator.
        options.update(aws_access_key_id="test", aws_secret_access_key="test")  # noqa: S106
    return boto3.client(
        service,  # type: ignore[call-overload]  # any service; the overloads above type ours
        region_name=where.aws_region or where.aws_default_region,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": max_attempts},
            # An endpoint such as http://127.0.0.1:4566 has no bucket sub-domains.
            s3={"addressing_style": "path" if endpoint else "auto"},
        ),
        **options,
    )


def endpoint_url(service: str, settings: AwsSettings) -> str | None:
    """Where `service` answers, or None for AWS itself."""
    if settings.aws_endpoint_url is not None:
        return settings.aws_endpoint_url
    if settings.localstack_host is None:
        return None
    from localstack_client import config

    endpoint: str | None = config.get_service_endpoint(service, settings.localstack_host)
    return endpoint


def dsql_token(host: str, region: str, user: str, settings: AwsSettings | None = None) -> str:
    """A password for one connection to Aurora DSQL, good for 15 minutes.

    It is signed here with the function's credentials; nobody is asked.

    Raises:
        Unavailable: There are no credentials, or no region.
    """
    from botocore.exceptions import BotoCoreError

    from hearth.errors import Unavailable

    try:
        dsql = client("dsql", settings)
        sign = (
            dsql.generate_db_connect_admin_auth_token
            if user == "admin"
            else dsql.generate_db_connect_auth_token
        )
        token: str = sign(host, region)
    except BotoCoreError as error:
        raise Unavailable(f"no token for the database ({type(error).__name__})") from error
    return token


def root_certificates() -> str:
    """File with the certificate authorities that AWS's own clients trust."""
    from botocore.httpsession import get_cert_path

    return str(get_cert_path(True))
