"""The daily digest as a PDF: totals, by type, by camera, and the log of reports."""

from __future__ import annotations

from collections import Counter
from zoneinfo import ZoneInfo

from functions.reports import pdf_layout as page
from functions.reports.guidance import guidance_for
from functions.reports.narrative import local_time
from functions.reports.pdf_layout import BODY, CELL, CELL_BOLD, MARGIN, SMALL, Cell, Column
from functions.reports.pdf_text import Style
from functions.reports.schemas import Digest

_TITLE = Style(size=19, leading=24, bold=True, color=page.WHITE)
_SUBTITLE = Style(size=8.5, leading=12, color=(0.80, 0.86, 0.91))


def digest_report(digest: Digest, zone: ZoneInfo) -> bytes:
    """Lay a digest out on A4 pages; the same digest gives the same bytes."""
    with page.RENDERING:
        layout = page.Layout(f"Daily safety digest {digest.digest_date}")
        _header(layout, digest, zone)
        layout.heading("Totals")
        layout.paragraph(
            f"{digest.total:,} incident {'report' if digest.total == 1 else 'reports'} since the "
            "digest before. Each was made automatically and is unverified until a person signs it."
        )
        layout.gap(6)
        by_title: Counter[str] = Counter()
        for class_name, count in digest.by_class.items():
            by_title[guidance_for(class_name).title] += count
        _counts(layout, "By type", by_title)
        _counts(layout, "By camera", digest.by_camera)
        _log(layout, digest, zone)
        return layout.render(
            title=f"Daily safety digest {digest.digest_date}",
            subject=f"{digest.total} incident reports",
            author="Hearth",
            keywords=", ".join(digest.by_class),
            created=digest.closed_at,
        )


def _header(layout: page.Layout, digest: Digest, zone: ZoneInfo) -> None:
    height = 70.0
    bottom = page.PAGE_HEIGHT - height
    layout.box(0, bottom, page.PAGE_WIDTH, height, fill=page.ACCENT)
    layout.text(MARGIN, bottom + 34, "Daily safety digest", _TITLE)
    layout.text(
        MARGIN,
        bottom + 17,
        f"{digest.digest_date}, closed at {local_time(digest.closed_at, zone)}",
        _SUBTITLE,
    )
    layout.y = bottom - 8


def _counts(layout: page.Layout, title: str, counts: dict[str, int]) -> None:
    layout.heading(title, keep=75)
    if not counts:
        layout.paragraph("None.", BODY)
        return
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    layout.table(
        [Column(title.removeprefix("By ").capitalize(), 80), Column("Reports", 20, right=True)],
        [[Cell(((name, CELL_BOLD),)), Cell(((f"{count:,}", CELL),))] for name, count in ordered],
    )


def _log(layout: page.Layout, digest: Digest, zone: ZoneInfo) -> None:
    layout.heading("Log", keep=75)
    if not digest.entries:
        layout.paragraph("No reports.", BODY)
        return
    layout.table(
        [Column("Last seen", 26), Column("Camera", 17), Column("Types", 29), Column("Report", 32)],
        [
            [
                Cell(((local_time(entry.last_seen, zone), CELL),)),
                Cell(((entry.camera_id, CELL_BOLD), *_site(entry.site_name))),
                Cell(tuple((guidance_for(name).title, CELL) for name in entry.classes)),
                Cell(((entry.report_id, CELL),)),
            ]
            for entry in digest.entries
        ],
    )
    left_out = digest.total - len(digest.entries)
    if left_out > 0:
        layout.gap(4)
        layout.paragraph(f"{left_out:,} earlier reports are counted but not listed.", SMALL)


def _site(name: str) -> tuple[tuple[str, Style], ...]:
    return ((name, SMALL),) if name else ()
