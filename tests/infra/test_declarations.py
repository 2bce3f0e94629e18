"""Declarations of capabilities: gathered, compared with what is committed, refused where wrong."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hearth.capability import Capability, Published
from scripts import declare

QUEUES = frozenset({"a", "b"})
A = Capability(
    name="a",
    functions=("a",),
    permissions={"a:read": "user"},
    queue="a",
    jobs={"a.run": "record"},
    publishes=(Published("a.ended", "schemas:Ended"),),
    tables=("a_rows",),
)
B = Capability(name="b", functions=("b",), queue="b", subscribes=("a.ended",))


def mistakes(**changes: Any) -> list[str]:
    """What is wrong where B is declared with `changes`."""
    both = {
        "functions/a/capability.py": A,
        "functions/b/capability.py": dataclasses.replace(B, **changes),
    }
    return list(declare.mistakes_of(both, QUEUES))


def test_the_tables_of_the_core_are_those_of_the_capabilities() -> None:
    text = declare.as_text(declare.tables(declare.gather(declare.ROOT).values()))
    assert declare.TABLES.read_text("utf-8") == text, "run scripts/declare.py"


def test_the_check_of_this_repository_passes_and_loads_no_function() -> None:
    code = (
        "import sys; sys.argv = ['declare', '--check']; from scripts import declare;"
        " status = declare.main(); heavy = ('functions', 'pydantic', 'sqlalchemy', 'fastapi');"
        " print(sorted(name for name in sys.modules if name.startswith(heavy))); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=declare.ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")


def test_declarations_that_fit_are_not_refused() -> None:
    assert mistakes() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"permissions": {"a:read": "guest"}},
            "permission 'a:read' is declared in functions/a/capability.py; rename one",
        ),
        (
            {"jobs": {"a.run": "always"}},
            "job kind 'a.run' is declared in functions/a/capability.py; rename one",
        ),
        (
            {"jobs": {"a.ended": "always"}},
            "job kind 'a.ended' is declared in functions/a/capability.py; rename one",
        ),
        (
            {"tables": ("a_rows",)},
            "table 'a_rows' is declared in functions/a/capability.py; rename one",
        ),
        ({"queue": "a"}, "queue 'a' is declared in functions/a/capability.py; rename one"),
        (
            {"subscribes": ("a.begun",)},
            "nobody publishes the event 'a.begun'; subscribe to one of a.ended, or declare it where"
            " it is published",
        ),
        (
            {"queue": "c"},
            "template.yaml has no queue 'c'; add one with QueueName: !Sub \"${AWS::StackName}-c\"",
        ),
        ({"queue": ""}, "jobs and subscriptions need a queue; name it with queue="),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_contradiction_is_refused_with_its_file_and_the_remedy(
    changes: dict[str, Any], message: str
) -> None:
    assert mistakes(**changes) == [f"functions/b/capability.py: {message}"]


def test_a_migration_with_a_taken_number_is_refused_with_both_files(tmp_path: Path) -> None:
    (tmp_path / "0001_jobs.py").write_text('revision = "0001"\n')
    (tmp_path / "0001_pool.py").write_text('revision = "0001"\n')
    (tmp_path / "0002_pond.py").write_text('revision = "0001"\n')
    found = list(declare.taken_numbers(tmp_path, tmp_path))
    assert [one.partition(": ")[0] for one in found] == ["0001_pool.py", "0002_pond.py"]
    assert "revision 0001 is taken by 0001_jobs.py; give it the next free number" in found[0]


def test_a_file_that_declares_another_name_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "functions" / "pool"
    folder.mkdir(parents=True)
    (folder / "capability.py").write_text(
        "from hearth.capability import Capability\n"
        "CAPABILITY = Capability(name='pond', functions=())\n"
    )
    with pytest.raises(SystemExit, match=r"functions/pool/capability\.py must declare .*'pool'"):
        declare.gather(tmp_path)


def test_what_a_user_s_functions_declare_is_merged_in() -> None:
    code = (
        "import os; os.environ['PLUGINS'] = '{"
        '"permissions": {"pool:read": "guest"}, "jobs": {"pool.clean": "record"},'
        ' "subscribers": {"task.created": ["pool"]}, "queues": ["pool"]}\';'
        "from hearth.declarations import QUEUES, SUBSCRIBERS, kinds_kept, events_for;"
        "from hearth.principal import PERMISSIONS, Role;"
        "assert 'pool:read' in PERMISSIONS[Role.GUEST] and 'tasks:read' in PERMISSIONS[Role.USER];"
        "assert 'tasks:read' not in PERMISSIONS[Role.GUEST];"
        "assert 'pool' in QUEUES and 'pool.clean' in kinds_kept('record');"
        "assert SUBSCRIBERS['task.created'] == ('analytics', 'notifications', 'pool', 'reports');"
        "assert events_for('pool') == ('task.created',)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
