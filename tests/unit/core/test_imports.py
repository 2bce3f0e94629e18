from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("hearth.bootstrap", ["boto3", "botocore.session", "sqlalchemy", "alembic", "fastapi"]),
        (
            "hearth.ledger.consumer",
            ["boto3", "botocore.session", "alembic", "fastapi", "sqlalchemy.orm"],
        ),
        (
            "hearth.ledger.ledger",
            ["boto3", "botocore.session", "alembic", "fastapi", "sqlalchemy.orm"],
        ),
        ("hearth.storage", ["boto3", "botocore.session"]),
        ("hearth.aws", ["boto3", "botocore.session"]),
        ("hearth.http.app", ["boto3", "botocore.session", "sqlalchemy"]),
        ("hearth.migrations", ["alembic"]),
    ],
)
def test_importing_a_module_loads_nothing_that_it_may_not_need(
    module: str, heavy: list[str]
) -> None:
    program = f"import sys, {module}; print(*sorted(set({heavy!r}) & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == []
