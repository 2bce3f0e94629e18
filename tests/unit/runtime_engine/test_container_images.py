"""Which image a function runs in, and what of this machine it sees."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth_runtime.launchers.container_images import connect, images
from hearth_runtime.launchers.docker import NOBODY, ContainerError, container_user, mounts
from hearth_runtime.stack_state import SetupError

FUNCTION = """
  {id}:
    Type: AWS::Serverless::Function
    Metadata: {metadata}
    Properties: {{ ImageConfig: {{ Command: [{handler}] }} }}
"""


def template(folder: Path, *functions: tuple[str, str]) -> Path:
    path = folder / "template.yaml"
    text = "".join(
        FUNCTION.format(id=f"F{number}", metadata=metadata, handler=handler)
        for number, (metadata, handler) in enumerate(functions)
    )
    path.write_text(f"Resources:\n  Queue: {{ Type: AWS::SQS::Queue }}\n{text}")
    return path


def test_a_template_without_functions_needs_no_image(tmp_path: Path) -> None:
    assert images(template(tmp_path), "latest") == {}


def test_the_dockerfiles_folder_names_the_image_and_two_functions_may_share_one(
    tmp_path: Path,
) -> None:
    here = "{ Dockerfile: functions/detection/Dockerfile }"
    path = template(
        tmp_path,
        (here, "functions.detection.main.lambda_handler"),
        (here, "functions.detection.main_api.lambda_handler"),
    )
    assert images(path, "1.2-abc") == {
        "functions.detection.main.lambda_handler": "hearth-detection:1.2-abc",
        "functions.detection.main_api.lambda_handler": "hearth-detection:1.2-abc",
    }


@pytest.mark.parametrize("metadata", ["{}", "{ Dockerfile: Dockerfile }", "{ DockerTag: x }"])
def test_a_function_without_a_dockerfile_of_its_own_is_named(tmp_path: Path, metadata: str) -> None:
    with pytest.raises(SetupError, match="F0 cannot run in a container"):
        images(template(tmp_path, (metadata, "a.b")), "latest")


@pytest.mark.parametrize("host", ["tcp://10.0.0.7:2375", "https://engine:2376"])
def test_an_engine_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(SetupError, match="another machine's"):
        asyncio.run(connect())


def test_a_context_that_does_not_exist_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(SetupError, match="nowhere"):
        asyncio.run(connect())


# ---- mounts ----


def seen(environment: dict[str, str], data: Path) -> dict[str, bool]:
    """Path inside → whether it can be written; every path is the same outside."""
    found: list[dict[str, Any]] = mounts(environment, data)
    assert all(mount["Source"] == mount["Target"] for mount in found)
    return {mount["Target"]: not mount["ReadOnly"] for mount in found}


def test_an_environment_without_paths_mounts_nothing(tmp_path: Path) -> None:
    assert seen({}, tmp_path) == {}
    assert seen({"MODEL_PATH": "", "MODE": "auto", "URL": "http://x/y"}, tmp_path) == {}


def test_files_are_read_only_and_the_databases_folder_is_not(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    model = tmp_path / "a model: v1,2.onnx"
    model.touch()
    environment = {
        "DATABASE_URL": f"sqlite:///{data}/hearth.db",
        "MODEL_PATH": str(model),
        "MODEL_CLASSES": "/not/on/this/machine.txt",  # it may be in the image
        "FOLDER": str(tmp_path),
    }
    assert seen(environment, data) == {str(data): True, str(model): False}


def test_a_registry_of_models_is_a_folder_to_be_read(tmp_path: Path) -> None:
    registry = tmp_path / "models"
    registry.mkdir()
    assert seen({"MODEL_PATH": str(registry)}, tmp_path) == {str(registry): False}
    assert seen({"MODEL_PATH": str(tmp_path / "none")}, tmp_path) == {}


@pytest.mark.parametrize(
    "url",
    ["sqlite+pysqlite:////{data}/hearth.db", "sqlite:///{data}/hearth.db?timeout=5"],
)
def test_a_database_url_may_say_more(tmp_path: Path, url: str) -> None:
    expected = {str(tmp_path).replace("//", "/"): True}
    found = seen({"DATABASE_URL": url.format(data=tmp_path)}, tmp_path)
    assert {name.replace("//", "/"): write for name, write in found.items()} == expected


def test_other_databases_need_no_folder(tmp_path: Path) -> None:
    assert seen({"DATABASE_URL": "postgresql://me:word@localhost/hearth"}, tmp_path) == {}


def test_a_relative_database_is_refused_with_an_example(tmp_path: Path) -> None:
    with pytest.raises(ContainerError, match="sqlite:////var/lib"):
        mounts({"DATABASE_URL": "sqlite:///hearth.db"}, tmp_path)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=40)))
def test_whatever_the_environment_holds_no_folder_is_mounted_but_a_databases(
    environment: dict[str, str],
) -> None:
    given = {name: value for name, value in environment.items() if "sqlite" not in value}
    assert all(Path(path).is_file() for path in seen(given, Path("/nowhere")))


def test_functions_never_run_as_root() -> None:
    user, group = container_user()
    assert 0 not in (user, group)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_lends_the_database_and_keeps_others_out(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    for name in ("hearth.db", "hearth.db-wal", "runtime.log"):
        (data / name).touch()
    mounts({"DATABASE_URL": f"sqlite:///{data}/hearth.db"}, data)
    owners = {path.name: path.stat().st_uid for path in (data, *data.iterdir())}
    assert owners == {"data": NOBODY, "hearth.db": NOBODY, "hearth.db-wal": NOBODY} | {
        "runtime.log": 0
    }
    assert data.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs functions as somebody else")
def test_a_database_in_a_folder_that_is_not_the_stacks_is_not_given_away(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o755)
    with pytest.raises(ContainerError, match=f"chown {NOBODY} {other}"):
        mounts({"DATABASE_URL": f"sqlite:///{other}/hearth.db"}, tmp_path / "data")
    assert other.stat().st_uid == 0
