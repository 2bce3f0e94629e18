from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.embeddings.corpus import MAX_LINES, Results, read_request, read_texts
from hearth.errors import HearthError, InvalidInput, TooLarge

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


@pytest.mark.parametrize("data", [b"", b"\n"])
def test_a_file_without_texts_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_texts(data)


@given(st.lists(TEXT, min_size=1, max_size=20), st.booleans())
def test_a_line_is_a_text_or_an_object_with_one(texts: list[str], as_objects: bool) -> None:
    lines = [json.dumps({"text": text, "id": 1} if as_objects else text) for text in texts]
    assert read_texts("\n".join(lines).encode()) == texts
    assert read_texts("".join(f"{line}\n" for line in lines).encode()) == texts


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"no json",
        b"5",
        b"null",
        b'["x"]',
        b"{}",
        b'{"text": 5}',
        b'""',
        b'"\\ud800"',
        b"\xff",
        b"[" * 100_000,
        json.dumps("x" * 4001).encode(),
    ],
    ids=lambda line: line[:20],
)
def test_an_invalid_line_is_named_by_its_number(line: bytes) -> None:
    with pytest.raises(InvalidInput, match="line 2 "):
        read_texts(b'"fine"\n' + line + b'\n"fine"')


def test_too_many_lines_are_refused() -> None:
    with pytest.raises(TooLarge, match="at most 200000"):
        read_texts(b'"x"\n' * (MAX_LINES + 1))


@given(st.binary(max_size=200))
def test_any_file_gives_texts_or_a_clear_error(data: bytes) -> None:
    with contextlib.suppress(HearthError):
        assert all(isinstance(text, str) for text in read_texts(data))


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"source": 5},
        {"source": "frames/gate.jpg"},
        {"source": "texts/../frames/x.jsonl"},
        {"source": "texts/.jsonl"},
        {"source": "texts/a.json"},
        {"source": "texts/a b.jsonl"},
        {"source": "texts/" + "a" * 300 + ".jsonl"},
        {"source": "texts/a.jsonl", "normalize": "no"},
        {"source": "texts/a.jsonl", "target": "vectors/b"},
        {"source": "texts/a.jsonl", "id": "a b"},
    ],
    ids=str,
)
def test_an_invalid_message_is_refused_with_what_to_send(body: object) -> None:
    with pytest.raises(InvalidInput, match=r'send \{"source": "texts/NAME.jsonl"\}'):
        read_request(body)


def test_the_same_request_is_the_same_job() -> None:
    first, again = (read_request({"source": "texts/a/b.jsonl"}) for _ in "12")
    assert first.dedupe_key == again.dedupe_key
    others = [{"normalize": False}, {"id": "2"}]
    for more in others:
        assert read_request({"source": "texts/a/b.jsonl"} | more).dedupe_key != first.dedupe_key


def test_the_keys_of_results_derive_from_the_source() -> None:
    results = Results("a/b", "0123456789abcdef")
    assert results.manifest == "vectors/a/b.json"
    assert results.part(3) == "vectors/a/b/0123456789abcdef/part-00003.npy"
