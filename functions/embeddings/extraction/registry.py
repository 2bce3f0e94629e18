"""An index of the areas and devices of a home by their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from functions.embeddings.extraction.words import fold, joined, words_of

EntryType = Literal["area", "device"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An area or a device.

    Attributes:
        id: The caller's, such as an entity id; may be empty.
        name: As a person calls it.
        domain: Of a device, such as `light`.
        area: Name or id of the area in which a device is.
        aliases: Other names.
    """

    id: str
    name: str
    type: EntryType
    domain: str | None = None
    area: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Phrase:
    """One name under which entries are known.

    Attributes:
        text: As it was written.
        spelled: Its words, folded and joined, endings kept.
        words: How many it has.
        stems: Of its words.
        entries: Whose name it is; several devices may share one.
    """

    text: str
    spelled: str
    words: int
    stems: frozenset[str]
    entries: tuple[Entry, ...]


class Registry:
    """Indexes entries by all their names.

    A device called "Kitchen Lamp" in the area "Kitchen" is also known as "Lamp": who stands in the
    kitchen says so.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(entries)
        areas = {entry.id or entry.name: entry for entry in self.entries if entry.type == "area"}
        names = {fold(entry.name): entry for entry in areas.values()}
        self._area_of = {
            entry: areas.get(entry.area) or names.get(fold(entry.area))
            for entry in self.entries
            if entry.area
        }
        known: dict[str, dict[Entry, str]] = defaultdict(dict)
        for entry in self.entries:
            for name in self._names(entry):
                if key := joined(words_of(name)):
                    known[key].setdefault(entry, name)
        self.phrases = {key: _phrase(owners) for key, owners in known.items()}
        """Joined stems of a name → the name."""
        self.heads = _heads(self.phrases.values())
        """Stem of the last word of longer names → the name, where it is no name itself."""
        self.keys: Sequence[str] = tuple(self.phrases)
        self.longest = max((phrase.words for phrase in self.phrases.values()), default=0)
        """The number of words of the longest name."""

    def area_of(self, entry: Entry) -> Entry | None:
        """Return a device's area, if the registry contains it."""
        return self._area_of.get(entry)

    def _names(self, entry: Entry) -> Iterable[str]:
        yield entry.name
        yield from entry.aliases
        area = self._area_of.get(entry)
        if area is None:
            return
        whole, prefix = words_of(entry.name), words_of(area.name)
        if len(whole) > len(prefix) and joined(whole[: len(prefix)]) == joined(prefix):
            yield entry.name[whole[len(prefix)].start :]


def _heads(phrases: Iterable[Phrase]) -> dict[str, Phrase]:
    """By last word: "machine" is the coffee machine, if there is no other."""
    owners: dict[str, dict[Entry, str]] = defaultdict(dict)
    for phrase in phrases:
        if phrase.words > 1:
            for entry in phrase.entries:
                owners[words_of(phrase.text)[-1].stem].setdefault(entry, phrase.text)
    return {head: _phrase(entries) for head, entries in owners.items()}


def _phrase(owners: dict[Entry, str]) -> Phrase:
    text = next(iter(owners.values()))
    words = words_of(text)
    return Phrase(
        text,
        "".join(word.folded for word in words),
        len(words),
        frozenset(word.stem for word in words),
        tuple(owners),
    )
