"""The registry of models: added ones, the one in force, and rollback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from hearth.errors import Conflict, HearthError, InvalidInput, ModelFailed, NotFound
from hearth_models.files import RegistryFiles
from hearth_models.record import (
    DIGEST_SIGNS,
    ORIGINAL,
    RECORD,
    FileRecord,
    ModelRecord,
    Promotion,
    ServedDocument,
    ServedFile,
    ServedRecord,
    VariantRecord,
)
from hearth_vision.served_model import SERVED

_MAX_DOCUMENT: Final = 1_000_000
MAX_HISTORY: Final = 100


def utc_text() -> str:
    """Now, RFC 3339."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Registry:
    """The registry in one storage.

    Args:
        files: That place.
        now: RFC 3339.
    """

    def __init__(self, files: RegistryFiles, now: Callable[[], str] = utc_text) -> None:
        self.files = files
        self._now = now

    # ---- records ----

    def records(self) -> list[ModelRecord]:
        """Every model, by name and time."""
        found = [self._record(path) for path in self.files.paths() if path.endswith(f"/{RECORD}")]
        return sorted(found, key=lambda record: (record.name, record.added_at, record.id))

    def find(self, wanted: str) -> ModelRecord:
        """The model that a name or id means.

        Raises:
            NotFound: None does.
            Conflict: Several do.
        """
        name, _, digest = wanted.partition("@")
        records = self.records()
        fitting = [
            record
            for record in records
            if record.name == name and record.original.sha256.startswith(digest)
        ]
        if not fitting:
            known = ", ".join(record.id for record in records) or "none: `hearth models add` one"
            raise NotFound(f"model {wanted} does not exist in {self.files.where}; there is {known}")
        if len(fitting) > 1:
            known = ", ".join(record.id for record in fitting)
            raise Conflict(f"{wanted} means {len(fitting)} models; say which: {known}")
        return fitting[0]

    def add(self, record: ModelRecord, source: Path) -> ModelRecord:
        """Keep a model that was checked. The same bytes again change nothing.

        Returns:
            The record, which is the old one where the file was there already.

        Raises:
            Conflict: It was added with other classes, or came from a URL that gave other bytes.
        """
        for known in self.records():
            if known.name == record.name and known.original.sha256 == record.original.sha256:
                if known.classes != record.classes:
                    raise Conflict(
                        f"{known.id} was added with other class names; remove it first, or give "
                        f"another --name"
                    )
                return known
        self.files.add(record.original.file, source)
        self.save(record)
        return record

    def refuse_changed_source(self, url: str, sha256: str) -> None:
        """Reject a URL that gave other bytes before (trust on first use).

        Raises:
            Conflict: It did.
        """
        for known in self.records():
            if known.source == url and known.original.sha256 != sha256:
                raise Conflict(
                    f"{url} gave other bytes when {known.id} was added: sha256 is now "
                    f"{sha256[:DIGEST_SIGNS]}…; if the change is meant, add it with --sha256 "
                    f"{sha256}"
                )

    def save(self, record: ModelRecord) -> None:
        """Write a model's record."""
        text = record.model_dump_json(indent=2) + "\n"
        self.files.write(f"{record.folder}/{RECORD}", text.encode())

    def rename_classes(self, record: ModelRecord, classes: tuple[str, ...]) -> ModelRecord:
        """Give a model's classes other names, also where it is in force.

        Raises:
            InvalidInput: As many as the model has must be named.
        """
        if len(classes) != len(record.classes):
            raise InvalidInput(
                f"{record.id} has {len(record.classes)} classes, but {len(classes)} names are given"
            )
        renamed = record.model_copy(update={"classes": classes})
        self.save(renamed)
        document = self.served()
        if document.served is not None and document.served.model_id == record.id:
            served = document.served.model_copy(update={"classes": classes})
            self._put(document.model_copy(update={"served": served}))
        return renamed

    def _record(self, path: str) -> ModelRecord:
        data = self.files.read(path, _MAX_DOCUMENT)
        try:
            return ModelRecord.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "document"
            raise ModelFailed(
                f"{self.files.where}/{path} is not a record of a model: {field}: {first['msg']}; "
                f"delete its folder and add the model again"
            ) from error

    # ---- verification ----

    def verify(self, record: ModelRecord, folder: Path) -> Iterator[tuple[FileRecord, str | None]]:
        """Each file with its problem, if any.

        Args:
            folder: For copies of what does not lie on this machine.
        """
        for file in record.files():
            try:
                self.files.local(file, folder)
            except HearthError as error:
                yield file, error.message
            else:
                yield file, None

    # ---- what is in force ----

    def served(self) -> ServedDocument:
        """What is in force, and what was before."""
        try:
            data = self.files.read(SERVED, _MAX_DOCUMENT)
        except NotFound:
            return ServedDocument()
        try:
            return ServedDocument.model_validate_json(data)
        except ValidationError as error:
            raise ModelFailed(
                f"{self.files.where}/{SERVED} is not what `hearth models promote` writes; delete "
                f"it and promote again"
            ) from error

    def promote(self, record: ModelRecord, variant: str, *, force: bool = False) -> ServedDocument:
        """Put a model in force.

        Args:
            variant: `original`, or one that was made.
            force: Also a variant whose agreement is below the bound.

        Raises:
            NotFound: There is no such variant.
            Conflict: Its agreement is below the bound; or it is in force already.
        """
        before = self.served()
        served = self._served(record, variant, force=force)
        if before.served == served:
            raise Conflict(f"{record.id}, variant {variant}, is in force already")
        entry = Promotion(model_id=record.id, variant=variant, at=self._now())
        document = ServedDocument(served=served, history=(*before.history, entry)[-MAX_HISTORY:])
        return self._put(document)

    def roll_back(self) -> ServedDocument:
        """Roll back to the previous model and variant.

        Raises:
            Conflict: Nothing was.
        """
        now = self.served()
        if len(now.history) < 2:
            raise Conflict("no other model was promoted before, so there is nothing to go back to")
        *history, target, _ = now.history
        record = self.find(target.model_id)
        served = self._served(record, target.variant, force=True)
        return self._put(ServedDocument(served=served, history=(*history, target)))

    def _served(self, record: ModelRecord, name: str, *, force: bool) -> ServedRecord:
        variant: VariantRecord | None = None
        if name != ORIGINAL:
            variant = record.variant(name)
            if variant is None:
                made = ", ".join([ORIGINAL, *(one.name for one in record.variants)])
                raise NotFound(
                    f"{record.id} has no variant {name}; it has {made}. `hearth models variants` "
                    f"makes them"
                )
            if not variant.accepted and not force:
                raise Conflict(
                    f"variant {name} of {record.id} is not accepted: {variant.reason}; promote "
                    f"another one, or this one with --force"
                )
        return ServedRecord(
            model_id=record.id,
            variant=name,
            precision=variant.precision if variant else "float32",
            classes=record.classes,
            input_size=record.input_size,
            original=_file(record.original),
            program=tuple(_file(file) for file in variant.files) if variant else (),
        )

    def _put(self, document: ServedDocument) -> ServedDocument:
        self.files.write(SERVED, (document.model_dump_json(indent=2) + "\n").encode())
        return document

    # ---- removal ----

    def remove(self, record: ModelRecord) -> None:
        """Forget a model and delete its files.

        Raises:
            Conflict: It is in force.
        """
        document = self.served()
        if document.served is not None and document.served.model_id == record.id:
            raise Conflict(
                f"{record.id} is in force; promote another model first, or go back with "
                f"`hearth models promote --back`"
            )
        kept = tuple(entry for entry in document.history if entry.model_id != record.id)
        if kept != document.history:
            self._put(document.model_copy(update={"history": kept}))
        # The record goes first: files without one are no model.
        self.files.delete(f"{record.folder}/{RECORD}")
        for path in list(self.files.paths()):
            if path.startswith(f"{record.folder}/"):
                self.files.delete(path)


def _file(file: FileRecord) -> ServedFile:
    return ServedFile(file=file.file, sha256=file.sha256)


def check_name(name: str) -> str:
    """A model's name.

    Raises:
        InvalidInput: It is none.
    """
    from hearth_models.record import NAME, TAKEN

    if name in TAKEN:
        raise InvalidInput(f"the name {name} is taken in a registry; give another one with --name")
    if NAME.fullmatch(name) is None:
        raise InvalidInput(
            f"{name!r} is no name for a model: 1 to 63 lower-case letters, digits, '.', '_' or "
            f"'-', beginning with a letter or digit; give one with --name"
        )
    return name
