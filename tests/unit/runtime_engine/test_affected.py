"""Which functions a changed file belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

from hearth_runtime.engine.functions import FunctionSpec
from hearth_runtime.engine.reload import affected, sources

ROOT = Path("/project")
FUNCTIONS = [
    FunctionSpec(f"hearth-{name}", name, f"functions.{handler}.lambda_handler")
    for name, handler in (
        ("detection", "detection.main"),
        ("detection-api", "detection.main_api"),
        ("jobs", "jobs.main"),
    )
]
ALL = ["detection", "detection-api", "jobs"]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ([], []),
        (["functions/jobs/service.py"], ["jobs"]),
        (["functions/detection/repository/old_rows.py"], ["detection", "detection-api"]),
        (["functions/jobs/api.py", "functions/detection/api.py"], ALL),
        (["functions/__init__.py"], ALL),
        (["functions/jobs_of_others/main.py"], ALL),
        (["layers/core/python/hearth/db.py"], ALL),
        (["layers/core/python/hearth/db.py", "functions/jobs/service.py"], ALL),
    ],
)
def test_a_file_is_of_the_functions_in_its_folder_or_of_all(
    files: list[str], names: list[str]
) -> None:
    found = affected([ROOT / file for file in files], ROOT, FUNCTIONS)
    assert found == [f"hearth-{name}" for name in names]


def test_a_handler_beside_the_template_is_changed_by_any_file() -> None:
    probe = FunctionSpec("hearth-probe", "probe", "probe.lambda_handler")
    assert affected([ROOT / "layers/x.py"], ROOT, [probe]) == ["hearth-probe"]


def test_sources_lie_in_the_image_where_the_dockerfiles_copy_them() -> None:
    root = Path(__file__).resolve().parents[3]
    found = sources(root)
    assert found == {
        "/var/task/functions": root / "functions",
        "/var/task/hearth": root / "layers/core/python/hearth",
        "/var/task/hearth_llm": root / "layers/llm/python/hearth_llm",
        "/var/task/hearth_text": root / "layers/text/python/hearth_text",
        "/var/task/hearth_vision": root / "layers/vision/python/hearth_vision",
    }
