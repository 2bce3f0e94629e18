"""Docker Compose's files, without an engine: in step with the template, hardened, bounded."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from hearth_runtime.cli import app
from hearth_runtime.compose import (
    COMPOSE,
    DEVELOPMENT,
    TOTAL_MB,
    ComposePlan,
    compose_files,
    home_parameters,
    variable,
)
from hearth_runtime.engine.memory_limits import limited
from hearth_runtime.stack_state import SetupError
from hearth_runtime.template.intrinsics import load_yaml
from hearth_runtime.template.reader import TemplateSource

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
FOLDER = ROOT / "localstack"
PROFILES = ("models", "postgres", "mosquitto", "ollama", "localstack", "monitoring")

MINIMAL = """
Resources:
  EchoFunction:
    Type: AWS::Serverless::Function
    Metadata: { Dockerfile: functions/echo/Dockerfile }
    Properties:
      FunctionName: !Sub "${AWS::StackName}-echo"
      MemorySize: 512
      ImageConfig: { Command: [functions.echo.main.lambda_handler] }
"""


def read(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text("utf-8"))
    return loaded


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read(COMPOSE)["services"]
    return found


def functions() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services().items() if "leash" in str(service)}


def megabytes(limit: str) -> int:
    assert re.fullmatch(r"\d+m", limit), limit
    return int(limit.removesuffix("m"))


def plan(tmp_path: Path, text: str, **changes: Any) -> ComposePlan:
    template = tmp_path / "template.yaml"
    template.write_text(text)
    return ComposePlan(template, tmp_path, **changes)


# ---- in step ----


def test_the_committed_files_are_what_the_template_says() -> None:
    result = CliRunner().invoke(app, ["compose", "--check"])
    assert result.exit_code == 0, result.output


def test_a_file_that_is_out_of_step_is_named_with_the_remedy(tmp_path: Path) -> None:
    written = CliRunner().invoke(app, ["compose", "--folder", str(tmp_path), "--json"])
    assert json.loads(written.output)["written"] == [COMPOSE, DEVELOPMENT, "env.example"]
    (tmp_path / COMPOSE).write_text("services: {}\n")
    result = CliRunner().invoke(app, ["compose", "--folder", str(tmp_path), "--check"])
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert f"{COMPOSE} in" in said
    assert "Run `hearth compose`" in said


def test_every_function_of_the_template_has_a_service_and_no_other() -> None:
    template = TemplateSource.read(TEMPLATE).resolve({})
    assert set(functions()) == {spec.short_name for spec in template.functions}
    for spec in template.functions:
        service = functions()[spec.short_name]
        assert service["entrypoint"] == ["/var/runtime/leash", spec.short_name]
        assert service["command"] == [spec.handler]
        assert (FOLDER / service["build"]["context"] / "functions").is_dir()


def test_a_template_without_functions_makes_a_stack_without_them(tmp_path: Path) -> None:
    text = compose_files(plan(tmp_path, "Resources: {}\n"))[COMPOSE]
    made = yaml.safe_load(text)["services"]
    assert set(made) - {"runtime", "cameras"} == {
        name for name, service in services().items() if "profiles" in service
    }
    assert made["runtime"]["depends_on"] == []


def test_replicas_reach_the_runtime(tmp_path: Path) -> None:
    files = compose_files(plan(tmp_path, MINIMAL, total_mb=2048, replicas={"echo": 4}))
    made = yaml.safe_load(files[COMPOSE])["services"]
    assert made["echo"]["deploy"] == {"replicas": 4}
    assert megabytes(made["echo"]["mem_limit"]) == 204
    assert "--replicas=echo=4" in made["runtime"]["command"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicas": {"nobody": 2}}, "The template has no function nobody"),
        ({"total_mb": 1100}, "echo alone may take 204 MB, which is more than 76 MB"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SetupError, match=re.escape(message)):
        compose_files(plan(tmp_path, MINIMAL, **changes))


# ---- hardened ----


@pytest.mark.parametrize("name", sorted(services()))
def test_a_service_has_no_privileges_and_ends_no_other(name: str) -> None:
    service = services()[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] <= 256
    # A command ends, and is not begun anew.
    assert service["restart"] == ("no" if name == "models" else "unless-stopped")
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert service["mem_limit"]
    assert service["read_only"] is (name != "localstack")
    assert not service.get("privileged")
    assert "docker.sock" not in json.dumps(service)


@pytest.mark.parametrize("name", [*sorted(functions()), "models", "runtime", "cameras"])
def test_what_is_ours_runs_as_nobody(name: str) -> None:
    assert services()[name]["user"] == "65532:65532"


def test_functions_know_no_more_than_whom_to_ask() -> None:
    environments = [service["environment"] for service in functions().values()]
    assert environments == [{"HEARTH_RUNTIME": "runtime:9001"}] * len(environments)


def test_functions_reach_the_inner_network_alone() -> None:
    assert {tuple(service["networks"]) for service in functions().values()} == {("inside",)}
    assert read(COMPOSE)["networks"]["inside"] == {"internal": "${HEARTH_OFFLINE:-true}"}


def test_only_the_gateway_and_the_dashboard_are_published_and_on_loopback() -> None:
    ports = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert ports == {
        "runtime": ["${HEARTH_BIND:-127.0.0.1}:${HEARTH_PORT:-8080}:8080"],
        "grafana": ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"],
    }


def test_secrets_come_from_the_environment_and_have_no_default() -> None:
    declared = load_yaml(TEMPLATE.read_text("utf-8"), "template.yaml")["Parameters"]
    environment = services()["runtime"]["environment"]
    secret = {name for name, one in declared.items() if one.get("NoEcho")} - {"DatabaseUrl"}
    given = {name: environment.get(f"HEARTH_PARAM_{name}") for name in secret}
    assert given == {name: f"${{{variable(name)}:-}}" for name in secret}


def test_other_peoples_images_are_pinned_and_named_as_their_makers_do() -> None:
    others = {name: s["image"] for name, s in services().items() if "hearth-" not in s["image"]}
    assert set(others) == {"postgres", "mosquitto", "ollama", "localstack", "prometheus", "grafana"}
    for image in others.values():
        assert re.fullmatch(r"[a-z-]+(/[a-z-]+)?:v?\d+\.\d+(\.\d+)?(-alpine)?", image), image
    assert all(services()[name]["profiles"] for name in others)


# ---- bounded ----


def awake_mb() -> int:
    """What the runtime lets the functions that are awake take together."""
    (memory,) = [
        int(word.removeprefix("--memory="))
        for word in services()["runtime"]["command"]
        if word.startswith("--memory=")
    ]
    return memory


def test_the_whole_stays_under_four_gigabytes() -> None:
    always = [s for s in services().values() if "profiles" not in s]
    others = [s for s in always if s not in functions().values()]
    assert awake_mb() + sum(megabytes(one["mem_limit"]) for one in others) == TOTAL_MB == 4096
    assert all(service["memswap_limit"] == service["mem_limit"] for service in always)


def test_docker_and_the_runtime_count_with_the_same_limits() -> None:
    specs = limited(TemplateSource.read(TEMPLATE).resolve({}).functions, awake_mb())
    assert {name: megabytes(service["mem_limit"]) for name, service in functions().items()} == {
        spec.short_name: spec.memory_mb for spec in specs
    }


# ---- parameters ----


@pytest.mark.parametrize(
    ("parameter", "name"),
    [("SiteName", "SITE_NAME"), ("LlmBaseUrl", "LLM_BASE_URL"), ("Policy", "POLICY")],
)
def test_a_setting_is_named_as_variables_are(parameter: str, name: str) -> None:
    assert variable(parameter) == name


def test_only_parameters_that_mean_something_at_home_are_settings() -> None:
    found = set(home_parameters(load_yaml(TEMPLATE.read_text("utf-8"), "template.yaml")))
    assert {"DatabaseUrl", "SiteName", "SmtpUrl", "FrameRetentionDays"} <= found
    assert not found & {"AlarmTopic", "Release", "DeploymentType", "CredentialsName"}


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({}, []),
        ({"Parameters": {"Unused": {}}}, []),
        (
            {
                "Parameters": {"Ours": {}, "Theirs": {}, "Alarm": {}},
                "Globals": {
                    "Function": {"Timeout": {"Ref": "Ours"}, "Policies": {"Ref": "Theirs"}}
                },
                "Resources": {
                    "A": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Ref": "Alarm"}}
                },
            },
            ["Ours"],
        ),
        (
            {
                "Parameters": {"In": {}, "Cloud": {}},
                "Resources": {
                    "Q": {
                        "Type": "AWS::SQS::Queue",
                        "Properties": {
                            "Name": {"Fn::Sub": ["${In}-x", {}]},
                            "Key": {"Fn::Sub": "{{resolve:ssm:${Cloud}}}"},
                        },
                    }
                },
            },
            ["In"],
        ),
    ],
)
def test_parameters_are_found_where_they_are_used(
    document: dict[str, Any], found: list[str]
) -> None:
    assert list(home_parameters(document)) == found


# ---- what is beside it ----


def test_prometheus_asks_the_control_server() -> None:
    targets = read("prometheus/prometheus.yml")["scrape_configs"][0]["static_configs"][0]["targets"]
    assert targets == ["runtime:8081"]
    assert "--control-port=8081" in services()["runtime"]["command"]


def test_the_dashboard_shows_metrics_that_exist() -> None:
    dashboard = json.loads((FOLDER / "grafana/dashboards/hearth.json").read_text("utf-8"))
    named = set(re.findall(r"hearth_runtime_[a-z_]+", json.dumps(dashboard)))
    runtime = (FOLDER / "hearth_runtime").rglob("*.py")
    source = "\n".join(path.read_text("utf-8") for path in runtime)
    for name in named:
        plain = re.sub(r"_(total|bucket)$", "", name)
        short = plain.removeprefix("hearth_runtime_")
        assert f'"{plain}"' in source or f'("{short}"' in source, name


@pytest.mark.parametrize("profile", ["", *PROFILES, "*"])
@pytest.mark.parametrize("development", [False, True])
def test_compose_itself_finds_nothing_wrong(profile: str, development: bool) -> None:
    if shutil.which("docker") is None:
        pytest.skip("there is no docker command")
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode != 0:
        pytest.skip("docker has no compose plugin")
    files = ["-f", COMPOSE, *(["-f", DEVELOPMENT] if development else [])]
    profiles = ["--profile", profile] if profile else []
    result = subprocess.run(
        ["docker", "compose", *files, *profiles, "config"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (0, "")
    made = yaml.safe_load(result.stdout)
    assert made["networks"]["inside"]["internal"] is True
    if profile not in ("", "*"):
        assert any(profile in s.get("profiles", []) for s in made["services"].values())
