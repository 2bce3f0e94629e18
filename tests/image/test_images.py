"""What is in the images, and what is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.image.build import IMAGES, ROOT, docker, tag
from tests.image.containers import run

MOST_MB = 500  # design: Images

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first build installs everything
every_image = pytest.mark.parametrize("name", IMAGES)


def megabytes(name: str) -> float:
    return int(docker("image", "inspect", "--format={{.Size}}", tag(name)).stdout) / 1e6


def layers(image: str) -> list[str]:
    """Digests of an image's layers, the oldest first."""
    shown = docker("image", "inspect", "--format={{json .RootFS.Layers}}", image).stdout
    return list(json.loads(shown))


@every_image
def test_an_image_stays_under_its_limit(images: tuple[str, ...], name: str) -> None:
    assert megabytes(name) <= MOST_MB


def test_half_of_the_images_are_small(images: tuple[str, ...]) -> None:
    assert sorted(map(megabytes, images))[len(images) // 2] <= 300


@every_image
def test_an_image_says_what_it_is_and_runs_as_nobody(images: tuple[str, ...], name: str) -> None:
    config = json.loads(docker("image", "inspect", "--format={{json .Config}}", tag(name)).stdout)
    prefix = "org.opencontainers.image."
    labels = {
        key.removeprefix(prefix): value
        for key, value in config["Labels"].items()
        if key.startswith(prefix)
    }
    assert labels.pop("description")
    assert labels == {
        "title": f"hearth-{name}",
        "licenses": "Apache-2.0",
        "version": "1.2.3",
        "revision": "abc",
    }
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/var/runtime/bootstrap"]
    assert config["Cmd"] == [f"functions.{name}.main.lambda_handler"]
    assert config["Healthcheck"] == {"Test": ["NONE"]}


@every_image
def test_everything_that_is_imported_is_compiled_already(
    images: tuple[str, ...], name: str
) -> None:
    program = """
import importlib.util, pathlib, sys
sources = [p for root in ("/opt/python", "/var/task") for p in pathlib.Path(root).rglob("*.py")]
missing = [
    p for p in sources if not pathlib.Path(importlib.util.cache_from_source(str(p))).is_file()
]
print(len(sources), *missing[:5])
import json
print(json.__cached__, pathlib.Path(json.__cached__).is_file())
"""
    counted, library = run(name, "python", "-c", program).splitlines()
    count, *missing = counted.split()
    assert int(count) > 500
    assert missing == []
    assert library.endswith("True"), library


@every_image
def test_nothing_that_a_function_does_not_need_is_left(images: tuple[str, ...], name: str) -> None:
    listed = run(name, "find", "/opt/python", "/var/task", "-type", "d")
    folders = {line.rpartition("/")[2] for line in listed.splitlines()}
    unwanted = {"tests", "setuptools", "pip", "localstack", "openvino", "moto", "weights"}
    if name == "embeddings":  # OpenVINO is what computes there
        unwanted.remove("openvino")
    assert not folders & unwanted
    functions = set(run(name, "ls", "/var/task/functions").split())
    assert functions == {"__init__.py", "__pycache__", name}
    assert run(name, "sh", "-c", "python -m pip --version 2>&1 || true").endswith(
        "No module named pip\n"
    )


@every_image
def test_without_a_runtime_api_it_says_what_to_do(images: tuple[str, ...], name: str) -> None:
    result = docker("run", "--rm", "--network=none", tag(name), check=False)
    assert result.returncode == 64
    assert "set the variable to the host:port of a Lambda Runtime API" in result.stderr


def test_the_detection_image_has_what_its_models_need(images: tuple[str, ...]) -> None:
    program = (
        "import cv2, onnxruntime, hearth_vision.backends.onnx_runtime;"
        "cv2.HOGDescriptor_getDefaultPeopleDetector();"
        "print(onnxruntime.get_available_providers());"
        "from pathlib import Path; from hearth_vision.default_models import FACES, PERSONS;"
        "print(*(model.find(Path('models')) for model in (PERSONS, FACES)))"
    )
    shown = run("detection", "python", "-c", program)
    assert "CPUExecutionProvider" in shown
    assert "models/pedestrian-ssdlite.onnx models/centerface.onnx" in shown


def test_no_security_update_is_pending(images: tuple[str, ...]) -> None:
    # All images share these layers. The archive must be reachable to tell.
    script = "apt-get update -qq >/dev/null && apt-get -s dist-upgrade | grep ^Inst || true"
    result = docker(
        "run", "--rm", "--user=0", "--entrypoint=sh", tag("jobs"), "-c", script, check=False
    )
    if result.stderr.strip():
        pytest.skip(f"the package archive does not answer: {result.stderr.splitlines()[-1]}")
    assert [line for line in result.stdout.splitlines() if "ecurity" in line] == []


def test_a_changed_line_in_a_function_is_one_new_layer(
    images: tuple[str, ...], tmp_path: Path
) -> None:
    for folder in ("functions/jobs", "layers/core"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    for file in ("functions/__init__.py", ".dockerignore"):
        shutil.copy(ROOT / file, tmp_path / file)
    with (tmp_path / "functions/jobs/main.py").open("a") as file:
        file.write("# changed\n")
    changed = tag("jobs-changed")
    docker(
        "build",
        "--quiet",
        f"--file={tmp_path}/functions/jobs/Dockerfile",
        f"--tag={changed}",
        str(tmp_path),
    )
    before, after = layers(tag("jobs")), layers(changed)
    assert (len(before), before[:-1]) == (len(after), after[:-1])
    assert before[-1] != after[-1]
