"""scripts/deploy, scripts/smoke.py and scripts/rollback, with AWS played by small stand-ins."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "scripts" / name), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


# ---- deploy ----


def test_a_dry_run_prints_the_commands_of_a_deployment() -> None:
    result = script("deploy", "--dry-run", "--stack", "site", "SiteName=Yard")
    assert result.returncode == 0, result.stderr
    build, deploy, smoke = result.stdout.splitlines()
    assert build.endswith("/sam build --template-file template.yaml")
    assert " deploy --stack-name site --capabilities CAPABILITY_IAM " in deploy
    assert " --resolve-image-repos --resolve-s3 --parameter-overrides Release=" in deploy
    assert deploy.endswith(" SiteName=Yard")
    assert smoke.endswith("scripts/smoke.py --stack site")


def test_a_packaged_template_is_deployed_without_a_build(tmp_path: Path) -> None:
    packaged = tmp_path / "packaged.yaml"
    packaged.touch()
    result = script("deploy", "--dry-run", "--packaged", str(packaged), "--no-smoke")
    (deploy,) = result.stdout.splitlines()
    assert f" --template-file {packaged} " in deploy
    assert "resolve-image-repos" not in deploy


def test_another_parameter_or_image_is_another_release_and_the_same_is_the_same(
    tmp_path: Path,
) -> None:
    def release(*parameters: str) -> str:
        result = script("deploy", "--dry-run", "--no-smoke", *parameters)
        (found,) = re.findall(r"Release=([0-9a-f]{16})\b", result.stdout)
        return str(found)

    assert release("SiteName=Yard") == release("SiteName=Yard")
    assert len({release(), release("SiteName=Yard"), release("SiteName=Dock")}) == 3
    # The images of a packaged template are named in it.
    packaged = tmp_path / "packaged.yaml"
    packaged.write_text("ImageUri: repository:one")
    one = release("--packaged", str(packaged))
    packaged.write_text("ImageUri: repository:two")
    assert release("--packaged", str(packaged)) != one


def test_a_dry_run_prints_no_secret() -> None:
    secret = "postgresql://u:hunter2@host/db"
    result = script("deploy", "--dry-run", f"DatabaseUrl={secret}", "SmtpUrl=smtp://u:hunter2@h")
    assert "hunter2" not in result.stdout + result.stderr
    assert "DatabaseUrl=*** SmtpUrl=***" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["NoSuch=1"], "no parameter 'NoSuch'"),
        (["--nonsense"], "'--nonsense' is neither an option nor NAME=VALUE"),
        (["--stack"], "--stack needs a value"),
        (["--packaged", "/nowhere.yaml"], "there is no /nowhere.yaml"),
    ],
)
def test_a_wrong_argument_of_deploy_is_named(arguments: list[str], complaint: str) -> None:
    result = script("deploy", "--dry-run", *arguments)
    assert result.returncode in (64, 66)
    assert complaint in result.stderr
    assert result.stdout == ""


# ---- smoke ----


TOKEN = "api-key-of-a-developer"


class Gateway(BaseHTTPRequestHandler):
    """Answers those it knows as the API does; `status` and `body` are what a route answers."""

    status = 200
    body = b"{}"
    open_to_all = False
    seen: list[str]

    def do_GET(self) -> None:
        shown = self.headers.get("Authorization", "")
        self.seen.append(f"{self.path} {shown}".strip())
        allowed = shown == f"Bearer {TOKEN}" or self.path == "/openapi.json" or self.open_to_all
        self.send_response(self.status if allowed else 403 if shown else 401)
        self.end_headers()
        self.wfile.write(self.body if allowed else b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[tuple[type[Gateway], str]]:
    handler = type("Handler", (Gateway,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def smoke(url: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "smoke.py"), "--url", url, "--pause", "0.01"],
        env={**os.environ, "HEARTH_TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_api_that_answers_those_it_knows_and_refuses_others_is_well(
    gateway: tuple[type[Gateway], str],
) -> None:
    handler, url = gateway
    result = smoke(url)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count(" 200\n") == 4
    assert handler.seen == [
        "/openapi.json",
        f"/api/v1/cameras Bearer {TOKEN}",
        f"/api/v1/jobs/summary Bearer {TOKEN}",
        f"/api/v1/reports Bearer {TOKEN}",
        "/api/v1/cameras",
        "/api/v1/cameras Bearer not-a-token",
    ]
    assert TOKEN not in result.stdout


def test_without_a_token_only_what_needs_none_is_asked(
    gateway: tuple[type[Gateway], str],
) -> None:
    handler, url = gateway
    result = smoke(url, "")
    assert (result.returncode, result.stderr) == (0, "")
    assert "HEARTH_TOKEN is not set" in result.stdout
    assert len(handler.seen) == 3


def test_an_api_that_anyone_may_ask_is_not_well(gateway: tuple[type[Gateway], str]) -> None:
    handler, url = gateway
    handler.open_to_all = True
    result = smoke(url)
    assert result.returncode == 1
    assert "an anonymous GET /api/v1/cameras answered 200 and not 401 or 403" in result.stderr
    assert "a forged GET /api/v1/cameras answered 200" in result.stderr


@pytest.mark.parametrize(
    ("status", "body", "complaint", "requests"),
    [
        (500, b"broken", "GET /api/v1/cameras answered 500: broken", 22),
        (404, b"{}", "GET /api/v1/jobs/summary answered 404", 6),
        (200, b"<html>", "GET /openapi.json answered no JSON object", 6),
        (200, b"[]", "GET /api/v1/cameras answered no JSON object", 6),
    ],
)
def test_an_api_that_does_not_answer_is_asked_again_only_when_it_may_help(
    gateway: tuple[type[Gateway], str], status: int, body: bytes, complaint: str, requests: int
) -> None:
    handler, url = gateway
    handler.status, handler.body = status, body
    result = smoke(url)
    assert result.returncode == 1
    assert complaint in result.stderr
    assert len(handler.seen) == requests


def test_smoke_without_a_server_says_so() -> None:
    silent = smoke("http://127.0.0.1:1")
    assert silent.returncode == 1
    assert "GET /openapi.json answered 599" in silent.stderr


# ---- rollback ----

AWS = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
*describe-stacks*) echo "$STATUS" ;;
*list-stack-resources*) printf '%s\\t%s\\n' arn:aws:lambda:r:1:function:s-jobs:live \
    arn:aws:lambda:r:1:function:s-sweep:live ;;
*get-alias*s-jobs*) echo 10 ;;
*get-alias*) echo 1 ;;
*list-versions*s-jobs*) printf '9\\t10\\t2\\t11\\n' ;;
*list-versions*) echo 1 ;;
esac
"""


