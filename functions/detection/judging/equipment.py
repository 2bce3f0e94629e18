"""Protective equipment, and the role of each model class.

Everything behind this module speaks of five items and of whether a box shows one worn or missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hearth_vision.class_meaning import Meaning, Thing, meaning_of, meanings_of


class Item(StrEnum):
    """Equipment that a policy can require."""

    HELMET = "helmet"
    VEST = "vest"
    GOGGLES = "goggles"
    GLOVES = "gloves"
    BOOTS = "boots"


RESTRICTED: Final = "restricted_zone"

# Singular no_goggle is the name in the public Construction-PPE data set and in stored reports.
VIOLATION_OF: Final[dict[Item, str]] = {
    Item.HELMET: "no_helmet",
    Item.VEST: "no_vest",
    Item.GOGGLES: "no_goggle",
    Item.GLOVES: "no_gloves",
    Item.BOOTS: "no_boots",
}

DESCRIPTIONS: Final[dict[str, str]] = {
    "no_helmet": "Person without a safety helmet",
    "no_vest": "Person without a high-visibility vest",
    "no_goggle": "Person without safety goggles",
    "no_gloves": "Person without protective gloves",
    "no_boots": "Person without safety boots",
    RESTRICTED: "Person in a restricted zone",
}

# None: no regulation names it, the site's own policy does.
REGULATIONS: Final[dict[str, str | None]] = {
    "no_helmet": "29 CFR 1926.100(a)",
    "no_vest": "29 CFR 1926.95(a)",
    "no_goggle": "29 CFR 1926.102",
    "no_gloves": "29 CFR 1926.95",
    "no_boots": "29 CFR 1926.96",
    RESTRICTED: None,
}


@dataclass(frozen=True)
class Role:
    """What a box of one class shows: a person (`item` is None), or an item worn or missing."""

    item: Item | None
    present: bool = True


@dataclass(frozen=True)
class Vocabulary:
    """The roles of a model's classes, in their order, and which items it can show."""

    roles: tuple[Role | None, ...]
    worn: frozenset[Item]
    missing: frozenset[Item]
    people: bool

    @classmethod
    def of(cls, class_names: Sequence[str]) -> Vocabulary:
        roles = tuple(_role(meaning) for meaning in meanings_of(class_names))
        known = [role for role in roles if role is not None]
        return cls(
            roles=roles,
            worn=frozenset(role.item for role in known if role.item and role.present),
            missing=frozenset(role.item for role in known if role.item and not role.present),
            people=any(role.item is None for role in known),
        )


def role_of(class_name: str) -> Role | None:
    """The role of a class on a stored frame, on which a head is a bare one; None for no role."""
    meaning = meaning_of(class_name)
    if meaning is not None and meaning.thing is Thing.HEAD:
        return Role(Item.HELMET, present=False)
    return _role(meaning)


def _role(meaning: Meaning | None) -> Role | None:
    if meaning is None or meaning.thing is Thing.HEAD:
        return None
    if meaning.thing is Thing.PERSON:
        return Role(None)
    return Role(Item(meaning.thing.value), meaning.present)
