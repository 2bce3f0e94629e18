"""Names of protective equipment, and the role of each model class.

Models name the same things differently (`helmet`, `Hardhat`; `no_helmet`, `NO-Hardhat`). Everything
behind this module speaks of five items and of whether a box shows one worn or shows one missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final


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

_PERSON: Final = frozenset({"person", "worker", "people", "pedestrian"})
_ITEMS: Final[dict[str, Item]] = {
    "helmet": Item.HELMET,
    "hardhat": Item.HELMET,
    "hard_hat": Item.HELMET,
    "safety_helmet": Item.HELMET,
    "vest": Item.VEST,
    "safety_vest": Item.VEST,
    "goggle": Item.GOGGLES,
    "goggles": Item.GOGGLES,
    "safety_goggles": Item.GOGGLES,
    "glove": Item.GLOVES,
    "gloves": Item.GLOVES,
    "boot": Item.BOOTS,
    "boots": Item.BOOTS,
    "safety_boots": Item.BOOTS,
}


@dataclass(frozen=True)
class Role:
    """What a box of one class shows: a person (`item` is None), or an item worn or missing."""

    item: Item | None
    present: bool = True


@cache
def role_of(class_name: str) -> Role | None:
    """The role of one model class, or None for a class without one (face, mask, car)."""
    name = re.sub(r"[\s\-]+", "_", class_name.strip().lower())
    if name in _PERSON:
        return Role(None)
    if name in _ITEMS:
        return Role(_ITEMS[name])
    for prefix in ("no_", "without_"):
        if name.startswith(prefix) and name.removeprefix(prefix) in _ITEMS:
            return Role(_ITEMS[name.removeprefix(prefix)], present=False)
    return None


@dataclass(frozen=True)
class Vocabulary:
    """The roles of a model's classes, in their order, and which items it can show."""

    roles: tuple[Role | None, ...]
    worn: frozenset[Item]
    missing: frozenset[Item]
    people: bool

    @classmethod
    def of(cls, class_names: Sequence[str]) -> Vocabulary:
        roles = tuple(role_of(name) for name in class_names)
        known = [role for role in roles if role is not None]
        return cls(
            roles=roles,
            worn=frozenset(role.item for role in known if role.item and role.present),
            missing=frozenset(role.item for role in known if role.item and not role.present),
            people=any(role.item is None for role in known),
        )
