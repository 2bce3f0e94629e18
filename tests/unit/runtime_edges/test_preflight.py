"""What `hearth up` refuses before its stack is ready."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hearth_runtime.preflight import refuse_contradictions, refuse_too_many_connections
from hearth_runtime.stack_state import SetupError
from hearth_runtime.template.reader import TemplateSource

ROOT = Path(__file__).resolve().parents[3]


def script(root: Path, text: str) -> None:
    (root / "scripts").mkdir()
    (root / "scripts" / "declare.py").write_text(text)


def test_a_folder_without_the_check_has_nothing_to_refuse(tmp_path: Path) -> None:
    asyncio.run(refuse_contradictions(tmp_path))


def test_a_check_that_passes_refuses_nothing(tmp_path: Path) -> None:
    script(tmp_path, "import sys; assert sys.argv[1:] == ['--check']")
    asyncio.run(refuse_contradictions(tmp_path))


def test_the_first_mistake_is_the_sentence_that_ends_the_start(tmp_path: Path) -> None:
    script(tmp_path, "import sys; sys.exit('declare: a.py: rename one\\ndeclare: b.py: another')")
    with pytest.raises(SetupError, match=r"^a\.py: rename one\.$"):
        asyncio.run(refuse_contradictions(tmp_path))


def test_a_declaration_that_cannot_be_read_ends_the_start_with_the_reason(tmp_path: Path) -> None:
    script(tmp_path, "raise TypeError('no such field')")
    with pytest.raises(SetupError, match=r"^TypeError: no such field\.$"):
        asyncio.run(refuse_contradictions(tmp_path))


def test_more_replicas_than_the_database_admits_connections_are_refused() -> None:
    source = TemplateSource.read(ROOT / "template.yaml")
    given = {"DatabaseUrl": "postgresql://hearth@database/hearth"}
    template = source.resolve(given)
    refuse_too_many_connections(source, template, given, {"detection": 4})
    with pytest.raises(SetupError, match=r"which admits 100: lower --replicas, or raise"):
        refuse_too_many_connections(source, template, given, {"detection": 400})
