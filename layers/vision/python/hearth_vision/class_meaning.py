"""What the name of a model's class means: a person, a bare head, equipment worn or missing.

Models name the same things differently (`Hardhat`, `NO-Hardhat`, `Schutzhelm`, `sin casco`). Names
are compared without case, accents and separators. A name that is not here is given another one:
`hearth models add --classes`, or `hearth models classes` later.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final


class Thing(StrEnum):
    """What a class can show."""

    PERSON = "person"
    HEAD = "head"
    HELMET = "helmet"
    VEST = "vest"
    GOGGLES = "goggles"
    GLOVES = "gloves"
    BOOTS = "boots"


@dataclass(frozen=True)
class Meaning:
    """What a box of a class shows; `present` is False where it shows that the thing is missing."""

    thing: Thing
    present: bool = True


# In English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Turkish, Russian, Chinese
# and Japanese, as data sets of people and safety equipment have them. `lacking` stands behind.
_WORDS: Final = json.loads(Path(__file__).with_name("class_words.json").read_text("utf-8"))


_UNDECOMPOSED: Final = {0x142: "l", 0x131: "i"}  # l with stroke, i without a dot


def _plain(name: str) -> str:
    """A name without case, accents and separators."""
    apart = unicodedata.normalize("NFKD", name.casefold().translate(_UNDECOMPOSED))
    kept = "".join(sign for sign in apart if not unicodedata.combining(sign))
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", kept))


_THINGS: Final = {
    _plain(word): Thing(thing) for thing, words in _WORDS["things"].items() for word in words
}
# The longest first, so that `with` never takes the beginning of `without`.
_BEFORE: Final = sorted(
    [(_plain(word), False) for word in _WORDS["without"]]
    + [(_plain(word), True) for word in _WORDS["with"]],
    key=lambda pair: -len(pair[0]),
)
_BEHIND: Final = tuple(_plain(word) for word in _WORDS["lacking"])


@cache
def meaning_of(class_name: str) -> Meaning | None:
    """What a class shows; None where its name means nothing here (face, mask, car)."""
    plain = _plain(class_name)
    if plain in _THINGS:
        return Meaning(_THINGS[plain])
    # `person_without_helmet`, `worker with vest`: the equipment is what the box is about.
    bodies = [plain]
    bodies += [
        plain.removeprefix(word)
        for word, thing in _THINGS.items()
        if thing in (Thing.PERSON, Thing.HEAD) and plain.startswith(word)
    ]
    for body in bodies:
        for word, present in _BEFORE:
            thing = _THINGS.get(body.removeprefix(word)) if body.startswith(word) else None
            if thing is not None and thing not in (Thing.PERSON, Thing.HEAD):
                return Meaning(thing, present)
        for word in _BEHIND:
            thing = _THINGS.get(body.removesuffix(word)) if body.endswith(word) else None
            if thing is not None and thing not in (Thing.PERSON, Thing.HEAD):
                return Meaning(thing, present=False)
    return None


def meanings_of(class_names: Sequence[str]) -> tuple[Meaning | None, ...]:
    """What each class of a model shows; a head beside helmets is a bare one."""
    found = tuple(meaning_of(name) for name in class_names)
    knows_helmets = Meaning(Thing.HELMET) in found
    bare = Meaning(Thing.HELMET, present=False) if knows_helmets else None
    return tuple(bare if one is not None and one.thing is Thing.HEAD else one for one in found)


def what_is_missing(class_names: Sequence[str], required: Iterable[str] = ()) -> list[str]:
    """What a model cannot judge, a sentence each with the remedy; none where all is well.

    Args:
        class_names: Of the model.
        required: Equipment that a policy asks for, by the names of `Thing`.
    """
    known = [one for one in meanings_of(class_names) if one is not None]
    things = {one.thing for one in known}
    shown = ", ".join(class_names[:8]) + (", …" if len(class_names) > 8 else "")
    remedy = (
        f"its classes are {shown}; name those that mean it with --classes, or `hearth models "
        "classes`"
    )
    problems = []
    if not known:
        problems.append(
            f"no class of the model means a person or equipment, so nothing is judged: {remedy}"
        )
    elif Thing.PERSON not in things:
        if Thing.HELMET in things:
            problems.append(
                "no class of the model means a person: heads and helmets are judged, and a zone by "
                f"where a body below them would stand; {remedy}"
            )
        else:
            problems.append(f"no class of the model means a person: {remedy}")
    missing = [item for item in required if Thing(item) not in things]
    if known and missing:
        problems.append(
            f"the policy requires {' and '.join(missing)}, which no class of the model shows, so "
            f"it stays indeterminate: {remedy}, or take it out of the policy"
        )
    return problems
