"""Functions in containers, supervised as processes are: what they may do, how they end."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hearth_runtime.engine.functions import FunctionSpec
from hearth_runtime.launchers.container_images import EngineError, check_images
from hearth_runtime.launchers.docker import NOBODY
from tests.image.build import ROOT, docker, tag
from tests.image.containers import launcher, left
from tests.support.engines import Harness, alive, kill, spec, started, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LAMBDAS = {"/var/task/tests": ROOT / "tests"}
"""The functions of tests/support/lambdas, put into an image that has Lambda's runtime."""


@pytest.fixture
def data(tmp_path: Path, images: tuple[str, ...]) -> Path:
    """A stack's folder, under folders that may be passed through."""
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    path = tmp_path / "data"
    path.mkdir(mode=0o700)
    return path


@asynccontextmanager
async def harness(
    data: Path,
    *functions: FunctionSpec,
    environment: Mapping[str, str] | None = None,
    images: Mapping[str, str] | None = None,
    sources: Mapping[str, Path] = LAMBDAS,
    **options: Any,
) -> AsyncIterator[Harness]:
    """An engine that runs these functions in the smallest image, or in the one given for each."""
    functions = functions or (spec(),)
    chosen = {function.handler: tag("jobs") for function in functions} | dict(images or {})
    async with (
        launcher(data, chosen, environment=environment, sources=sources) as opened,
        started(*functions, launcher=opened, **options) as running,
    ):
        yield running


def inspected(container: str) -> dict[str, Any]:
    (found,) = json.loads(docker("inspect", container).stdout)
    return dict(found)


