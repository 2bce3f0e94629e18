"""Texts from which the INT8 variant learns the ranges of its activations. Written for this.

They are made of parts, so that a few lines give many texts of many lengths: what people say to a
home, what devices and tasks are called, incident notes, a little of other languages and of signs.
Nothing here comes from a data set that fidelity is measured on.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

_ACTIONS = (
    "switch on {}", "turn {} off after midnight", "is {} still open?", "dim {} to 30 percent",
    "remind me to check {}", "what did {} use yesterday", "lock {} when everybody has left",
    "why is {} so warm", "{}", "set {} back to automatic",
)  # fmt: skip
_THINGS = (
    "the porch light", "the garage door", "bedroom radiator", "heat pump", "dishwasher",
    "the camera at gate 3", "sensor.greenhouse_humidity", "binary_sensor.cellar_window_contact",
    "the blinds in the study", "EV charger", "washing machine", "water valve",
)  # fmt: skip
_NOTES = (
    "A worker without a helmet stood below the crane for twelve seconds before the foreman called.",
    "The forklift reversed into aisle four although the warning lamp was on.",
    "Two people carried a ladder through the spray booth; neither wore goggles.",
    "Delivery refused: the pallet was wet and three boxes were torn.",
    "After the storm the fence on the north side has to be repaired before the dogs are let out.",
    "Replace the filter, write the date on it, and order two more.",
    "Humidity rose from 48 to 71 % within an hour while the window was closed.",
    "The motion sensor in the corridor reports movement every night at a quarter past three.",
    "Ask the electrician whether the old circuit can take the new oven.",
    "Battery of the smoke detector upstairs is at 9 percent.",
    "Whenever the television starts after sunset, the lights in the living room go down.",
    "Energy was cheapest between one and five in the morning, so the boiler ran then.",
)
_OTHERS = (
    "Guten Morgen, bitte die Heizung im Bad einschalten",
    "¿A qué hora se cierra la puerta del jardín?",
    "Il fait trop froid dans le salon ce soir",
    "リビングの電気を消してください",
    "почему сработала сигнализация",
    "ERR 0x80070005 (access denied) at /var/log/app.log:118",
    "SELECT name, area FROM devices WHERE state = 'unavailable';",
    "42", "ok", "?!", "20.5 °C / 68.9 °F", "https://example.org/manual.pdf",
    "supercalifragilistic thermostat-o-matic XR-9000™",
)  # fmt: skip


def calibration_texts() -> list[str]:
    """Some 300 texts of one to a few hundred tokens, always the same."""
    return [*_commands(), *_OTHERS, *_NOTES, *_paragraphs()]


def _commands() -> Iterator[str]:
    for action, thing in product(_ACTIONS, _THINGS):
        yield action.format(thing)


def _paragraphs() -> Iterator[str]:
    """Notes in a row, from two to all of them, each time beginning with another one."""
    for begin, count in product(range(len(_NOTES)), range(2, len(_NOTES) + 1)):
        yield " ".join(_NOTES[(begin + index) % len(_NOTES)] for index in range(count))
