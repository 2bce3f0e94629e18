"""Every function answers from its container: read-only, no capability, no root, a pulled API.

One story for all of them, as a stack lives it: migrate, look, judge a frame, write a report.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import numpy as np
import pytest
from PIL import Image

from hearth import migrations
from hearth_runtime.aws.endpoint import AwsEndpoint
from hearth_runtime.aws.provision import provision
from hearth_runtime.template.reader import TemplateSource
from tests.image.build import ROOT
from tests.image.containers import launcher
from tests.support.engines import Harness, started
from tests.support.events import load_event
from tests.support.ministack import ministack

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FRAME = "frames/gate/20261102T073001.000000Z.jpg"
FUNCTIONS = ("migrate", "jobs", "sweep", "detection", "detection-api", "reports", "reports-api")


def jpeg() -> bytes:
    """A small picture without anybody on it."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((240, 320, 3), 90, np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def request(path: str) -> dict[str, Any]:
    """An API Gateway request for a path."""
    event = load_event("jobs/http_api_summary", rawPath=path, routeKey=f"GET {path}")
    event["requestContext"]["http"]["path"] = path
    return event


def body(answer: dict[str, Any]) -> Any:
    assert answer["statusCode"] == 200, answer
    return json.loads(answer["body"])


def uploaded(bucket: str) -> dict[str, Any]:
    """The queue's message that says that `FRAME` is there."""
    text = json.dumps(load_event("detection/sqs_s3_one_frame"))
    event: dict[str, Any] = json.loads(
        text.replace('\\"name\\": \\"hearth\\"', f'\\"name\\": \\"{bucket}\\"')
    )
    return event


async def migrate(harness: Harness, s3: S3Client, bucket: str) -> Any:
    """Have the schema made; CloudFormation's answer goes to `migrated.json`."""
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "migrated.json"})
    create = load_event("migrate/cloudformation_create", ResponseURL=url)
    create["ResourceProperties"]["Revision"] = migrations.head()
    return await harness.call("migrate", **create)


async def story(harness: Harness, s3: S3Client, bucket: str) -> dict[str, Any]:
    """What each function answered, in order."""
    done: dict[str, Any] = {}
    done["migrate"] = await migrate(harness, s3, bucket)
    told = s3.get_object(Bucket=bucket, Key="migrated.json")["Body"].read()
    done["cloudformation"] = json.loads(told)
    done["empty"] = body(await harness.call("jobs", **request("/api/v1/jobs/summary")))

    s3.put_object(Bucket=bucket, Key=FRAME, Body=jpeg())
    done["sweep"] = await harness.call("sweep", **load_event("sweep/scheduler_every_minute"))
    done["detection"] = await harness.call("detection", **uploaded(bucket))
    malformed = load_event("detection/sqs_malformed_bodies")
    done["malformed"] = await harness.call("detection", **malformed)
    done["cameras"] = body(await harness.call("detection-api", **request("/api/v1/cameras")))

    done["reports"] = await harness.call("reports", **load_event("reports/sqs_v1_violation"))
    done["listed"] = body(await harness.call("reports-api", **request("/api/v1/reports")))
    path = f"/api/v1/reports/{done['listed']['reports'][0]['id']}/pdf"
    done["pdf"] = await harness.call("reports-api", **request(path))
    done["summary"] = body(await harness.call("jobs", **request("/api/v1/jobs/summary")))
    done["log"] = harness.records()
    return done


