"""Writes an evaluation as JSON, as a page, and as a sheet of the worst errors."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from hearth.errors import HearthError, Unavailable
from hearth_models.evaluation.evaluate import Evaluation
from hearth_models.evaluation.thresholds import Error, worst
from hearth_models.evaluation.truth import Labelled
from hearth_vision.images import Bgr, ImageLimits, decode_image, encode_jpeg

TILES: Final = 24
COLUMNS: Final = 6
TILE: Final = 220
_CAPTION: Final = 34
_THERE, _SAID = (80, 200, 80), (60, 60, 230)  # BGR: what is there, what was said

_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #bbb;"
    "padding:.25rem .6rem;text-align:right}td:first-child,th:first-child{text-align:left}"
    "img{max-width:100%}.note{color:#555}"
)


def write_report(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write `evaluation.json`, `evaluation.html` and `misses.jpg` (where anything was wrong).

    Raises:
        Unavailable: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sheet = draw_sheet(
            worst(evaluation.errors, evaluation.truth, TILES),
            evaluation.truth,
            evaluation.facts["classes"],
        )
        written = []
        if sheet is not None:
            written.append(_write(folder / "misses.jpg", sheet))
        text = json.dumps(evaluation.facts, indent=2, ensure_ascii=False)
        written.append(_write(folder / "evaluation.json", text.encode()))
        page = draw_page(evaluation.facts, sheet).encode()
        written.append(_write(folder / "evaluation.html", page))
    except OSError as error:
        raise Unavailable(f"{folder} cannot be written: {error.strerror}") from error
    return written


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# ---- the sheet ----


def draw_sheet(
    errors: Sequence[Error], truth: Sequence[Labelled], classes: Sequence[str]
) -> bytes | None:
    """A JPEG of tiles, each an error in its surroundings; None without errors.

    Green is what is there and was missed, red what was said and is not there.
    """
    tiles = []
    for error in errors:
        try:
            image = decode_image(truth[error.image].path.read_bytes(), ImageLimits())
        except (HearthError, OSError):
            continue
        tiles.append(_tile(image, error, classes))
    if not tiles:
        return None
    rows = -(-len(tiles) // COLUMNS)
    columns = min(COLUMNS, len(tiles))
    sheet = np.full((rows * (TILE + _CAPTION), columns * TILE, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // COLUMNS * (TILE + _CAPTION), number % COLUMNS * TILE
        sheet[top : top + TILE + _CAPTION, left : left + TILE] = tile
    return encode_jpeg(sheet, 85)


def _tile(image: Bgr, error: Error, classes: Sequence[str]) -> Bgr:
    height, width = image.shape[:2]
    x1, y1, x2, y2 = error.box
    side = min(max(x2 - x1, y2 - y1, 16) * 1.8, float(max(height, width)))
    middle = ((x1 + x2) / 2, (y1 + y2) / 2)
    left, top = (round(max(0, centre - side / 2)) for centre in middle)
    right, below = round(min(width, left + side)), round(min(height, top + side))
    left, top = min(left, width - 1), min(top, height - 1)
    part = image[top : max(below, top + 1), left : max(right, left + 1)]
    scale = (TILE - 4) / max(part.shape[:2])
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    small: Any = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    corners = [round((value - start) * scale) for value, start in zip(
        error.box, (left, top, left, top), strict=True)]  # fmt: skip
    colour = _THERE if error.missed else _SAID
    cv2.rectangle(small, (corners[0], corners[1]), (corners[2], corners[3]), colour, 2)
    tile = np.full((TILE + _CAPTION, TILE, 3), 255, np.uint8)
    tile[2 : 2 + size[1], 2 : 2 + size[0]] = small
    name = classes[error.class_id]
    said = "" if error.taken_for is None else f" as {classes[error.taken_for]}"
    text = f"missed {name}{said}" if error.missed else f"no {name}, {error.score:.2f}"
    # OpenCV's letters are ASCII.
    shown = text.encode("ascii", "replace").decode()[:32]
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(tile, shown, (4, TILE + 20), font, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    return tile


# ---- the page ----


def draw_page(facts: dict[str, Any], sheet: bytes | None) -> str:
    """A self-contained HTML file."""
    model, dataset = facts["model"], facts["dataset"]
    name = escape(str(model["id"] or model["name"]))
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{name}</title><style>{_STYLE}</style><h1>{name}</h1>",
        f"<p>Variant {escape(str(model['variant']))}, {escape(str(model['detail']))}, sha256 "
        f"{escape(str(model['sha256']))}. {facts['pictures']} images "
        f"({escape(dataset['format'])}), {facts['objects']} objects.</p>",
        _table(
            ("", "AP50", "AP75", "AP50-95", "small", "medium", "large"),
            [("all classes", *_precisions(facts))],
        ),
    ]
    for key, words in (
        ("classes_unknown_to_the_model", "Classes that the model does not know, left out"),
        ("pictures_left_out", "Images that cannot be read, left out"),
    ):
        if dataset[key]:
            parts.append(f"<p class=note>{words}: {escape(', '.join(dataset[key]))}.</p>")
    met = [row for row in facts["per_class"] if row["met"]]
    rows = []
    for row in met:
        at = row["at_threshold_used"]
        rows.append(
            (
                row["class"],
                row["objects"],
                *_precisions(row),
                _number(row["suggested_threshold"], 2),
                _number(row["threshold_used"], 2),
                _number(at["precision"]),
                _number(at["recall"]),
            )
        )
    precisions = ("AP50", "AP75", "AP50-95", "small", "medium", "large")
    thresholds = ("suggested threshold", "threshold used", "precision", "recall")
    by_class = ("class", "objects", *precisions, *thresholds)
    parts += ["<h2>By class</h2>", _table(by_class, rows)]
    parts.append(
        f"<p class=note>The suggested threshold gives the best F1 on these images; with fewer "
        f"than {facts['suggestion_needs_objects']} objects none is suggested, and 0.5 is used.</p>"
    )
    left_out = len(facts["per_class"]) - len(met)
    if left_out:
        parts.append(f"<p class=note>{left_out} classes are neither there nor said.</p>")
    parts += [
        "<h2>What is taken for what</h2><p class=note>Rows: what is there. Columns: what was said, "
        "at the thresholds used.</p>",
        _table(*_confusion(facts)),
        "<h2>Precision and recall by threshold</h2>",
    ]
    for row in met:
        points = [
            (_number(p["threshold"], 2), p["right"], p["wrong"], p["missed"],
             _number(p["precision"]), _number(p["recall"]), _number(p["f1"]))
            for p in row["by_threshold"]
        ]  # fmt: skip
        parts.append(f"<details><summary>{escape(row['class'])}</summary>")
        head = ("threshold", "right", "wrong", "missed", "precision", "recall", "F1")
        parts += [_table(head, points), "</details>"]
    parts.append("<h2>Worst errors</h2>")
    if sheet is None:
        parts.append("<p>None.</p>")
    else:
        data = base64.b64encode(sheet).decode()
        parts.append(
            "<p class=note>Green: there, and missed. Red: said, and not there.</p>"
            f'<img alt="The worst errors" src="data:image/jpeg;base64,{data}">'
        )
    return "".join(parts) + "</html>\n"


def _confusion(facts: dict[str, Any]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Heading and rows, without classes that are neither labelled nor detected."""
    table = facts["confusion"]
    counts = np.array(table["counts"])
    used = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    used[-1] = True
    columns = [name for name, seen in zip(table["columns"], used, strict=True) if seen]
    lines: list[tuple[object, ...]] = [
        (name, *row[used].tolist())
        for name, row, seen in zip(table["rows"], counts, used, strict=True)
        if seen
    ]
    return ("", *columns), lines


def _precisions(row: dict[str, Any]) -> tuple[str, ...]:
    areas = row["ap50_95_by_area"]
    values = (row["ap50"], row["ap75"], row["ap50_95"])
    return tuple(_number(v) for v in (*values, areas["small"], areas["medium"], areas["large"]))


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"  # noqa: RUF001


def _table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    first = "".join(f"<th>{escape(str(cell))}</th>" for cell in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{first}</tr>{lines}</table>"
