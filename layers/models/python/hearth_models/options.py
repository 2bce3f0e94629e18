"""Values of the command line's options: read, checked and refused in a sentence."""

from __future__ import annotations

import re
from pathlib import Path

from hearth.errors import InvalidInput
from hearth_models.record import MAX_LICENCE


def parse_classes(given: str | None) -> str:
    """Class names of --classes.

    Raises:
        InvalidInput: It looks like a file that is not there.
    """
    if given is None:
        return ""
    looks_like_file = "," not in given and ("/" in given or given.endswith((".txt", ".names")))
    if looks_like_file and not Path(given).is_file():
        raise InvalidInput(f"file {given} with class names does not exist; check --classes")
    if not given.strip():
        raise InvalidInput("--classes is empty; leave it out to take the names in the file")
    return given


def name_from(source: str, *, is_url: bool) -> str:
    """A model's name, made of that of its file."""
    last = source.split("?")[0].split("#")[0].rstrip("/").rpartition("/")[2] if is_url else source
    stem = Path(last).stem.lower().replace("_", "-").replace(" ", "-")
    return re.sub(r"[^a-z0-9.-]", "", stem)[:63] or "model"


def parse_licence(given: str) -> str:
    """The licence of --licence.

    Raises:
        InvalidInput: It is longer than a line.
    """
    text = given.strip()
    if len(text) > MAX_LICENCE or not text.isprintable():
        raise InvalidInput(
            f"--licence is not one line of at most {MAX_LICENCE} printable signs; name it, for "
            f"example Apache-2.0"
        )
    return text


def parse_digest(given: str | None) -> str | None:
    """A SHA-256 of --sha256, in lower case.

    Raises:
        InvalidInput: It is none.
    """
    if given is None:
        return None
    digest = given.strip().lower()
    if re.fullmatch(r"[0-9a-f]{64}", digest) is None:
        raise InvalidInput("--sha256 is not a SHA-256: 64 hexadecimal digits are expected")
    return digest
