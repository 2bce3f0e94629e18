"""LocalStack's core, without Docker and without an account, in the place of MiniStack."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pypdf
import pytest

from tests.e2e.driver import hearth, person
from tests.support.daemons import free_port, running, until
from tests.support.tools import program_folder

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first run installs LocalStack


@pytest.fixture(scope="module")
def localstack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a LocalStack whose init hooks have run."""
    program_folder("localstack")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {"LOCALSTACK_FOLDER": str(tmp_path_factory.mktemp("localstack"))}

    def hooks() -> dict[str, Any]:
        with urllib.request.urlopen(f"{url}/_localstack/init/ready", timeout=5) as answer:
            return dict(json.loads(answer.read()))

    def ready() -> bool:
        try:
            return bool(hooks()["completed"])
        except OSError:
            return False

    script = [str(ROOT / "scripts/localstack"), str(port)]
    with running(script, ready=ready, env=env, timeout_s=120):
        assert hooks()["scripts"] == [
            {"stage": "READY", "name": "hearth.py", "state": "SUCCESSFUL"}
        ]
        yield url


def client(service: str, url: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def test_the_init_hook_creates_the_resources_of_the_template(localstack: str) -> None:
    s3, sqs = client("s3", localstack), client("sqs", localstack)
    queue = sqs.get_queue_url(QueueName="hearth-detection")["QueueUrl"]
    s3.put_object(Bucket="hearth-bucket", Key="frames/gate/a b.jpg", Body=b"x")

    messages: list[Any] = []

    def announced() -> bool:
        answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)
        messages.extend(answer.get("Messages", []))
        return bool(messages)

    until(announced, 20, lambda: "no notification")
    [record] = json.loads(messages[0]["Body"])["Records"]
    assert record["s3"]["object"]["key"] == "frames/gate/a%20b.jpg"
    sqs.purge_queue(QueueUrl=queue)
    s3.delete_object(Bucket="hearth-bucket", Key="frames/gate/a b.jpg")


def test_a_stream_of_frames_ends_in_an_incident_report(localstack: str, tmp_path: Path) -> None:
    done = hearth(
        "run", "--json", "--endpoint-url", localstack, data=tmp_path / "data", timeout_s=300
    )

    assert done.code == 0, done.err
    facts = done.json()
    assert (facts["ok"], facts["open_jobs"], facts["failed_jobs"]) == (True, 0, [])
    assert facts["incidents"]
    for incident in facts["incidents"]:
        text = "".join(page.extract_text() for page in pypdf.PdfReader(incident["report"]).pages)
        assert incident["incident_id"] in text
        key = f"reports/{incident['incident_id']}"
        listed = client("s3", localstack).list_objects_v2(Bucket="hearth-bucket", Prefix="reports/")
        assert any(key in item["Key"] for item in listed["Contents"])
    assert not (tmp_path / "data" / "emulator").exists()  # MiniStack was not started


def test_a_client_that_uses_only_localstack_host_reaches_the_bucket(
    localstack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALSTACK_HOST", localstack.removeprefix("http://"))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    (tmp_path / "yard.jpg").write_bytes(person())

    done = hearth(
        "watch", tmp_path / "yard.jpg", "--bucket=hearth-bucket", "--json", data=tmp_path / "data"
    )

    assert done.code == 0, done.err
    s3 = client("s3", localstack)
    listed = s3.list_objects_v2(Bucket="hearth-bucket", Prefix="frames/yard/")["Contents"]
    assert [Path(item["Key"]).suffix for item in listed] == [".jpg", ".end"]
