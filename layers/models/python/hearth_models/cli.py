"""`hearth models`: add, check, compare, serve and measure detection models."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from hearth.errors import InvalidInput
from hearth_models.describe import input_text, show_model, show_variants
from hearth_models.options import name_from, parse_classes, parse_digest, parse_licence
from hearth_models.places import find_frames, open_registry, private_copy
from hearth_models.record import ORIGINAL, ModelRecord
from hearth_models.registry import Registry, check_name, utc_text
from hearth_models.terminal import FAILED, Commands, Terminal, set_json, terminal_of

Data = Annotated[
    Path,
    typer.Option(
        "--data", envvar="HEARTH_DATA", help="Folder of the stack; its registry is models in it."
    ),
]
Bucket = Annotated[
    str | None,
    typer.Option(
        "--bucket",
        envvar="HEARTH_BUCKET",
        help="Registry under models/ of this bucket instead.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="JSON instead of text.", callback=set_json, is_eager=True)
]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Its name, or name@hash.")]
FramesFrom = Annotated[
    Path | None,
    typer.Option(
        "--frames",
        help="Images to compare with: a folder, GIF or video; what cameras delivered by default.",
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=20, max=5000, help="At most so many of them.")]
Confidence = Annotated[
    float, typer.Option("--confidence", min=0.01, max=1, help="Lower scores do not count.")
]
DEFAULT_DATA = Path("data")
_VARIANTS = ("float32", "bf16", "int8", ORIGINAL)

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Add, check, compare, serve and measure detection models.",
)


@app.command()
def add(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FILE|URL", help="YOLO model as ONNX.")],
    classes: Annotated[
        str | None,
        typer.Option(metavar="FILE|a,b,c", help="Class names; those in the file by default."),
    ] = None,
    licence: Annotated[
        str, typer.Option("--licence", "--license", help="For example Apache-2.0.")
    ] = "",
    name: Annotated[
        str | None, typer.Option("--name", help="From the file's name by default.")
    ] = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="Hash that the file must have.")
    ] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Fetch from this network, and over http, too.")
    ] = False,
    frames: FramesFrom = None,
    limit: Limit = 300,
    data: Data = DEFAULT_DATA,
    bucket: Bucket = None,
    json_: Json = False,
) -> None:
    """Check a model and keep it with hash, licence and classes; with --frames make variants."""
    from hearth_models.admission import admit
    from hearth_vision.loading import class_names

    terminal = terminal_of(ctx)
    registry = open_registry(data, bucket)
    wanted, said = parse_digest(sha256), parse_licence(licence)
    is_url = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source) is not None
    named = check_name(name or name_from(source, is_url=is_url))
    names = class_names(parse_classes(classes))
    with tempfile.TemporaryDirectory(prefix="hearth-models-") as scratch:
        if is_url:
            from hearth_models.fetch import FetchRules, fetch, shown

            path, origin = Path(scratch) / "model.onnx", shown(source)
            found = fetch(source, path, FetchRules(private=allow_private))
            if wanted is None:
                registry.refuse_changed_source(origin, found)
        else:
            path = private_copy(Path(source), Path(scratch))
            origin = path.name
        record = admit(path, named, origin, names, said, utc_text())
        if wanted is not None and record.original.sha256 != wanted:
            raise InvalidInput(
                f"{origin} has the sha256 {record.original.sha256}, not the one given with "
                f"--sha256; it was not added"
            )
        added = registry.add(record, path)
    fresh = added is record
    for warning in record.warnings:
        terminal.warn(warning)
    if frames is not None:
        added = _make(terminal, registry, added, frames, bucket, limit, 0.5)
    if terminal.json:
        terminal.print_json({"added": fresh, "id": added.id, **added.model_dump(mode="json")})
        return
    terminal.print(f"{added.id} " + ("was added" if fresh else "was there already: same bytes"))
    show_model(terminal, added)
    if frames is None and not added.variants:
        terminal.info(f"Faster variants: hearth models variants {added.name}")


@app.command("list")
def list_(
    ctx: typer.Context, data: Data = DEFAULT_DATA, bucket: Bucket = None, json_: Json = False
) -> None:
    """Show every model, and which is in force."""
    terminal = terminal_of(ctx)
    registry = open_registry(data, bucket)
    records, served = registry.records(), registry.served().served
    force = (served.model_id, served.variant) if served else None
    if terminal.json:
        facts = [record.model_dump(mode="json") | {"id": record.id} for record in records]
        terminal.print_json({"models": facts, "served": served.model_dump() if served else None})
        return
    if not records:
        terminal.info(f"There is no model in {registry.files.where}: hearth models add FILE")
        return
    terminal.table(
        f"Models in {registry.files.where}",
        ("model", "family", "input", "classes", "licence", "MB", "variants", "in force"),
        [
            (
                record.id,
                record.family,
                input_text(record),
                len(record.classes),
                record.licence,
                f"{record.original.size / 1e6:.1f}",
                ", ".join(v.name if v.accepted else f"({v.name})" for v in record.variants) or "-",
                force[1] if force and force[0] == record.id else "",
            )
            for record in records
        ],
    )


@app.command()
def show(
    ctx: typer.Context,
    model: Model,
    data: Data = DEFAULT_DATA,
    bucket: Bucket = None,
    json_: Json = False,
) -> None:
    """Show one model: where it came from, its classes, its variants and how far they agree."""
    terminal = terminal_of(ctx)
    record = open_registry(data, bucket).find(model)
    if terminal.json:
        terminal.print_json({"id": record.id, **record.model_dump(mode="json")})
        return
    terminal.print(record.id)
    show_model(terminal, record)


@app.command()
def classes(
    ctx: typer.Context,
    model: Model,
    names: Annotated[
        str | None,
        typer.Argument(metavar="[FILE|a,b,c]", help="New names, in the order of training."),
    ] = None,
    data: Data = DEFAULT_DATA,
    bucket: Bucket = None,
    json_: Json = False,
) -> None:
    """Show what each class of a model is taken for, or give its classes other names."""
    from hearth_vision.class_meaning import meanings_of, what_is_missing
    from hearth_vision.loading import class_names

    terminal = terminal_of(ctx)
    registry = open_registry(data, bucket)
    record = registry.find(model)
    if names is not None:
        record = registry.rename_classes(record, class_names(parse_classes(names)))
    taken_for = [
        None if one is None else one.thing.value if one.present else f"no {one.thing.value}"
        for one in meanings_of(record.classes)
    ]
    problems = what_is_missing(record.classes)
    if terminal.json:
        found = dict(zip(record.classes, taken_for, strict=True))
        terminal.print_json({"id": record.id, "classes": found, "problems": problems})
        return
    terminal.table(
        f"Classes of {record.id}",
        ("class", "is taken for"),
        [(name, meaning or "-") for name, meaning in zip(record.classes, taken_for, strict=True)],
    )
    for problem in problems:
        terminal.warn(problem)


@app.command()
def verify(
    ctx: typer.Context,
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="All by default.")] = None,
    data: Data = DEFAULT_DATA,
    bucket: Bucket = None,
    json_: Json = False,
) -> None:
    """Compare every file with the hash that was recorded when it was added."""
    terminal = terminal_of(ctx)
    registry = open_registry(data, bucket)
    records = [registry.find(model)] if model else registry.records()
    rows = []
    with tempfile.TemporaryDirectory(prefix="hearth-models-") as scratch:
        for record in records:
            for file, problem in registry.verify(record, Path(scratch)):
                rows.append((record.id, file.file, file.sha256[:12], problem or "as recorded"))
    wrong = sum(row[3] != "as recorded" for row in rows)
    if terminal.json:
        keys = ("model", "file", "sha256", "result")
        files = [dict(zip(keys, row, strict=True)) for row in rows]
        terminal.print_json({"files": files, "wrong": wrong})
    else:
        terminal.table("Files", ("model", "file", "sha256", "result"), rows)
    if wrong:
        raise typer.Exit(FAILED)


@app.command()
def variants(
    ctx: typer.Context,
    model: Model,
    frames: FramesFrom = None,
    limit: Limit = 300,
    confidence: Confidence = 0.5,
    data: Data = DEFAULT_DATA,
    bucket: Bucket = None,
    json_: Json = False,
) -> None:
    """Make float32, bf16 and INT8 for OpenVINO, and compare each with the original."""
    terminal = terminal_of(ctx)
    registry = open_registry(data, bucket)
    record = _make(terminal, registry, registry.find(model), frames, bucket, limit, confidence)
    if terminal.json:
        terminal.print_json({"id": record.id, **record.model_dump(mode="json")})
        return
    show_variants(terminal, record)


@app.command()
def bench(
    ctx: typer.Context,
    model: Model,
    frames: FramesFrom = None,
    limit: Limit = 100,
    data: Data = DEFAULT_DATA,
    bucket: Bucket = None,
    json_: Json = False,
) -> None:
    """Measure frames a second and latency of the original and each variant, in one run."""
    from hearth_models.variants import bench as measure

    terminal = terminal_of(ctx)
    registry = open_registry(data, bucket)
    record = registry.find(model)
    found = find_frames(frames, bucket, limit)
    rows = measure(registry, record, found.images)
    if terminal.json:
        terminal.print_json({"id": record.id, "frames": len(found.images), "variants": rows})
        return
    columns = ("variant", "frames_per_second", "ratio", "p50_ms_one_frame", "precision", "detail")
    terminal.table(
        f"{record.id} on {len(found.images)} frames of {found.source}",
        ("variant", "frames/s", "ratio", "one frame, p50 ms", "precision", "by"),
        [tuple(row[column] for column in columns) for row in rows],
    )


@app.command()
def promote(
    ctx: typer.Context,
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Name, or name@hash.")
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option("--variant", help=f"{', '.join(_VARIANTS)}; bf16 where it is accepted."),
    ] = None,
    back: Annotated[
        bool, typer.Option("--back", help="Put in force again what was before.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also a variant whose agreement is below the bound.")
    ] = False,
    data: Data = DEFAULT_DATA,
    bucket: Bucket = None,
    json_: Json = False,
) -> None:
    """Put a model in force; with --back the one before. Frames after that are judged by it."""
    terminal = terminal_of(ctx)
    registry = open_registry(data, bucket)
    if back == (model is not None):
        raise InvalidInput("name a model to promote, or give --back to return to the one before")
    if back:
        if variant is not None:
            raise InvalidInput(
                "--back returns to the variant that was in force; leave --variant out"
            )
        document = registry.roll_back()
    else:
        record = registry.find(model or "")
        chosen = variant or _default_variant(record)
        if chosen not in _VARIANTS:
            raise InvalidInput(f"{chosen} is not a variant; known are {', '.join(_VARIANTS)}")
        _check_files(registry, record)
        document = registry.promote(record, chosen, force=force)
    served = document.served
    if terminal.json:
        terminal.print_json(document.model_dump(mode="json"))
        return
    if served is not None:
        terminal.print(f"{served.model_id}, variant {served.variant}, is in force")
        if bucket:
            terminal.info(
                "Functions of this bucket's stack take it within a minute, unless ModelPath names "
                "another one; their image holds ONNX Runtime, which runs the original only"
            )


@app.command()
def remove(
    ctx: typer.Context,
    model: Model,
    data: Data = DEFAULT_DATA,
    bucket: Bucket = None,
    json_: Json = False,
) -> None:
    """Forget a model that is not in force, and delete its files."""
    terminal = terminal_of(ctx)
    registry = open_registry(data, bucket)
    record = registry.find(model)
    registry.remove(record)
    if terminal.json:
        terminal.print_json({"removed": record.id})
        return
    terminal.print(f"{record.id} was removed")


@app.command("eval")
def evaluate(
    ctx: typer.Context,
    model: Model,
    dataset: Annotated[
        Path, typer.Option("--dataset", help="Folder with labels of COCO, VOC or YOLO.")
    ],
    split: Annotated[
        str | None, typer.Option("--split", help="Which part of it, for example val.")
    ] = None,
    variant: Annotated[
        str | None, typer.Option("--variant", help="What is in force, or the original, by default.")
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(
            "--confidence",
            min=0.01,
            max=1,
            help="Threshold of the confusion; the suggested ones by default.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the report; evaluation by default.")
    ] = None,
    data: Data = DEFAULT_DATA,
    bucket: Bucket = None,
    json_: Json = False,
) -> None:
    """Measure a model on labelled images: AP, precision, recall, confusion, worst errors."""
    from hearth_models.evaluation.datasets import read_dataset
    from hearth_models.evaluation.evaluate import LEAST_SCORE
    from hearth_models.evaluation.evaluate import evaluate as measure
    from hearth_models.evaluation.report import write_report
    from hearth_models.variants import loaded

    terminal = terminal_of(ctx)
    registry = open_registry(data, bucket)
    record = registry.find(model)
    labels = read_dataset(dataset, split)
    with loaded(registry, record, variant or _in_force(registry, record), LEAST_SCORE) as detector:
        terminal.info(f"{len(labels.images)} images, {detector.info.detail}")
        evaluation = measure(detector, labels, confidence)
    written = [str(path) for path in write_report(evaluation, out or Path("evaluation"))]
    facts = evaluation.facts
    if terminal.json:
        terminal.print_json({**facts, "written": written})
        return
    terminal.table(
        f"{record.id}, variant {facts['model']['variant']}: AP50 {_share(facts['ap50'])}, "
        f"AP50-95 {_share(facts['ap50_95'])} on {facts['pictures']} images",
        ("class", "objects", "AP50", "AP50-95", "suggested threshold", "precision", "recall"),
        [
            (
                row["class"],
                row["objects"],
                _share(row["ap50"]),
                _share(row["ap50_95"]),
                row["suggested_threshold"] or "too few objects",
                _share(row["at_threshold_used"]["precision"]),
                _share(row["at_threshold_used"]["recall"]),
            )
            for row in facts["per_class"]
            if row["met"]
        ],
    )
    for name in facts["dataset"]["classes_unknown_to_the_model"]:
        terminal.warn(f"the model has no class {name}: its objects are left out")
    for line in facts["dataset"]["pictures_left_out"][:5]:
        terminal.warn(f"left out: {line}")
    terminal.print("\n".join(written))


# ---- parts ----


def _in_force(registry: Registry, record: ModelRecord) -> str:
    served = registry.served().served
    return served.variant if served is not None and served.model_id == record.id else ORIGINAL


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _make(
    terminal: Terminal,
    registry: Registry,
    record: ModelRecord,
    frames: Path | None,
    bucket: str | None,
    limit: int,
    confidence: float,
) -> ModelRecord:
    from hearth_models.variants import make_variants

    found = find_frames(frames, bucket, limit)
    if found.skipped:
        terminal.warn(f"{found.skipped} images could not be decoded and are left out")
    return make_variants(registry, record, found, confidence=confidence, say=terminal.info)


def _check_files(registry: Registry, record: ModelRecord) -> None:
    from hearth.errors import ModelFailed

    with tempfile.TemporaryDirectory(prefix="hearth-models-") as scratch:
        for _, problem in registry.verify(record, Path(scratch)):
            if problem:
                raise ModelFailed(problem)


def _default_variant(record: ModelRecord) -> str:
    """bf16 where it was accepted: INT8 is taken only when a person asks for it."""
    for name in ("bf16", "float32"):
        found = record.variant(name)
        if found is not None and found.accepted:
            return name
    return ORIGINAL
