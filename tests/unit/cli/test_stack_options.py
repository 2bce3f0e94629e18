"""Options that `hearth up`, `run` and `demo` share."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command

from hearth_runtime.cli import app
from hearth_runtime.commands.stack_options import StackOptions


def flags(command: str) -> dict[str, tuple[object, str | None]]:
    group = get_command(app)
    found = group.commands[command]  # type: ignore[attr-defined]
    return {
        parameter.opts[0]: (parameter.default, getattr(parameter, "help", None))
        for parameter in found.params
    }


def test_up_and_run_take_the_same_options_with_the_same_defaults_and_help() -> None:
    up, run = flags("up"), flags("run")
    shared = {f"--{name.replace('_', '-')}" for name in StackOptions.__dataclass_fields__}
    assert shared <= up.keys() & run.keys()
    assert {name: up[name] for name in shared} == {name: run[name] for name in shared}


def test_up_and_run_keep_their_own_options() -> None:
    up, run = flags("up"), flags("run")
    assert {"--host", "--idle", "--detach", "--memory"} <= up.keys() - run.keys()
    assert {"--camera", "--serve", "--restricted", "sources"} <= run.keys() - up.keys()


def test_secrets_are_no_arguments_of_the_stack(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.touch()
    options = StackOptions(
        data=tmp_path,
        template=template,
        smtp_url="smtp://me:secret@mail",
        llm_api_key="secret",
        param=["SetupToken=secret"],
        replicas=["detection=2"],
        containers=True,
    )
    assert options.arguments() == [
        *("--data", str(tmp_path), "--port", "0", "--template", str(template)),
        *("--containers", "--image-tag", options.image_tag, "--replicas=detection=2"),
    ]
    assert options.parameters() == {
        "SetupToken": "secret",
        "SmtpUrl": "smtp://me:secret@mail",
        "LlmApiKey": "secret",
    }


def test_a_policy_of_the_command_replaces_that_of_the_options(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").touch()
    assert StackOptions(data=tmp_path).parameters(policy=tmp_path / "a.yaml") == {
        "Policy": str(tmp_path / "a.yaml")
    }


def test_the_registry_of_the_data_folder_is_not_seen_from_containers_of_compose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEARTH_PARAM_ModelPath", raising=False)
    registry = tmp_path / "models"
    registry.mkdir()
    (registry / "served.json").write_text("{}")
    options = StackOptions(data=tmp_path)
    assert options.parameters() == {"ModelPath": str(registry)}
    assert options.parameters(in_containers_of_compose=True) == {}
