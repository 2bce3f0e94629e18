"""The systemd unit of `hearth service`."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hearth_runtime.cli import app
from hearth_runtime.commands import service

ANALYZE = shutil.which("systemd-analyze")
HARD_PATH = 'a b%h$x "q" \\ ü'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own on a machine whose systemd does not run."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(service, "SYSTEM_FOLDER", tmp_path / "system")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hearth(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["service", *map(str, arguments)])


def settings(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith(("#", "[")))
    return {name: value for name, _, value in pairs if name}


def split_command(line: str) -> list[str]:
    """ExecStart= as systemd.syntax(7) and systemd.service(5) read it."""
    words: list[str] = []
    word, quoted, begun, index = "", False, False, 0
    while index < len(line):
        character = line[index]
        if character == "\\":
            index += 1
            word, begun = word + line[index], True
        elif character == '"':
            quoted, begun = not quoted, True
        elif character == " " and not quoted:
            words, word, begun = [*words, word] if begun else words, "", False
        else:
            word, begun = word + character, True
        index += 1
    words = [*words, word] if begun else words
    assert not quoted
    for one in words:
        assert "%" not in one.replace("%%", "")
        assert "$" not in one.replace("$$", "")
    return [one.replace("%%", "%").replace("$$", "$") for one in words]


def test_paths_with_spaces_percents_and_dollars_reach_the_program_unchanged(home: Path) -> None:
    data = home / HARD_PATH
    shown = hearth("install", "--print", "--data", data, "--site-name", "Ün $HOME %i \\ \"x\" 'y'")
    assert shown.exit_code == 0, shown.output
    found = settings(shown.stdout)
    command = split_command(found["ExecStart"])
    assert command[1:4] == ["-m", "hearth_runtime", "up"]
    assert f"--data={data}" in command
    assert "--site-name=Ün $HOME %i \\ \"x\" 'y'" in command
    assert found["WorkingDirectory"].replace("%%", "%") == str(data)
    assert not data.exists()


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("kind", ["--user", "--system"])
def test_systemd_accepts_the_unit(home: Path, kind: str) -> None:
    shown = hearth("install", kind, "--print", "--data", home / HARD_PATH, "--smtp-url", "smtp://x")
    unit = home / "hearth-test.service"
    unit.write_text(shown.stdout.replace("User=", "#User="))
    done = subprocess.run(
        [str(ANALYZE), "verify", str(unit)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr + done.stdout) == (0, "")


def test_options_are_those_of_up_without_its_defaults_and_with_absolute_paths(home: Path) -> None:
    (home / "policy.yaml").touch()
    shown = hearth(
        *("install", "--print", "--port", "8080", "--replicas", "detection=2"),
        *("--policy", "policy.yaml", "--no-cameras", "--detach", "--idle", "300"),
    )
    command = split_command(settings(shown.stdout)["ExecStart"])
    template = Path(service.__file__).parents[3] / "template.yaml"
    assert command[4:] == [
        f"--data={home / 'data'}",
        f"--template={template}",
        "--port=8080",
        "--replicas=detection=2",
        f"--policy={home / 'policy.yaml'}",
        "--no-cameras",
    ]


def test_an_option_that_up_does_not_take_is_refused_and_nothing_is_written(home: Path) -> None:
    refused = hearth("install", "--nonsense")
    assert refused.exit_code == 2
    assert "--nonsense" in refused.output
    assert list(home.iterdir()) == []


def test_secrets_lie_in_a_file_of_the_user_alone(home: Path) -> None:
    secret = 's3cret "$x` \\ #%'
    done = hearth(
        *("install", "--data", home / "data", "--smtp-url", f"smtp://me:{secret}@mail"),
        *("--llm-api-key", secret, "--param", f"SetupToken={secret}"),
    )
    assert done.exit_code == 0, done.output
    unit = home / "config/systemd/user/hearth.service"
    assert "s3cret" not in unit.read_text() + done.output
    file = home / "data/service.env"
    assert settings(unit.read_text())["EnvironmentFile"] == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    read = subprocess.run(
        ["bash", "-c", f'set -a; . "{file}"; printf %s "$HEARTH_LLM_API_KEY"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert read.stdout == secret
    assert "HEARTH_PARAM_SetupToken=" in file.read_text()
    assert "HEARTH_SMTP_URL=" in file.read_text()


def test_without_a_running_systemd_the_commands_are_told(home: Path) -> None:
    done = hearth("install", "--json")
    answer = json.loads(done.stdout)
    assert answer == {
        "path": str(home / "config/systemd/user/hearth.service"),
        "started": False,
        "commands": [
            "systemctl --user daemon-reload",
            "systemctl --user enable --now hearth.service",
        ],
    }
    assert "enable-linger" in hearth("install").output


def test_a_unit_is_removed_and_the_data_stays(home: Path) -> None:
    hearth("install", "--system", "--run-as", "somebody", "--name", "second")
    unit = home / "system/second.service"
    assert settings(unit.read_text())["User"] == "somebody"
    done = hearth("uninstall", "--system", "--name", "second")
    assert done.exit_code == 0, done.output
    assert not unit.exists()
    assert (home / "data").is_dir()
    again = hearth("uninstall", "--system", "--name", "second")
    assert again.exit_code == 1
    assert "does not exist" in again.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--name", "a/b"),
        ("--name", "../x"),
        ("--name", ""),
        ("--system", "--run-as", "a b"),
        ("--site-name", "two\nlines"),
        ("--param", "nonsense"),
        ("--param", "A=two\nlines"),
    ],
)
def test_what_a_unit_cannot_hold_is_refused(home: Path, arguments: tuple[str, ...]) -> None:
    done = hearth("install", *arguments)
    assert done.exit_code == 2
    assert list(home.rglob("*.service")) == []


def test_a_folder_that_cannot_be_written_is_told(home: Path, tmp_path: Path) -> None:
    (home / "system").touch()
    done = hearth("install", "--system", "--run-as", "somebody")
    assert done.exit_code == 1
    assert "cannot be written" in done.output
    assert "needs root" in done.output
