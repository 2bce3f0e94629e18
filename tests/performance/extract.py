"""How well entities are found: `HEARTH_SHARED=… MODELS_DIR=… python tests/performance/extract.py`.

Two keyword matchers and Hearth's extractor on the same commands with the same registry of a home:

- the commands: HWU64's of the iot, alarm and volume intents, chosen by hash from one half of them.
  What they name was marked by hand in `extract_labels.json` (rows and offsets; the sentences are
  not ours). 240 were read for that before the extractor was written, which may have learned from
  them; 120 were first read, marked and measured when it was finished: those count.
- the registry: names made of words that occur at least twice in the other half.
- `keywords`: whole words of names and aliases, and digits. `keywords + rules`: the same with
  English plurals folded, number words up to twelve, and "five pm", "two hours", "ten percent".
- `no model`: without what MODELS_DIR holds: no embeddings, and no vocabulary that tells misspelled
  words from others.
- a find counts where start, end and what it means are all right. Each figure also with one typing
  error (a swapped, missing, doubled or wrong letter) in one word of every command, by a fixed seed.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from functions.embeddings.extraction.extractor import Extractor
from functions.embeddings.extraction.registry import Entry, Registry
from hearth_text.embedder import SentenceEmbedder
from hearth_text.loading import load_embedder
from hearth_text.models import MINILM

LABELS = Path(__file__).with_name("extract_labels.json")
THRESHOLD = 0.8
VALUES = ("number", "time", "duration")
HOME: dict[str, tuple[str, ...]] = {
    # area
    "living_room": ("Living Room",),
    "kitchen": ("Kitchen",),
    "bedroom": ("Bedroom",),
    "bathroom": ("Bathroom",),
    "dining_room": ("Dining Room",),
    "office": ("Office",),
    "den": ("Den",),
    "hall": ("Hall", "Hallway"),
    "garage": ("Garage",),
    "porch": ("Porch",),
    "balcony": ("Balcony",),
    "house": ("House", "Home"),
    # device
    "light": ("Lights", "Light", "Lighting", "Lamp"),
    "plug": ("Smart Plug", "Wemo Plug", "Wemo Socket", "Wemo", "Plug", "Socket", "Smart Socket"),
    "vacuum": ("Vacuum Cleaner", "Vacuum", "Robot Vacuum", "Robot Vacuum Cleaner", "Roomba"),
    "coffee": ("Coffee Machine", "Coffee Maker", "Coffee Pot"),
    "speaker": ("Speaker", "Speakers"),
    "television": ("TV",),
    "radio": ("Radio",),
    "media": ("Media Player", "Music Player"),
    "fan": ("Fan",),
    "alarm": ("Alarm", "Alarm Clock", "Alarms"),
}
AREAS = frozenset(list(HOME)[:12])

Answer = tuple[int, int, str, str]
"""Start, end, type, what it means."""
Matcher = Callable[[str], Iterable[Answer]]


def main() -> None:
    folder = os.environ.get("HEARTH_SHARED")
    if not folder:
        sys.exit("HEARTH_SHARED is not set: there are no commands to measure with")
    labels = json.loads(LABELS.read_text())
    file = Path(folder) / labels["file"]
    if hashlib.sha256(file.read_bytes()).hexdigest() != labels["sha256"]:
        sys.exit(f"{file} is not the file that the labels are for")
    with file.open(newline="") as rows:
        texts = [row["text"] for row in csv.DictReader(rows)]
    registry = home()
    embedder = language_model(os.environ.get("MODELS_DIR"))
    matchers: dict[str, Matcher] = {
        "keywords": keywords,
        "keywords + rules": keywords_and_rules,
        "hearth, no model": hearth(registry, None),
    }
    if embedder is not None:
        matchers["hearth"] = hearth(registry, embedder)
    for part in ("unread", "read"):
        commands = [
            (texts[int(row)], {tuple(answer) for answer in answers})
            for row, answers in labels[part].items()
        ]
        print(f"\n{part}: {len(commands)} commands, {sum(len(a) for _, a in commands)} entities")
        for title, cases in (
            ("as they are", commands),
            ("one typing error each", misspelled(commands)),
        ):
            print(f"{title}: F1 (precision, recall); of areas and devices; of values; p50")
            for name, matcher in matchers.items():
                report(name, matcher, cases)


def report(name: str, matcher: Matcher, cases: list[tuple[str, set[Any]]]) -> None:
    seconds = []
    answers = []
    for text, _ in cases:
        began = time.perf_counter()
        answers.append(set(matcher(text)))
        seconds.append(time.perf_counter() - began)
    parts = []
    for types in (None, ("area", "device"), VALUES):
        right = wrong = missed = 0
        for (_, expected), found in zip(cases, answers, strict=True):
            here = {answer for answer in found if types is None or answer[2] in types}
            there = {answer for answer in expected if types is None or answer[2] in types}
            right += len(here & there)
            wrong += len(here - there)
            missed += len(there - here)
        precision, recall = right / max(1, right + wrong), right / max(1, right + missed)
        parts.append(
            f"{2 * right / max(1, 2 * right + wrong + missed):.3f} ({precision:.3f}, {recall:.3f})"
        )
    print(f"{name:18}", *parts, f"{statistics.median(seconds) * 1000:.2f} ms", sep="  ")


def home() -> Registry:
    return Registry(
        Entry(key, names[0], "area" if key in AREAS else "device", aliases=names[1:])
        for key, names in HOME.items()
    )


def hearth(registry: Registry, model: SentenceEmbedder | None) -> Matcher:
    extractor = Extractor()

    def match(text: str) -> Iterable[Answer]:
        for located in extractor.extract(text, registry, model):
            found = located.found
            if found.confidence < THRESHOLD:
                continue
            if found.entry is not None:
                yield located.start, located.end, found.entry.type, found.entry.id
            else:
                value = found.value
                told = value if isinstance(value, str) else f"{value:g}"
                yield located.start, located.end, str(found.type), str(told)

    return match


_NAMES = sorted(
    ((name.casefold(), key) for key, names in HOME.items() for name in names),
    key=lambda pair: -len(pair[0]),
)
_TWELVE = dict(
    zip(
        "one two three four five six seven eight nine ten eleven twelve".split(),  # noqa: SIM905
        range(1, 13),
        strict=True,
    )
)
_N = rf"(\d+|{'|'.join(_TWELVE)})"


def keywords(text: str, plural: str = "") -> list[Answer]:
    answers: list[Answer] = []
    free = text.casefold()
    for name, key in _NAMES:
        for match in re.finditer(rf"\b{re.escape(name)}{plural}\b", free):
            kind = "area" if key in AREAS else "device"
            answers.append((match.start(), match.end(), kind, key))
        free = re.sub(rf"\b{re.escape(name)}{plural}\b", lambda m: "\0" * len(m[0]), free)
    digits = re.finditer(r"\b\d+(\.\d+)?\b", free)
    return answers + [(match.start(), match.end(), "number", match[0]) for match in digits]


def keywords_and_rules(text: str) -> list[Answer]:
    answers: list[Answer] = []
    free = text.casefold()

    def take(pattern: str, read: Callable[[re.Match[str]], tuple[str, str]]) -> None:
        nonlocal free
        answers.extend((m.start(), m.end(), *read(m)) for m in re.finditer(pattern, free))
        free = re.sub(pattern, lambda m: "\0" * len(m[0]), free)

    def number(word: str) -> int:
        return _TWELVE.get(word) or int(word)

    def clock(match: re.Match[str]) -> tuple[str, str]:
        return "time", f"{number(match[1]) % 12 + 12 * (match[2] == 'pm'):02}:00"

    def length(match: re.Match[str]) -> tuple[str, str]:
        return "duration", str(number(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2][0]])

    take(rf"\b{_N} ?(am|pm)\b", clock)
    take(rf"\b{_N} (second|minute|hour)s?\b", length)
    take(rf"\b{_N} ?(?:percent|%)", lambda match: ("number", str(number(match[1]))))
    take(rf"\b{_N}\b", lambda match: ("number", str(number(match[1]))))
    return answers + keywords(free, "s?")


def misspelled(cases: list[tuple[str, set[Any]]]) -> list[tuple[str, set[Any]]]:
    """The same with one error in a word of four letters or more, and the places moved along."""
    chance = random.Random(20261126)
    changed = []
    for text, answers in cases:
        words = list(re.finditer(r"[a-z]{4,}", text))
        if not words:
            changed.append((text, answers))
            continue
        word = chance.choice(words)
        at = chance.randrange(word.start() + 1, word.end() - 1)
        kind = chance.choice(("swap", "drop", "double", "wrong"))
        new = {
            "swap": text[at + 1] + text[at],
            "drop": text[at + 1],
            "double": text[at] * 2 + text[at + 1],
            "wrong": chance.choice("etaoinshrdlu") + text[at + 1],
        }[kind]
        moved = len(new) - 2

        def place(offset: int, at: int = at, moved: int = moved) -> int:
            return offset + moved if offset > at + 1 else offset

        changed.append(
            (
                text[:at] + new + text[at + 2 :],
                {(place(a), place(b), kind, value) for a, b, kind, value in answers},
            )
        )
    return changed


def language_model(folder: str | None) -> SentenceEmbedder | None:
    """The installed MiniLM of `scripts/models`."""
    return load_embedder(Path(folder), MINILM, streams=2).value if folder else None


if __name__ == "__main__":
    main()
