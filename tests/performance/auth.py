"""Milliseconds of `auth`: the authorizer's call, a log-in, and both cold starts, each to its peer.

    python -m tests.performance.auth [--json]

One run on SQLite in a folder of its own. The authorizer's peer is PyJWT's bare `decode` with the
same token and key, which asks no database whether the session still lives; the peer of a log-in is
argon2-cffi's bare `verify`; that of a cold start is a Python that imports nothing.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
from argon2 import PasswordHasher

from functions.auth import passwords
from functions.auth.access_tokens import AUDIENCE, ISSUER
from functions.auth.repository.signing_keys import list_signing_keys
from hearth import migrations
from hearth.db import Database
from hearth.logging import logger
from tests.support.auth import ADMIN, PASSWORD, Harness
from tests.support.events import load_event

ROOT = Path(__file__).resolve().parents[2]
CALLS, LOG_INS, STARTS = 2000, 40, 9
_START = """
import json, sys, time
began = time.perf_counter()
import importlib
handler = importlib.import_module(sys.argv[1]).lambda_handler
event = json.load(open(sys.argv[2]))
try:
    handler(event, None)
except Exception as error:
    assert str(error) == "Unauthorized", error
"""


def median_ms(call: Callable[[], Any], times: int) -> float:
    for _ in range(min(times, 20)):
        call()
    samples = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        samples.append((time.perf_counter() - began) * 1000)
    return statistics.median(samples)


def start_ms(folder: Path, program: str, *arguments: str) -> tuple[float, float]:
    """(wall, processor) time of a fresh process up to its first answer, with all bytecode at hand
    as in an image. The least of a few: the machine has other work."""
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{folder}/hearth.db",
        "PYTHONPATH": f"layers/core/python{os.pathsep}.",
        "PYTHONPYCACHEPREFIX": f"{folder}/bytecode",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    walls, processors = [], []
    for _ in range(STARTS):
        before, began = os.times(), time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", program, *arguments],
            check=True,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        walls.append((time.perf_counter() - began) * 1000)
        after = os.times()
        used = after.children_user + after.children_system
        processors.append((used - before.children_user - before.children_system) * 1000)
    return min(walls), min(processors)


def measure(folder: Path) -> dict[str, float]:
    logger.setLevel("ERROR")
    url = f"sqlite:///{folder}/hearth.db"
    migrations.upgrade(url)
    db = Database(url)
    harness = Harness(db)
    token = harness.administrator()
    key = harness.key(token)["key"]
    (signing,) = db.read(list_signing_keys)
    secret = base64.b64decode(signing.secret)
    argon2 = PasswordHasher(passwords.TIME_COST, passwords.MEMORY_KIB, passwords.PARALLELISM)
    kept = argon2.hash(PASSWORD)
    given = {"email": ADMIN, "password": PASSWORD}
    by_token = load_event("authorizer/http_api_request", identitySource=[f"Bearer {token}"])
    by_key = load_event("authorizer/http_api_request", identitySource=[f"Bearer {key}"])
    figures = {
        "bare_decode": median_ms(
            lambda: jwt.decode(
                token, secret, algorithms=["HS256"], audience=AUDIENCE, issuer=ISSUER
            ),
            CALLS,
        ),
        "authorizer_jwt": median_ms(lambda: harness.authorizer(by_token, None), CALLS),
        "authorizer_key": median_ms(lambda: harness.authorizer(by_key, None), CALLS),
        "bare_argon2_verify": median_ms(lambda: argon2.verify(kept, PASSWORD), LOG_INS),
        "login": median_ms(lambda: harness.call("POST", "/login", given), LOG_INS),
    }
    db.close()
    starts = {
        "nothing": ("pass",),
        "authorizer": (
            _START,
            "functions.auth.main_authorizer",
            "events/authorizer/http_api_request.json",
        ),
        "auth": (_START, "functions.auth.main", "events/auth/http_api_refresh_unknown.json"),
    }
    for name, program in starts.items():
        wall, processor = start_ms(folder, *program)
        figures[f"start_of_{name}"], figures[f"start_of_{name}_processor"] = wall, processor
    figures["authorizer_jwt_to_bare_decode"] = figures["authorizer_jwt"] / figures["bare_decode"]
    figures["login_to_bare_argon2"] = figures["login"] / figures["bare_argon2_verify"]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        figures = {name: round(value, 3) for name, value in measure(Path(folder)).items()}
    if as_json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:32} {value:10,.3f}")


if __name__ == "__main__":
    main()
