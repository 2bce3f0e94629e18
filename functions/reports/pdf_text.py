"""Text for the PDF: cleaning, fonts, measuring, wrapping.

Fonts: what cp1252 can say is set in Helvetica, which every viewer has and which costs nothing.
Other Latin, Greek and Cyrillic letters and punctuation are set in Noto Sans (from the package
pymupdf-fonts, embedded as a subset, loaded on first need). Rejected: Noto for everything (20 kB and
3 ms on each of the many reports that do not need it), Vera (ships with reportlab, but is Latin-1
only), CID fonts (not embedded: the reader may lack them), a font file in this repository (others'
work). Scripts that need shaping or that Noto Sans lacks become U+FFFD, and the report says how many
there were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from hearth.text import clean

MISSING = "\N{REPLACEMENT CHARACTER}"
# Scripts that Noto Sans sets correctly without shaping: Latin, Greek and Cyrillic; their additions;
# punctuation and currency; the replacement character.
_PLAIN_SCRIPTS = ((0x20, 0x52F), (0x1E00, 0x1FFF), (0x2010, 0x214F))


@dataclass(frozen=True)
class Style:
    """How text looks: size and leading in points, colour as an RGB triple of 0..1."""

    size: float = 9.0
    leading: float = 12.5
    bold: bool = False
    color: tuple[float, float, float] = (0.13, 0.15, 0.18)


@dataclass(frozen=True)
class Run:
    """A stretch of text in one font."""

    font: str
    text: str


def unavailable(text: str) -> int:
    """How many characters of the cleaned text no font at hand can show."""
    if text.isascii():
        return 0
    return sum(1 for character in clean(text) if _shown(character) is MISSING)


def width(text: str, style: Style) -> float:
    """Width in points of one cleaned line."""
    standard = _helvetica(style.bold)
    total = 0.0
    for character in text:
        advance = standard.get(character)
        total += _noto_width(character, style.bold) if advance is None else advance
    return total * style.size / 1000


def runs(text: str, bold: bool) -> Iterator[Run]:
    """Split one cleaned line into stretches of one font each."""
    standard = _helvetica(bold)
    name = "Helvetica-Bold" if bold else "Helvetica"
    start = 0
    plain = True
    for index, character in enumerate(text):
        if (character in standard) is not plain:
            if index > start:
                yield _run(text[start:index], plain, name, bold)
            start, plain = index, not plain
    if text[start:]:
        yield _run(text[start:], plain, name, bold)


def wrap(text: str, style: Style, available: float) -> list[str]:
    """Break cleaned text into lines no wider than `available` points.

    Words that are wider than a line are cut between characters. The empty text is one empty line.
    """
    lines: list[str] = []
    line, used = "", 0.0
    space = width(" ", style)
    for word in text.split(" "):
        advance = width(word, style)
        if line and used + space + advance <= available:
            line, used = f"{line} {word}", used + space + advance
            continue
        if line:
            lines.append(line)
        while advance > available and len(word) > 1:
            head = _longest_head(word, style, available)
            lines.append(word[:head])
            word = word[head:]
            advance = width(word, style)
        line, used = word, advance
    lines.append(line)
    return lines


def _longest_head(word: str, style: Style, available: float) -> int:
    used = 0.0
    for index, character in enumerate(word):
        used += width(character, style)
        if used > available:
            return max(index, 1)
    return len(word)


def _run(text: str, plain: bool, name: str, bold: bool) -> Run:
    if plain:
        return Run(name, text)
    return Run(_noto(bold).fontName, "".join(_shown(character) for character in text))


def _shown(character: str) -> str:
    """The character itself where a font has it, the replacement character otherwise."""
    if character in _helvetica(False):
        return character
    code = ord(character)
    if any(low <= code <= high for low, high in _PLAIN_SCRIPTS) and _has_glyph(code):
        return character
    return MISSING


@cache
def _helvetica(bold: bool) -> dict[str, int]:
    """Advance of each cp1252 character in 1/1000 of the size."""
    font = pdfmetrics.getFont("Helvetica-Bold" if bold else "Helvetica")
    advances = {}
    for code in range(32, 256):
        try:
            character = bytes([code]).decode("cp1252")
        except UnicodeDecodeError:
            continue
        if character.isprintable() or character == "\u00a0":
            advances[character] = font.widths[code]
    return advances


@cache
def _noto(bold: bool) -> TTFont:
    # Its modules hold compressed fonts: decoding takes 30 ms, so only where a text needs one.
    from pymupdf_fonts import myfont

    # asciiReadable would embed all of ASCII with each subset; extraction works by ToUnicode anyway.
    font = TTFont(
        "NotoSans-Bold" if bold else "NotoSans",
        BytesIO(myfont("notosbo" if bold else "notos")),
        asciiReadable=False,
    )
    pdfmetrics.registerFont(font)
    return font


def _has_glyph(code: int) -> bool:
    return code in _noto(False).face.charToGlyph and code in _noto(True).face.charToGlyph


def _noto_width(character: str, bold: bool) -> float:
    face = _noto(bold).face
    shown = ord(_shown(character))
    advance: float = face.charWidths.get(shown, face.defaultWidth)
    return advance