def tell(
    tmp_path_factory: pytest.TempPathFactory,
    chapters: Callable[[Harness, S3Client, str], Coroutine[Any, Any, dict[str, Any]]],
    **parameters: str,
) -> dict[str, Any]:
    """Live through `chapters` on a fresh database, MiniStack and engine."""
    folder = tmp_path_factory.mktemp("database")
    for parent in folder.parents[:2]:
        parent.chmod(0o755)
    with ministack(tmp_path_factory.mktemp("ministack")) as url:
        endpoint = AwsEndpoint.local(url, {})
        source = TemplateSource.read(ROOT / "template.yaml")
        parameters["DatabaseUrl"] = f"sqlite:///{folder}/hearth.db"
        known = provision(source.resolve(parameters), endpoint)
        template = source.resolve(parameters, known=known)
        s3 = boto3.client(
            "s3",
            endpoint_url=url,
            region_name=endpoint.region,
            aws_access_key_id=endpoint.access_key,
            aws_secret_access_key=endpoint.secret_key,
        )

        async def run() -> dict[str, Any]:
            async with (
                launcher(folder, environment=endpoint.environment()) as containers,
                started(*template.functions, launcher=containers, init_timeout_s=60) as harness,
            ):
                return await chapters(harness, s3, template.buckets[0].name)

        return asyncio.run(run())


@pytest.fixture(scope="module")
def told(images: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return tell(tmp_path_factory, story)


def test_the_database_is_migrated_and_cloudformation_hears_of_it(told: dict[str, Any]) -> None:
    assert told["cloudformation"]["Status"] == "SUCCESS"
    assert told["migrate"]["Status"] == "SUCCESS"


def test_a_new_ledger_is_empty(told: dict[str, Any]) -> None:
    assert (told["empty"]["jobs"], told["empty"]["open"]) == ({}, 0)


def test_the_sweep_lists_the_bucket(told: dict[str, Any]) -> None:
    assert told["sweep"]["listing_error"] is None
    assert told["sweep"]["listed"] == 1


def test_a_frame_is_fetched_decoded_and_judged(told: dict[str, Any]) -> None:
    assert told["detection"] == {"batchItemFailures": []}
    assert [camera["camera_id"] for camera in told["cameras"]["cameras"]] == ["gate"]
    assert told["summary"]["jobs"]["detection.frame"] == {"done": 1}


def test_what_cannot_be_read_is_recorded_and_not_repeated(told: dict[str, Any]) -> None:
    assert told["malformed"] == {"batchItemFailures": []}
    assert told["summary"]["jobs"]["detection.unreadable"] == {"failed": 4}


def test_a_report_is_written_and_handed_out(told: dict[str, Any]) -> None:
    assert told["reports"] == {"batchItemFailures": []}
    assert told["pdf"]["headers"]["content-type"] == "application/pdf"
    assert base64.b64decode(told["pdf"]["body"]).startswith(b"%PDF-")


def test_no_function_complains_about_its_place(told: dict[str, Any]) -> None:
    complaints = ("Read-only file system", "Permission denied", "ModuleNotFoundError", "Traceback")
    found = [line for line in told["log"] if any(word in json.dumps(line) for word in complaints)]
    assert found == []
    assert {line["function"] for line in told["log"] if line["message"] == "REPORT"} == set(
        FUNCTIONS
    )


@pytest.mark.needs_shared
def test_a_model_of_this_machine_runs_on_onnx_runtime(
    images: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    models = Path(os.environ.get("HEARTH_SHARED", "shared")).resolve() / "models"
    if not (models / "yolox_nano.onnx").is_file():
        pytest.skip(f"{models} holds no weights: set HEARTH_SHARED to the shared folder")

    async def judge(harness: Harness, s3: S3Client, bucket: str) -> dict[str, Any]:
        await migrate(harness, s3, bucket)
        s3.put_object(Bucket=bucket, Key=FRAME, Body=jpeg())
        answer = await harness.call("detection", **uploaded(bucket))
        return {"answer": answer, "log": harness.records()}

    told = tell(
        tmp_path_factory,
        judge,
        ModelPath=str(models / "yolox_nano.onnx"),
        ModelClasses=str(models / "coco.names"),
    )
    assert told["answer"] == {"batchItemFailures": []}
    (loaded,) = [line for line in told["log"] if line["message"] == "model loaded"]
    assert "onnxruntime 1." in json.dumps(loaded)
