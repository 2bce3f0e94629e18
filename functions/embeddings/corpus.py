"""A set of texts in S3, one JSON value a line, and the keys of its results."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from functions.embeddings.schemas import MAX_TEXT_CHARS
from hearth.errors import InvalidInput, TooLarge
from hearth.parsing import parse_model

SOURCE_PREFIX: Final = "texts/"
VECTORS_PREFIX: Final = "vectors/"
MAX_BYTES: Final = 64 * 1024 * 1024
MAX_LINES: Final = 200_000
_SOURCE: Final = (
    r"^texts/[A-Za-z0-9][A-Za-z0-9_.-]{0,100}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,100}){0,5}\.jsonl$"
)


class EmbedRequest(BaseModel):
    """A request: `{"source": "texts/notes.jsonl"}`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    source: Annotated[str, Field(pattern=_SOURCE, max_length=300)]
    normalize: bool = True
    id: Annotated[
        str,
        Field(
            max_length=64,
            pattern=r"^[A-Za-z0-9_.:-]*$",
            description="A repeated id is the same request; another id repeats the work.",
        ),
    ] = ""

    @property
    def dedupe_key(self) -> str:
        """The dedupe key of the job."""
        return f"embed:{self.source}:{'unit' if self.normalize else 'mean'}:{self.id}"

    @property
    def name(self) -> str:
        """The name of the results: `notes` for `texts/notes.jsonl`."""
        return self.source.removeprefix(SOURCE_PREFIX).removesuffix(".jsonl")


def read_request(body: Any) -> EmbedRequest:
    """Validate a message's body.

    Raises:
        InvalidInput: The body is not valid.
    """
    return parse_model(EmbedRequest, body, 'the message (send {"source": "texts/NAME.jsonl"})')


def read_texts(data: bytes) -> list[str]:
    """Read JSON lines; each line is a text, or an object with one as `text`.

    Raises:
        InvalidInput: A line, named by its number from 1, is neither.
        TooLarge: There are too many lines.
    """
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    if not lines:
        raise InvalidInput("the file holds no texts; write one JSON text a line")
    if len(lines) > MAX_LINES:
        raise TooLarge(f"the file has {len(lines)} lines; at most {MAX_LINES} are read")
    return [_text(number, line) for number, line in enumerate(lines, 1)]


def _text(number: int, line: bytes) -> str:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"line {number} is not JSON; write one JSON text a line") from error
    text = value.get("text") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise InvalidInput(f'line {number} is neither a text nor an object with one as "text"')
    if not 1 <= len(text) <= MAX_TEXT_CHARS:
        raise InvalidInput(
            f"line {number} has {len(text)} characters; 1 to {MAX_TEXT_CHARS} are read"
        )
    if re.search("[\ud800-\udfff]", text):
        raise InvalidInput(f"line {number} holds half of a surrogate pair; write valid Unicode")
    return text


@dataclass(frozen=True, slots=True)
class Results:
    """The keys of the vectors of one set. They derive from texts, model and options, so that a
    retry finds what exists, and writes the same bytes.

    Attributes:
        name: The name of the set.
        run: A fingerprint of the set, the model and the options.
    """

    name: str
    run: str

    @property
    def parts(self) -> str:
        """The prefix of the parts."""
        return f"{VECTORS_PREFIX}{self.name}/{self.run}/"

    @property
    def manifest(self) -> str:
        """The key of the manifest, which is written last."""
        return f"{VECTORS_PREFIX}{self.name}.json"

    def part(self, index: int) -> str:
        """Return the key of one part, float32 (rows, dimensions) in NPY format."""
        return f"{self.parts}part-{index:05}.npy"