@pytest.fixture
def aws(tmp_path: Path) -> Path:
    """A folder with an `aws` that plays a stack: jobs serves 10 of 2, 9, 10, 11, sweep 1 of 1."""
    program = tmp_path / "aws"
    program.write_text(AWS)
    program.chmod(0o755)
    return tmp_path


def rollback(aws: Path, *arguments: str, status: str = "UPDATE_COMPLETE") -> tuple[int, str, str]:
    path = f"{aws}{os.pathsep}{os.environ['PATH']}"
    result = script("rollback", *arguments, PATH=path, STATUS=status, CALLS=str(aws / "calls"))
    return result.returncode, result.stdout, result.stderr


def writes(aws: Path) -> list[str]:
    calls = (aws / "calls").read_text().splitlines()
    return [call for call in calls if "update" in call.split()[1] or "wait" in call]


def test_each_alias_goes_back_to_the_version_before_by_number(aws: Path) -> None:
    code, out, err = rollback(aws, "--stack", "s")
    assert (code, out) == (0, "s-jobs: 10 -> 9\n")
    assert err == "s-sweep: 1 is the first version, it stays\n"
    (update,) = writes(aws)
    assert update == (
        "lambda update-alias --function-name arn:aws:lambda:r:1:function:s-jobs --name live"
        " --function-version 9 --routing-config AdditionalVersionWeights={}"
    )


def test_a_dry_run_of_a_rollback_prints_and_changes_nothing(aws: Path) -> None:
    code, out, _ = rollback(aws, "--stack", "s", "--dry-run")
    assert code == 0
    assert out.startswith("aws lambda update-alias")
    assert writes(aws) == []


def test_an_update_that_runs_is_cancelled(aws: Path) -> None:
    code, _, _ = rollback(aws, "--stack", "s", status="UPDATE_IN_PROGRESS")
    assert code == 0
    assert writes(aws) == [
        "cloudformation cancel-update-stack --stack-name s",
        "cloudformation wait stack-rollback-complete --stack-name s",
    ]


def test_a_stack_that_is_busy_otherwise_is_left_alone(aws: Path) -> None:
    code, _, err = rollback(aws, "--stack", "s", status="UPDATE_ROLLBACK_IN_PROGRESS")
    assert code == 75
    assert "s is UPDATE_ROLLBACK_IN_PROGRESS" in err
    assert writes(aws) == []


def test_a_commit_is_deployed_from_a_tree_of_its_own(aws: Path) -> None:
    code, out, _ = rollback(aws, "--dry-run", "--stack", "s", "--to", "HEAD")
    assert code == 0
    add, deploy, remove = out.splitlines()
    assert add.startswith("git worktree add ")
    assert deploy.endswith("/scripts/deploy --stack s")
    assert remove.startswith("git worktree remove ")


def test_a_commit_that_is_not_here_is_refused(aws: Path) -> None:
    code, out, err = rollback(aws, "--to", "no-such-commit")
    assert (code, out) == (66, "")
    assert "there is no commit 'no-such-commit' here" in err