def command_lines() -> set[bytes]:
    """What `ps` shows of every process of this machine."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            found.add(path.read_bytes())
    return found


def test_a_function_is_nobody_with_no_privilege_on_a_read_only_file_system(data: Path) -> None:
    async def scenario() -> None:
        async with harness(data, spec("surroundings")) as running:
            found = await running.call("surroundings", write=["/var/task/x", "/etc/x", "/tmp/x"])
            assert found["user"] == [NOBODY, NOBODY] if os.geteuid() == 0 else found["user"][0] > 0
            assert found["capabilities"] == 0
            assert found["no_new_privileges"]
            assert found["sockets"] == []
            assert found["written"] == ["/tmp/x"]
            (container,) = left(data)
            limits = inspected(container)["HostConfig"]
            assert limits["Memory"] == limits["MemorySwap"] == 256 * 2**20
            assert limits["PidsLimit"] == 256
            assert limits["CpuShares"] == 148

    asyncio.run(scenario())
    assert left(data) == []


def test_it_can_write_its_database_and_read_its_model_and_nothing_else(data: Path) -> None:
    model = data.parent / "best, of all.onnx"  # any name that a person may choose
    model.write_text("weights")
    database = data / "hearth.db"
    database.touch()
    other = data.parent / "other.txt"
    other.touch(mode=0o666)

    async def scenario() -> None:
        environment = {"DATABASE_URL": f"sqlite:///{database}", "MODEL_PATH": str(model)}
        async with harness(data, spec("surroundings", environment=environment)) as running:
            write = [str(database), str(database) + "-wal", str(model), str(other)]
            found = await running.call("surroundings", read=str(model), write=write)
            assert found["read"] == "weights"
            assert found["written"] == write[:2]

    asyncio.run(scenario())
    assert data.stat().st_mode & 0o777 == 0o700


def test_passwords_are_on_no_command_line(data: Path) -> None:
    async def scenario() -> None:
        secret = "correct-horse-battery"
        async with harness(data, environment={"SMTP_URL": f"smtp://me:{secret}@host"}) as running:
            call = asyncio.create_task(running.call(do="describe"))
            seen: set[bytes] = set()
            while not call.done():
                seen |= command_lines()
                await asyncio.sleep(0.005)
            assert secret in (await call)["environment"]["SMTP_URL"]
            assert len(seen) > 5
            assert not any(secret.encode() in line for line in seen)

    asyncio.run(scenario())


def test_lines_metrics_memory_and_process_are_seen_as_those_of_a_process(data: Path) -> None:
    metric = {"Name": "Seen", "Unit": "Count"}
    directive = {"Namespace": "Hearth", "Dimensions": [[]], "Metrics": [metric]}
    document = {"_aws": {"Timestamp": 1, "CloudWatchMetrics": [directive]}, "Seen": 3}

    async def scenario() -> None:
        async with harness(data) as running:
            result = await running.raw({"do": "log", "lines": ["first line", "second line"]})

            def mine() -> list[dict[str, Any]]:
                records = running.records()
                return [
                    record for record in records if record.get("request_id") == result.request_id
                ]

            await until(lambda: len(mine()) == 5)
            said = {record["message"] for record in mine()}
            assert said == {"START", "first line", "second line", "from logging", "REPORT"}
            (report,) = [record for record in mine() if record["message"] == "REPORT"]
            assert report["max_memory_mb"] > 5
            (status,) = running.engine.status()
            assert alive(status.pids[0])
            await until(lambda: running.engine.status()[0].rss_mb > 5)
            await running.call(do="metric", document=document)
            await until(lambda: b"hearth_seen_total 3.0" in running.metrics.render())

    asyncio.run(scenario())


def test_a_function_that_never_answers_is_killed_and_the_next_event_is_served(data: Path) -> None:
    async def scenario() -> None:
        async with harness(data, spec(timeout_s=1)) as running:
            assert (await running.call(do="describe"))["pid"] == 1
            (pid,) = running.engine.status()[0].pids
            error = await running.error(do="sleep", seconds=60)
            assert error["errorType"] == "Sandbox.Timedout"
            assert "Task timed out after 1.00 seconds" in error["errorMessage"]
            await until(lambda: not alive(pid))
            assert await running.call(a=1) == {"a": 1}

    asyncio.run(scenario())


def test_more_memory_than_the_template_gives_ends_it_and_says_so(data: Path) -> None:
    async def scenario() -> None:
        async with harness(data, spec(memory_mb=128)) as running:
            error = await running.error(do="allocate", mb=300, seconds=5)
            assert error["errorType"] == "Runtime.OutOfMemory"
            assert "memory limit 128 MB" in error["errorMessage"]
            assert "raise its MemorySize" in error["errorMessage"]
            assert await running.call(a=1) == {"a": 1}

    asyncio.run(scenario())


def test_replicas_are_as_many_containers_and_no_more_and_idle_ones_are_removed(data: Path) -> None:
    async def scenario() -> None:
        async with harness(data, replicas={"behaviour": 2}, idle_s=1) as running:
            calls = [running.call(do="sleep", seconds=0.5) for _ in range(5)]
            task = asyncio.gather(*calls)
            await until(lambda: running.engine.status()[0].instances.get("busy") == 2)
            assert len(left(data)) == 2
            assert len(await task) == 5
            await until(lambda: running.engine.status()[0].state == "cold")
            await until(lambda: left(data) == [])

    asyncio.run(scenario())


def test_a_container_that_is_killed_from_outside_costs_one_event(data: Path) -> None:
    async def scenario() -> None:
        async with harness(data) as running:
            call = asyncio.create_task(running.error(do="sleep", seconds=60))
            await until(lambda: running.engine.status()[0].state == "busy")
            kill(running.engine.status()[0].pids[0], signal.SIGKILL)
            error = await call
            assert error["errorType"] == "Runtime.ExitError"
            assert "signal: killed" in error["errorMessage"]
            assert await running.call(a=1) == {"a": 1}
            docker("rm", "--force", *left(data))
            assert await running.call(a=2) == {"a": 2}

    asyncio.run(scenario())


def test_changed_source_is_run_by_the_next_event(data: Path) -> None:
    source = data.parent / "source"
    source.mkdir()
    handler = "def lambda_handler(event, context):\n    return {!r}\n"
    (source / "greeter.py").write_text(handler.format("old"))
    greeter = FunctionSpec("hearth-greeter", "greeter", "source.greeter.lambda_handler")

    async def scenario() -> None:
        sources = {"/var/task/source": source}
        environment = {"PYTHONDONTWRITEBYTECODE": "1"}
        async with harness(data, greeter, sources=sources, environment=environment) as running:
            assert await running.call("greeter") == "old"
            (source / "greeter.py").write_text(handler.format("new"))
            running.engine.recycle()
            assert await running.call("greeter") == "new"

    asyncio.run(scenario())


# ---- what is wrong with an image, while another function goes on ----


def build(dockerfile: str, name: str, *options: str) -> None:
    """Build an image without any file of the project."""
    subprocess.run(
        ["docker", "build", "--quiet", *options, f"--tag={tag(name)}", "-"],
        input=dockerfile,
        text=True,
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def odd_images(images: tuple[str, ...]) -> dict[str, str]:
    """Images that cannot run a function, each in its own way."""
    base = f"FROM {tag('jobs')}\n"
    texts = {
        "exits": base + 'ENTRYPOINT ["sh", "-c", "echo nothing to do here >&2; exit 3"]',
        "foreign": base + 'USER 0\nRUN printf "\\\\177ELFgarbage" > /start && chmod 755 /start\n'
        'ENTRYPOINT ["/start"]',
        "nothing": base + 'ENTRYPOINT ["/not/there"]',
        "silent": base + 'ENTRYPOINT ["sh", "-c", "sleep 600"]',
    }
    for name, text in texts.items():
        build(text, f"odd-{name}")
    return {name: tag(f"odd-{name}") for name in texts} | {"missing": "hearth-absent:none"}


@pytest.mark.parametrize(
    ("image", "error_type", "said"),
    [
        ("missing", "Runtime.LaunchError", "build with `scripts/build absent`"),
        ("exits", "Runtime.ExitError", "exit status 3 (nothing to do here)"),
        ("foreign", "Runtime.", "exec format error"),
        ("nothing", "Runtime.LaunchError", "/not/there"),
        ("silent", "Sandbox.Timedout", "Init timed out after 1.10 seconds"),
    ],
)
def test_a_wrong_image_is_one_functions_error_and_the_others_go_on(
    data: Path, odd_images: dict[str, str], image: str, error_type: str, said: str
) -> None:
    async def scenario() -> None:
        odd = spec("odd", module="surroundings", timeout_s=1)
        chosen = {odd.handler: odd_images[image]}
        async with harness(data, spec(), odd, images=chosen, init_timeout_s=0.1) as running:
            error = await running.error("odd")
            assert error["errorType"].startswith(error_type), error
            assert said in error["errorMessage"], error
            assert await running.call(a=1) == {"a": 1}
            errors = [record for record in running.records() if record.get("function") == "odd"]
            assert any(said in record["message"] for record in errors)

    asyncio.run(scenario())
    assert left(data) == []


def load_for(architecture: str, name: str) -> None:
    """An empty image of another processor; Docker's classic builder knows its own only."""
    layer = io.BytesIO()
    tarfile.open(fileobj=layer, mode="w").close()
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    members = {
        "layer.tar": layer.getvalue(),
        "config.json": json.dumps(config).encode(),
        "manifest.json": json.dumps(manifest).encode(),
    }
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w") as archive:
        for member, data in members.items():
            header = tarfile.TarInfo(member)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    subprocess.run(["docker", "load"], input=image.getvalue(), check=True, capture_output=True)


