"""The categories and priorities of a pattern, with descriptions of each."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Category: TypeAlias = Literal["energy", "comfort", "security", "convenience"]
Priority: TypeAlias = Literal["high", "medium", "low"]

DEFAULT_CATEGORY: Final[Category] = "convenience"
DEFAULT_PRIORITY: Final[Priority] = "medium"

CATEGORIES: Final[dict[Category, tuple[str, ...]]] = {
    "energy": (
        "saving electricity and lowering the power consumption",
        "a device wastes energy or runs when power is expensive",
        "solar power, batteries, charging and the electricity bill",
    ),
    "comfort": (
        "a pleasant temperature, heating, cooling and the thermostat",
        "pleasant lighting, blinds and curtains",
        "fresh air and humidity in a room",
    ),
    "security": (
        "doors, windows and locks that are open or unlocked",
        "alarm, camera, intruder, somebody is there while nobody is home",
        "danger in the house: smoke, gas, fire or leaking water",
    ),
    "convenience": (
        "a household routine is automated to save work: cleaning, cooking, watering",
        "music, television and entertainment",
        "reminders and messages about the day",
    ),
}
"""Descriptions that a text of the category is similar to."""

PRIORITIES: Final[dict[Priority, tuple[str, ...]]] = {
    "high": (
        "danger for people: fire, smoke, gas, leaking water, medicine",
        "somebody breaks in, or a door or gate stands open while nobody is there",
        "a device has failed or wastes a lot of power",
        "a room is far too cold or far too hot",
    ),
    "medium": (
        "a routine that happens every day or every week",
        "a job of the household is done or has to be done",
        "the room is a little too warm, too cold or too dry",
        "power could be used at a cheaper hour",
    ),
    "low": (
        "music, television and small pleasures",
        "soft light, lamps and blinds for the mood",
        "small devices that are on standby",
        "something that is nice to know",
    ),
}
"""Descriptions that a text of the priority is similar to."""
