"""What CI does about a Docker engine, with stand-ins for the programs that it calls."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".ci/engine"
Engine = Callable[[Mapping[str, str]], subprocess.CompletedProcess[str]]

ANSWERS = 'case "$1" in version) echo "engine: 99, images can be built and run";; esac'
NO_ANSWER = "exit 1"
NO_REGISTRY = 'case "$1" in image | pull) exit 1;; version) echo "engine: 99";; esac'
# Answers from the moment that dockerd has run.
STARTED_LATER = f'[ -e "$0.started" ] || exit 1; {ANSWERS}'
ROOT = "echo 0"
SOMEBODY = "echo 1000"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Runs the script where these programs are shell lines."""

    def run(programs: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        quiet = {"nohup": 'exec "$@"', "setsid": 'exec "$@"', "pidof": "exit 1"}
        for name, line in {**quiet, **programs}.items():
            program = tmp_path / name
            program.write_text(f"#!/bin/sh\n{line}\n")
            program.chmod(0o755)
        return subprocess.run(
            [SCRIPT],
            env={
                "PATH": f"{tmp_path}:/usr/bin:/bin",
                "DOCKERD_LOG": str(tmp_path / "dockerd.log"),
                "HEARTH_BASE_IMAGE": "base:1",
            },
            capture_output=True,
            text=True,
        )

    return run


def test_an_engine_that_answers_is_used_as_it_is(engine: Engine) -> None:
    done = engine({"docker": ANSWERS, "apt-get": "exit 9", "dockerd": "exit 9"})
    assert (done.returncode, done.stdout) == (0, "engine: 99, images can be built and run\n")


def test_an_engine_that_is_installed_is_started(engine: Engine, tmp_path: Path) -> None:
    dockerd = f"touch {tmp_path}/docker.started; sleep 5"
    done = engine({"docker": STARTED_LATER, "dockerd": dockerd, "id": ROOT, "apt-get": "exit 9"})
    assert (done.returncode, done.stdout) == (0, "engine: 99, images can be built and run\n")


def test_an_engine_that_is_missing_is_installed(engine: Engine, tmp_path: Path) -> None:
    installs = f"""case "$1" in install)
        printf '#!/bin/sh\\ntouch {tmp_path}/docker.started; sleep 5\\n' > {tmp_path}/dockerd
        chmod 755 {tmp_path}/dockerd; echo "$@" > {tmp_path}/asked;; esac"""
    if (Path("/usr/bin/dockerd")).exists() or Path("/bin/dockerd").exists():
        pytest.skip("dockerd is on the PATH here")
    done = engine({"docker": STARTED_LATER, "id": ROOT, "apt-get": installs, "apt-cache": "true"})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "asked").read_text().split()[-3:] == ["docker.io", "iptables", "docker-cli"]


@pytest.mark.parametrize(
    ("programs", "reason"),
    [
        ({"docker": NO_ANSWER, "id": SOMEBODY}, "no Docker engine answers, and only root"),
        (
            {"docker": NO_ANSWER, "id": ROOT, "dockerd": "echo no storage driver; exit 1"},
            "dockerd does not start: no storage driver",
        ),
        ({"docker": NO_REGISTRY, "id": SOMEBODY}, "base:1 is not here and cannot be pulled"),
        (
            {"docker": NO_REGISTRY, "id": ROOT, "apt-get": "exit 0", "debootstrap": "exit 1"},
            "apt knows no Debian archive",
        ),
    ],
)
def test_where_images_cannot_run_it_says_why_in_one_line(
    engine: Engine, programs: Mapping[str, str], reason: str
) -> None:
    done = engine(programs)
    assert done.returncode == 69
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.rstrip().endswith("images are neither built nor tried")