def test_images_for_other_processors_are_refused_before_anything_starts(
    images: tuple[str, ...],
) -> None:
    load_for("s390x", tag("other-processor"))
    with pytest.raises(EngineError, match=r"other-processor:test \(s390x\); build here with"):
        asyncio.run(check_images([tag("jobs"), tag("other-processor")]))


def test_images_that_are_not_there_are_all_named(images: tuple[str, ...]) -> None:
    wanted = ["hearth-absent:none", tag("jobs"), "hearth-gone:none"]
    with pytest.raises(EngineError, match="`scripts/build absent gone`"):
        asyncio.run(check_images(wanted))


# ---- how a runtime ends ----

RUNTIME = """
import asyncio, json, sys
from pathlib import Path
from tests.image.test_containers import harness
from tests.support.engines import spec

async def main():
    functions = spec(timeout_s=600), spec("other", module="behaviour")
    async with harness(Path(sys.argv[1]), *functions) as running:
        await running.call("other")
        asyncio.create_task(running.call(do="sleep", seconds=600))
        while running.engine.status()[0].state != "busy":
            await asyncio.sleep(0.05)
        reaper = running.engine._supervisors[0]._launcher._reaper.pid
        pids = [pid for status in running.engine.status() for pid in status.pids]
        print(json.dumps({"reaper": reaper, "pids": pids}), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@contextmanager
def killed_runtime(data: Path, *, with_reaper: bool) -> Iterator[list[int]]:
    """Process ids of two functions, one idle and one busy, whose runtime was killed just now."""
    runtime = subprocess.Popen(
        [sys.executable, "-c", RUNTIME, data],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'localstack'}"},
    )
    try:
        assert runtime.stdout is not None
        told = json.loads(runtime.stdout.readline())
        assert all(alive(pid) for pid in told["pids"])
        if with_reaper:
            kill(told["reaper"], signal.SIGKILL)
        runtime.kill()
        runtime.wait()
        yield told["pids"]
    finally:
        runtime.kill()
        runtime.communicate()


def test_no_container_survives_a_runtime_that_is_killed(data: Path) -> None:
    async def scenario() -> None:
        with killed_runtime(data, with_reaper=False) as pids:
            await until(lambda: not any(alive(pid) for pid in pids), within_s=10)
            await until(lambda: left(data) == [], within_s=10)

    asyncio.run(scenario())


def test_what_a_power_cut_leaves_is_removed_by_the_next_start_on_the_same_data(data: Path) -> None:
    async def scenario() -> None:
        with killed_runtime(data, with_reaper=True) as (busy, idle):
            await until(lambda: not alive(idle))  # its Runtime API is gone
            await asyncio.sleep(1)
            assert alive(busy)
            async with harness(data.parent / "other"):
                assert alive(busy)  # another stack's
            async with harness(data) as running:
                assert not alive(busy)
                assert await running.call(a=1) == {"a": 1}

    asyncio.run(scenario())
    assert left(data) == []
