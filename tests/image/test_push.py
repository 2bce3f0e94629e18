"""scripts/push, with a real registry on the loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.build import ROOT, docker, tag
from tests.support.daemons import free_port, running

CONFIGURATION = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def push(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "push", *arguments], capture_output=True, text=True, env=os.environ
    )


def release() -> str:
    """The tag that scripts/build gives to this commit's images."""
    commit = ["git", "rev-parse", "--short=12", "HEAD"]
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    version = next(line for line in text.splitlines() if line.startswith("version = "))
    hash_ = subprocess.run(commit, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return f"{version.split(chr(34))[1]}-{hash_.strip()}"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """host:port of an empty registry."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no registry here; on Debian: apt-get install docker-registry")
    address = f"127.0.0.1:{free_port()}"
    file = tmp_path / "registry.yml"
    port = int(address.split(":")[1])
    file.write_text(CONFIGURATION.format(folder=tmp_path / "images", port=port))

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://{address}/v2/", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    with running([program, "serve", str(file)], ready=answers, env={}):
        yield address


@pytest.fixture
def released(images: tuple[str, ...]) -> Iterator[str]:
    """The image of one function under this commit's tag, as scripts/build leaves it."""
    assert "jobs" in images
    name = f"hearth-jobs:{release()}"
    there = docker("image", "inspect", name, check=False).returncode == 0
    if not there:
        docker("tag", tag("jobs"), name)
    yield name
    if not there:
        docker("rmi", name)


def test_an_image_arrives_under_version_and_commit(registry: str, released: str) -> None:
    result = push(registry, "jobs")
    assert result.returncode == 0, result.stderr
    with urllib.request.urlopen(f"http://{registry}/v2/hearth-jobs/tags/list", timeout=5) as answer:
        assert json.load(answer)["tags"] == [release()]
    repository, _, digest = result.stdout.strip().partition("@")
    assert repository == f"{registry}/hearth-jobs"
    request = urllib.request.Request(
        f"http://{registry}/v2/hearth-jobs/manifests/{digest}",
        headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200
    docker("rmi", f"{registry}/hearth-jobs:{release()}")


def test_nothing_is_pushed_when_one_image_is_missing(registry: str, released: str) -> None:
    result = push(registry, "jobs", "no-such-function")
    assert result.returncode == 66
    assert f"hearth-no-such-function:{release()}" in result.stderr
    with urllib.request.urlopen(f"http://{registry}/v2/_catalog", timeout=5) as answer:
        assert json.load(answer)["repositories"] == []


def test_without_a_registry_it_says_what_to_give() -> None:
    result = push()
    assert result.returncode == 64
    assert "name a registry" in result.stderr
