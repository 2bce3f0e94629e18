"""Pages of a PDF: a cursor that flows text, tables and images down A4 sheets.

Everything is recorded first and written by reportlab's canvas at the end, because the footer
needs the number of pages. Rejected: platypus, which lays the same report out about four times
slower (`tests/performance/report_pdf.py`). Lengths are in points; y grows upwards, as in PDF.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from reportlab import rl_config
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from functions.reports.pdf_text import Style, runs, wrap
from functions.reports.pdf_text import width as text_width
from hearth.text import clean

# The ASCII encoding of binary streams is the main cost of a report with an image (5 to 1).
rl_config.useA85 = 0

PAGE_WIDTH, PAGE_HEIGHT = 595.28, 841.89
MARGIN = 48.0
CONTENT = PAGE_WIDTH - 2 * MARGIN
BOTTOM = 62.0

Color = tuple[float, float, float]
INK: Color = (0.13, 0.15, 0.18)
MUTED: Color = (0.42, 0.45, 0.50)
ACCENT: Color = (0.09, 0.24, 0.37)
PALE: Color = (0.945, 0.955, 0.965)
LINE: Color = (0.80, 0.83, 0.86)
WHITE: Color = (1.0, 1.0, 1.0)

BODY = Style()
BOLD = Style(bold=True)
SMALL = Style(size=7.5, leading=10, color=MUTED)
LABEL = Style(size=7.5, leading=10, bold=True, color=MUTED)
HEADING = Style(size=11.5, leading=15, bold=True, color=ACCENT)
CELL = Style(size=8.5, leading=11)
CELL_BOLD = Style(size=8.5, leading=11, bold=True)
CELL_HEAD = Style(size=8, leading=10.5, bold=True, color=WHITE)

# reportlab registers fonts in module state: one document at a time is laid out and written.
RENDERING = threading.RLock()


@dataclass(frozen=True)
class Column:
    """A table column: its share of the width, and whether numbers are set flush right."""

    title: str
    share: float
    right: bool = False


@dataclass(frozen=True)
class Cell:
    """Paragraphs of a table cell, each with its style."""

    parts: tuple[tuple[str, Style], ...]


@dataclass
class _Page:
    boxes: list[tuple[float, float, float, float, Color | None, Color | None]] = field(
        default_factory=list
    )
    """x, y, width, height, fill, stroke."""
    rules: list[tuple[float, float, float, float, Color]] = field(default_factory=list)
    images: list[tuple[Jpeg, float, float, float, float]] = field(default_factory=list)
    texts: list[tuple[float, float, str, Style]] = field(default_factory=list)


class Jpeg(ImageReader):  # type: ignore[misc]
    """A JPEG that goes into the PDF byte for byte.

    reportlab names an image by a digest of its decoded pixels; naming it by its own bytes saves
    the decoding.
    """

    def __init__(self, data: bytes, size: tuple[int, int]) -> None:
        self._bytes = data
        self._size = size
        self._dataA = None

    def getRGBData(self) -> bytes:  # noqa: N802 - reportlab's name
        return self._bytes

    def jpeg_fh(self) -> io.BytesIO:
        return io.BytesIO(self._bytes)

    def getSize(self) -> tuple[int, int]:  # noqa: N802 - reportlab's name
        return self._size


class Layout:
    """A document under construction.

    Args:
        footer: Text at the left of every page's foot; the page number is added at the right.
    """

    def __init__(self, footer: str) -> None:
        self._footer = clean(footer)
        self._pages = [_Page()]
        self.y = PAGE_HEIGHT - MARGIN

    @property
    def room(self) -> float:
        """Points left on this page."""
        return self.y - BOTTOM

    def new_page(self) -> None:
        self._pages.append(_Page())
        self.y = PAGE_HEIGHT - MARGIN

    def ensure(self, height: float) -> bool:
        """Start a new page unless `height` points are left; True when it did."""
        if self.room >= height:
            return False
        self.new_page()
        return True

    def gap(self, height: float) -> None:
        self.y -= height

    def text(self, x: float, y: float, text: str, style: Style, *, right: bool = False) -> None:
        """Put one line with its baseline at (x, y); `right` makes x the right edge."""
        line = clean(text)
        if right:
            x -= text_width(line, style)
        self._pages[-1].texts.append((x, y, line, style))

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: Color | None = None,
        stroke: Color | None = None,
    ) -> None:
        self._pages[-1].boxes.append((x, y, width, height, fill, stroke))

    def rule(self, x1: float, x2: float, y: float, color: Color = LINE) -> None:
        self._pages[-1].rules.append((x1, y, x2, y, color))

    def heading(self, text: str, *, keep: float = 40) -> None:
        """A section heading that stays with the next `keep` points."""
        self.gap(14)
        self.ensure(HEADING.leading + keep)
        self.y -= HEADING.leading
        self.text(MARGIN, self.y + 3, text, HEADING)
        self.rule(MARGIN, MARGIN + CONTENT, self.y - 2)
        self.gap(7)

    def paragraph(
        self, text: str, style: Style = BODY, *, x: float = MARGIN, width: float = CONTENT
    ) -> None:
        for line in wrap(clean(text), style, width):
            self.ensure(style.leading)
            self.y -= style.leading
            self.text(x, self.y + style.leading - style.size, line, style)

    def bullets(self, items: Sequence[str], *, numbered: bool = False) -> None:
        for number, item in enumerate(items, 1):
            mark = f"{number}." if numbered else "\N{BULLET}"
            self.ensure(min(len(wrap(clean(item), BODY, CONTENT - 18)), 3) * BODY.leading)
            self.text(MARGIN + 12, self.y - BODY.size, mark, BOLD, right=True)
            self.paragraph(item, x=MARGIN + 18, width=CONTENT - 18)
            self.gap(2)

    def image(self, data: bytes, size: tuple[int, int], *, max_height: float) -> None:
        """A JPEG, centred, as large as the content width and `max_height` allow."""
        scale = min(CONTENT / size[0], max_height / size[1])
        width, height = size[0] * scale, size[1] * scale
        self.ensure(height)
        x = MARGIN + (CONTENT - width) / 2
        self.y -= height
        self._pages[-1].images.append((Jpeg(data, size), x, self.y, width, height))
        self.box(x, self.y, width, height, stroke=LINE)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        """A table whose head is repeated on each page; a row stays whole if a page can hold it."""
        total = sum(column.share for column in columns)
        widths = [CONTENT * column.share / total for column in columns]
        self._table_head(columns, widths)
        for index, row in enumerate(rows):
            wrapped = [
                [(line, style) for text, style in cell.parts
                 for line in wrap(clean(text), style, room - 10)]
                for cell, room in zip(row, widths, strict=True)
            ]  # fmt: skip
            while any(wrapped):
                height = max(sum(style.leading for _, style in lines) for lines in wrapped) + 8
                if height > self.room and (self.room < 80 or height < PAGE_HEIGHT - 220):
                    self.new_page()
                    self._table_head(columns, widths)
                wrapped = self._table_row(columns, widths, wrapped, shaded=index % 2 == 1)

    def _table_head(self, columns: Sequence[Column], widths: Sequence[float]) -> None:
        height = CELL_HEAD.leading + 7
        self.ensure(height + 40)
        self.y -= height
        self.box(MARGIN, self.y, CONTENT, height, fill=ACCENT)
        x = MARGIN
        for column, width in zip(columns, widths, strict=True):
            edge = x + width - 5 if column.right else x + 5
            self.text(edge, self.y + 5.5, column.title, CELL_HEAD, right=column.right)
            x += width

    def _table_row(
        self,
        columns: Sequence[Column],
        widths: Sequence[float],
        wrapped: Sequence[list[tuple[str, Style]]],
        *,
        shaded: bool,
    ) -> list[list[tuple[str, Style]]]:
        """Draw as much of a row as fits; returns what is left of each cell."""
        room = self.room - 8
        fitting = []
        for lines in wrapped:
            used, count = 0.0, 0
            while count < len(lines) and used + lines[count][1].leading <= room:
                used += lines[count][1].leading
                count += 1
            fitting.append((count, used))
        height = max(used for _, used in fitting) + 8
        self.y -= height
        if shaded:
            self.box(MARGIN, self.y, CONTENT, height, fill=PALE)
        self.rule(MARGIN, MARGIN + CONTENT, self.y)
        x = MARGIN
        for column, width, lines, (count, _) in zip(columns, widths, wrapped, fitting, strict=True):
            y = self.y + height - 4
            for line, style in lines[:count]:
                y -= style.leading
                edge = x + width - 5 if column.right else x + 5
                self.text(edge, y + style.leading - style.size, line, style, right=column.right)
            x += width
        return [lines[count:] for lines, (count, _) in zip(wrapped, fitting, strict=True)]

    def render(
        self, *, title: str, subject: str, author: str, keywords: str, created: datetime
    ) -> bytes:
        """The PDF's bytes: the same for the same content, because reportlab's clock is stopped.

        Args:
            created: What the file says when it was made; timezone-aware.
        """
        buffer = io.BytesIO()
        canvas = Canvas(buffer, pagesize=(PAGE_WIDTH, PAGE_HEIGHT), invariant=1, pageCompression=1)
        canvas.setTitle(clean(title))
        canvas.setSubject(clean(subject))
        canvas.setAuthor(clean(author))
        canvas.setKeywords(clean(keywords))
        canvas.setCreator("Hearth reports")
        stamp = f"D:{created.astimezone(UTC):%Y%m%d%H%M%S}+00'00'"
        canvas.setDateFormatter(lambda *_: stamp)
        for number, page in enumerate(self._pages, 1):
            self._emit(canvas, page, number)
            canvas.showPage()
        canvas.save()
        return buffer.getvalue()

    def _emit(self, canvas: Canvas, page: _Page, number: int) -> None:
        canvas.setLineWidth(0.6)
        for x, y, width, height, fill, _ in page.boxes:
            if fill:
                canvas.setFillColorRGB(*fill)
                canvas.rect(x, y, width, height, stroke=0, fill=1)
        for image, x, y, width, height in page.images:
            canvas.drawImage(image, x, y, width, height)
        for x, y, width, height, _, stroke in page.boxes:
            if stroke:
                canvas.setStrokeColorRGB(*stroke)
                canvas.rect(x, y, width, height, stroke=1, fill=0)
        for x1, y1, x2, y2, color in [
            *page.rules,
            (MARGIN, 44, MARGIN + CONTENT, 44, LINE),
        ]:
            canvas.setStrokeColorRGB(*color)
            canvas.line(x1, y1, x2, y2)
        count = f"Page {number} of {len(self._pages)}"
        right = MARGIN + CONTENT - text_width(count, SMALL)
        texts = [*page.texts, (MARGIN, 32.0, self._footer, SMALL), (right, 32.0, count, SMALL)]
        writer = canvas.beginText()
        font: tuple[str, float] | None = None
        color_now: Color | None = None
        for x, y, line, style in texts:
            writer.setTextOrigin(x, y)
            if style.color != color_now:
                writer.setFillColorRGB(*style.color)
                color_now = style.color
            for run in runs(line, style.bold):
                if font != (run.font, style.size):
                    font = (run.font, style.size)
                    writer.setFont(*font)
                writer.textOut(run.text)
        canvas.drawText(writer)
