"""Expiration on a real MiniStack and on moto, which keep the rules of a bucket and do nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import prometheus_client
import pytest

from hearth_runtime.aws.endpoint import AwsEndpoint
from hearth_runtime.aws.lifecycle import Lifecycle, Swept, least_free
from hearth_runtime.observe.logs import LogStream
from hearth_runtime.template.model import Bucket, Expiration
from tests.support.ministack import ministack
from tests.support.moto_server import moto_server

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GIB = 2**30
RULES = Bucket("Bucket", "home", expirations=(Expiration("frames/", 10),))


def client(url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def keys(url: str) -> list[str]:
    with closing(client(url)) as s3:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="home")
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


class World:
    """A lifecycle whose clock and disk the test sets."""

    def __init__(self, url: str, folder: Path, *buckets: Bucket, now: datetime = NOW) -> None:
        self.now = now
        self.free = 50 * GIB
        self.log = folder / "runtime.log"
        self.registry = prometheus_client.CollectorRegistry()
        self.it = Lifecycle(
            buckets,
            AwsEndpoint.local(url, {}),
            LogStream(self.log),
            self.registry,
            disk=folder,
            now=lambda: self.now,
            usage=lambda _: (100 * GIB, self.free),
        )

    def logged(self) -> list[str]:
        return [json.loads(line)["message"] for line in self.log.read_text().splitlines()]

    def counted(self, reason: str) -> float | None:
        name = "hearth_runtime_expired_objects_total"
        return self.registry.get_sample_value(name, {"reason": reason})


@pytest.fixture(params=["moto", "ministack"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with moto_server() if request.param == "moto" else ministack(tmp_path / "aws") as url:
        with closing(client(url)) as s3:
            s3.create_bucket(Bucket="home")
        yield url


@pytest.fixture
def aged(tmp_path: Path) -> Iterator[str]:
    """A MiniStack that has a frame of 1 GiB, as it says, for every day and every hour of today."""
    for age in (*(timedelta(days=days) for days in range(1, 13)), *_HOURS):
        stored = NOW - age
        put_aged(tmp_path / "aws", f"frames/gate/{stored:%Y%m%dT%H%M%S.%fZ}.jpg", stored)
    put_aged(tmp_path / "aws", "reports/1.pdf", NOW - timedelta(days=400))
    with ministack(tmp_path / "aws") as url:
        yield url


_HOURS = tuple(timedelta(hours=hours) for hours in (0, 0.5, 2, 3))


def put_aged(folder: Path, key: str, stored: datetime) -> None:
    path = folder / "objects/000000000000/home" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    facts = {
        "key": key,
        "size": GIB,
        "etag": '"e"',
        "last_modified": stored.isoformat()[:19] + ".000Z",
    }
    path.with_name(path.name + ".meta.json").write_text(json.dumps(facts))


def test_an_empty_bucket_and_a_bucket_without_rules_are_left_alone(
    url: str, tmp_path: Path
) -> None:
    world = World(url, tmp_path, RULES, Bucket("Other", "other"))
    assert world.it.expire() == Swept()
    assert world.logged() == []


def test_what_is_old_goes_and_what_has_no_rule_stays(url: str, tmp_path: Path) -> None:
    with closing(client(url)) as s3:
        for number in range(5):
            s3.put_object(Bucket="home", Key=f"frames/gate/{number}.jpg", Body=b"12345")
        for key in ("frames/gate ü+&/1.jpg", "frames", "evidence/1.jpg", "reports/1.pdf"):
            s3.put_object(Bucket="home", Key=key, Body=b"12345")
    world = World(url, tmp_path, RULES, now=datetime.now(UTC) + timedelta(days=9))
    assert world.it.expire() == Swept()
    world.now += timedelta(days=2)
    assert world.it.expire() == Swept(6, 30)
    assert keys(url) == ["evidence/1.jpg", "frames", "reports/1.pdf"]
    assert world.counted("days") == 6
    assert world.logged() == ["objects expired"]


def test_more_than_a_page_goes(tmp_path: Path) -> None:
    for number in range(2500):
        put_aged(tmp_path / "aws", f"frames/gate/{number:05}.jpg", NOW - timedelta(days=20))
    put_aged(tmp_path / "aws", "frames/gate/99999.jpg", NOW)
    with ministack(tmp_path / "aws") as url:
        assert World(url, tmp_path, RULES).it.expire().objects == 2500
        assert keys(url) == ["frames/gate/99999.jpg"]
    files = [path.name for path in (tmp_path / "aws/objects").rglob("*.jpg*")]
    assert sorted(files) == ["99999.jpg", "99999.jpg.meta.json"]


def test_it_looks_a_minute_after_the_start_and_after_every_midnight(
    aged: str, tmp_path: Path
) -> None:
    world = World(aged, tmp_path, RULES)
    world.it.look()
    assert len(keys(aged)) == 17
    world.now += timedelta(minutes=1)
    world.it.look()
    assert len(keys(aged)) == 17 - 2  # of 11 and 12 days; that of 10 goes at midnight
    world.now = datetime(2026, 11, 22, 0, 0, 30, tzinfo=UTC)
    world.it.look()
    assert len(keys(aged)) == 15
    world.now = datetime(2026, 11, 22, 0, 1, 30, tzinfo=UTC)
    world.it.look()
    assert len(keys(aged)) == 14


def test_an_almost_full_disk_costs_the_oldest_frames(aged: str, tmp_path: Path) -> None:
    world = World(aged, tmp_path, RULES)
    assert least_free(100 * GIB) == 2 * GIB
    world.free = 2 * GIB
    assert world.it.make_room() == Swept()
    world.free = 2 * GIB - 1
    assert world.it.make_room() == Swept(3, 3 * GIB)
    left = keys(aged)
    assert f"frames/gate/{NOW - timedelta(days=9):%Y%m%d}" in left[0]
    assert "reports/1.pdf" in left
    assert world.counted("disk") == 3
    assert "almost full" in world.logged()[0]


def test_the_frames_of_the_last_hour_stay_however_full_the_disk_is(
    aged: str, tmp_path: Path
) -> None:
    world = World(aged, tmp_path, Bucket("B", "home", expirations=(Expiration("frames/", 1),)))
    world.free = 0
    for _ in range(8):
        world.it.make_room()
    assert len(keys(aged)) == 3  # now, half an hour ago, the report
    assert len(world.logged()) < 8


def test_an_s3_that_does_not_answer_is_logged_and_asked_again(tmp_path: Path) -> None:
    world = World("http://127.0.0.1:9", tmp_path, RULES)
    world.now += timedelta(minutes=2)
    world.it.look()
    world.it.look()
    assert world.logged() == ["objects were not expired"]
    world.now += timedelta(hours=1)
    world.it.look()
    assert len(world.logged()) == 2


async def _started_and_stopped(world: World) -> None:
    running = asyncio.create_task(world.it.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_it_stops_at_once(tmp_path: Path) -> None:
    asyncio.run(asyncio.wait_for(_started_and_stopped(World("http://x", tmp_path, RULES)), 2))
    asyncio.run(_started_and_stopped(World("http://x", tmp_path)))
