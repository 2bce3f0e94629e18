"""The main job on an emulator's own Lambda: frames in S3 become a report, queue by queue.

Nobody but the emulator invokes `detection` and `reports` here: S3 announces the frames on a queue,
its event source mapping hands them to the image, whose event wakes the next one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from hearth_runtime.engine.functions import FunctionSpec
from tests.e2e.driver import key_of, person
from tests.image.places import lambda_api, localemu_lambda, ministack_lambda
from tests.image.places.conftest import PLACES, Database, need, open_folder
from tests.image.places.contract import CASES, Case
from tests.image.places.story import event_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
FIRED = ("detection", "reports")
POLICY = {"version": 1, "cameras": {"gate": {"restricted": True}}}
SCHEMA = next(case for case in CASES if case.function == "migrate")


@pytest.mark.parametrize(
    ("name", "image_of"),
    [("ministack", ministack_lambda.image_of), ("localemu", localemu_lambda.image_of)],
)
def test_frames_in_the_bucket_become_a_report(
    name: str,
    image_of: Callable[[FunctionSpec], str],
    database: Database,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    place = next(place for place in PLACES if place.name == name)
    need(place)
    folder = open_folder(tmp_path_factory, f"{name}-queues")
    policy = "s3://hearth-bucket/config/policy.yaml"
    with place.around(folder, database(), Policy=policy) as around, place.open(around) as invoke:
        specs = {spec.short_name: spec for spec in around.template.functions}

        def ask(case: Case) -> Any:
            spec = specs[case.function]
            return invoke(spec, event_of(case, spec.handler, around))

        assert ask(SCHEMA)["Status"] == "SUCCESS"
        for function in FIRED:
            spec = specs[function]
            variables = around.environment(spec)
            lambda_api.create(around.client("lambda"), spec, image_of(spec), variables)
        lambda_api.map_queues(around, {specs[function].name for function in FIRED})

        s3 = around.client("s3")
        s3.put_object(Bucket=around.bucket, Key="config/policy.yaml", Body=yaml.safe_dump(POLICY))
        for second in range(3):
            s3.put_object(Bucket=around.bucket, Key=key_of("gate", second), Body=person())
        s3.put_object(Bucket=around.bucket, Key=key_of("gate", 3, "end"), Body=b"{}")

        reports: list[Any] = []
        deadline = time.monotonic() + 300
        while not reports:
            summary = ask(Case("jobs", "http_api_summary", {}))
            assert time.monotonic() < deadline, summary
            ask(Case("sweep", "scheduler_every_minute", {}))
            reports = ask(Case("reports-api", "http_api_list", {}))["body"]["reports"]
        assert [report["camera_id"] for report in reports] == ["gate"]
        listed = s3.list_objects_v2(Bucket=around.bucket, Prefix="reports/")["Contents"]
        [pdf] = [item["Key"] for item in listed if item["Key"].endswith(".pdf")]
        body = s3.get_object(Bucket=around.bucket, Key=pdf)["Body"].read()
        assert body.startswith(b"%PDF-")
