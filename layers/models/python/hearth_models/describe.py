"""Prints a model's record."""

from __future__ import annotations

from hearth_models.record import ModelRecord
from hearth_models.terminal import Terminal


def show_model(terminal: Terminal, record: ModelRecord) -> None:
    """Print the facts, and the variants where there are any."""
    shown = ", ".join(record.classes[:12])
    if len(record.classes) > 12:
        shown += f", … ({len(record.classes)})"
    facts = [
        ("from", record.source),
        ("sha256", record.original.sha256),
        ("licence", record.licence),
        ("family", record.family),
        ("input", input_text(record)),
        ("classes", shown),
        ("added", record.added_at),
    ]
    for name, value in facts:
        terminal.print(f"  {name:8} {value}")
    if record.variants:
        show_variants(terminal, record)


def show_variants(terminal: Terminal, record: ModelRecord) -> None:
    """Print how far each variant agrees with the original."""
    rows = []
    for one in record.variants:
        found = one.agreement
        people = found.frames_with_person if found else None
        rows.append(
            (
                one.name,
                f"{found.matched}: {found.original} / {found.variant}" if found else "-",
                f"{found.f1:.3f}" if found else "-",
                f"{found.f1_person:.3f}" if found and found.f1_person is not None else "-",
                f"{found.iou_median or 0:.3f}" if found else "-",
                f"{found.score_difference_median or 0:.3f}, {found.score_difference_max or 0:.3f}"
                if found
                else "-",
                f"{people[0]} / {people[1]}" if people else "-",
                f"{one.speed} x" if one.speed else "-",
                ("accepted" if one.accepted else "kept back") + f": {one.reason}",
            )
        )
    frames = next((v.agreement.frames for v in record.variants if v.agreement), 0)
    terminal.table(
        f"Variants against the original, on {frames} held-out frames",
        (
            "variant",
            "matched: original / variant",
            "F1",
            "people",
            "overlap",
            "score off: median, max",
            "frames with people",
            "speed",
            "result",
        ),
        rows,
    )


def input_text(record: ModelRecord) -> str:
    """Width and height, pixels."""
    return f"{record.input_size[1]} x {record.input_size[0]}" if record.input_size else "any"
