from __future__ import annotations

import pytest
from pydantic import ValidationError

from hearth.aws import client, endpoint_url
from hearth.settings import AwsSettings, CoreSettings

NAMES = [
    "DATABASE_URL",
    "BUCKET",
    "QUEUE_PREFIX",
    "TIMEZONE",
    "AWS_ENDPOINT_URL",
    "LOCALSTACK_HOST",
]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*NAMES, "AWS_REGION", "AWS_DEFAULT_REGION"]:
        monkeypatch.delenv(name, raising=False)


def test_the_environment_is_read_once_and_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////data/hearth.db")
    monkeypatch.setenv("QUEUE_PREFIX", "hearth-")
    settings = CoreSettings()  # type: ignore[call-arg]
    assert settings.queue_prefix == "hearth-"
    with pytest.raises(ValidationError, match="frozen"):
        settings.bucket = "other"


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////data/hearth.db")
    for name in NAMES[1:4]:
        monkeypatch.setenv(name, "")
    settings = CoreSettings()  # type: ignore[call-arg]
    assert (settings.bucket, settings.queue_prefix, settings.timezone) == ("", "", "UTC")


def test_a_database_must_be_named() -> None:
    with pytest.raises(ValidationError, match="database_url"):
        CoreSettings()  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "/etc", "Europe"])
def test_an_unknown_time_zone_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(ValidationError, match="Europe/Berlin"):
        CoreSettings(database_url="sqlite:////x", timezone=name)


@pytest.mark.parametrize(
    ("settings", "endpoint"),
    [
        (AwsSettings(), None),
        (AwsSettings(aws_endpoint_url="http://127.0.0.1:1"), "http://127.0.0.1:1"),
        (AwsSettings(localstack_host="nuc"), "http://nuc:4566"),
        (AwsSettings(localstack_host="nuc:4570"), "http://nuc:4570"),
        (AwsSettings(aws_endpoint_url="http://a:1", localstack_host="nuc"), "http://a:1"),
    ],
)
def test_the_endpoint_is_the_given_one_or_localstack_s_or_aws_itself(
    settings: AwsSettings, endpoint: str | None
) -> None:
    assert endpoint_url("s3", settings) == endpoint


def test_a_client_for_an_endpoint_addresses_buckets_by_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    s3 = client("s3", AwsSettings(aws_endpoint_url="http://127.0.0.1:9", aws_region="eu-west-1"))
    assert s3.meta.endpoint_url == "http://127.0.0.1:9"
    assert s3.meta.region_name == "eu-west-1"
    assert s3.meta.config.s3 == {"addressing_style": "path"}
    assert (s3.meta.config.connect_timeout, s3.meta.config.read_timeout) == (3, 15)
    s3.close()


def test_localstack_never_sees_real_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    sqs = client("sqs", AwsSettings(localstack_host="localhost"))
    assert sqs._request_signer._credentials.access_key == "test"
    sqs.close()
