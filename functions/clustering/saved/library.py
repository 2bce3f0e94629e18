"""Saved models: kept, listed, compared, promoted, deleted.

The file goes to S3 first and the row with its manifest after it: a model that can be seen is whole.
A file without a row is nobody's model. A name stands for the model that was promoted last, and a
roll-back brings back the one before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from functions.clustering.limits import MAX_MODEL_BYTES
from functions.clustering.repository import models
from functions.clustering.schemas import (
    Compared,
    CompareOut,
    Manifest,
    ModelOut,
    ModelQuery,
    ModelsOut,
)
from functions.clustering.versions import libraries
from hearth.db import Database
from hearth.errors import Conflict, ModelFailed, NotFound, TooLarge
from hearth.ids import ULID_PATTERN, utc_now
from hearth.paging import check_limit, decode_cursor, encode_cursor
from hearth.storage import ObjectStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

CONTENT_TYPE = "application/zip"
_ULID = re.compile(ULID_PATTERN)
MUST_AGREE = ("scikit-learn", "skops")
"""Estimators are written as these versions know them; others may read them as something else."""


def file_key(model_id: str) -> str:
    """Where a model's file lies in the bucket."""
    return f"models/clustering/{model_id}.skops"


class Library:
    """The models of one stack.

    Args:
        db: Where manifests and names are.
        store: The bucket, with the files.
        now: The present, timezone-aware.
    """

    def __init__(
        self, db: Database, store: ObjectStore, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._db = db
        self._store = store
        self._now = now

    # ---- keeping ----

    def put_file(self, manifest: Manifest, data: bytes) -> None:
        """Store a model's file; `add` makes it a model.

        Raises:
            TooLarge: It has over 64 MB.
            Unavailable: S3 does not answer.
        """
        if len(data) > MAX_MODEL_BYTES:
            raise TooLarge(
                f"the fitted model has {len(data)} bytes; at most {MAX_MODEL_BYTES} are kept: fit "
                "it to fewer rows, or do not save it"
            )
        stored = self._store.put(manifest.file_key, data, CONTENT_TYPE)
        if stored != manifest.file_sha256:
            raise ModelFailed("the model's file is not the one that its manifest names")

    def add(self, tx: Connection, manifest: Manifest) -> None:
        """Let a stored file be a model, in the caller's transaction."""
        models.add(tx, manifest.model_dump(mode="json"), manifest.created_at)

    def save(self, manifest: Manifest, data: bytes) -> None:
        """Both at once."""
        self.put_file(manifest, data)
        self._db.write(lambda tx: self.add(tx, manifest))

    def file(self, manifest: Manifest) -> bytes:
        """A model's file, if it agrees with the manifest.

        Raises:
            Conflict: It was written by another version of scikit-learn or skops.
            ModelFailed: It is gone, or is another file.
        """
        here = libraries()
        for package in MUST_AGREE:
            if manifest.libraries.get(package) != here[package]:
                raise Conflict(
                    f"model {manifest.model_id} was fitted with {package} "
                    f"{manifest.libraries.get(package)} and here is {here[package]}: fit it again"
                )
        try:
            data = self._store.get(manifest.file_key, MAX_MODEL_BYTES)
        except (NotFound, TooLarge) as error:
            raise ModelFailed(f"the file of model {manifest.model_id}: {error.message}") from error
        if (
            len(data) != manifest.file_bytes
            or hashlib.sha256(data).hexdigest() != manifest.file_sha256
        ):
            raise ModelFailed(
                f"the file of model {manifest.model_id} is not the one that was saved: its sha256 "
                "does not agree with the manifest"
            )
        return data

    # ---- finding ----

    def find(self, name_or_id: str) -> Manifest:
        """The model with an id, or the one that a name stands for.

        Raises:
            NotFound: There is none.
        """

        def look(tx: Connection) -> Mapping[str, Any]:
            if _ULID.fullmatch(name_or_id):
                return _found(tx, name_or_id)
            promoted = models.promoted(tx, [name_or_id]).get(name_or_id)
            if promoted is None:
                raise NotFound(f"no model is promoted to the name {name_or_id!r:.80}")
            return _found(tx, promoted)

        return Manifest.model_validate(self._db.read(look))

    def get(self, model_id: str) -> ModelOut:
        """One model.

        Raises:
            NotFound: There is none.
        """
        return self._db.read(lambda tx: _shown(tx, _found(tx, model_id)))

    def list(self, query: ModelQuery) -> ModelsOut:
        """Models, newest first.

        Raises:
            InvalidInput: A cursor that this list did not give out.
        """
        limit = check_limit(query.limit)
        before = decode_cursor(query.cursor, 1)[0] if query.cursor is not None else None

        def look(tx: Connection) -> Sequence[ModelOut]:
            found = models.page(tx, query.name, before, limit + 1)
            names = models.promoted(tx, sorted({str(one["name"]) for one in found}))
            return [
                ModelOut(**one, promoted=names.get(one["name"]) == one["model_id"]) for one in found
            ]

        found = self._db.read(look)
        shown = found[:limit]
        return ModelsOut(
            models=list(shown),
            next_cursor=encode_cursor(shown[-1].model_id) if len(found) > limit else None,
        )

    def compare(self, ids: Sequence[str]) -> CompareOut:
        """Models side by side.

        Raises:
            NotFound: One of them does not exist.
        """
        found = self._db.read(
            lambda tx: [_shown(tx, _found(tx, model_id)) for model_id in dict.fromkeys(ids)]
        )
        flat = [_flat(one) for one in found]
        fields = list(dict.fromkeys(field for one in flat for field in one))
        compared = [
            Compared(
                field=field,
                values=(values := [one.get(field) for one in flat]),
                differs=any(value != values[0] for value in values),
            )
            for field in fields
        ]
        return CompareOut(
            models=found,
            same_operation=len({one.operation for one in found}) == 1,
            same_training_data=len({one.training_sha256 for one in found}) == 1,
            fields=compared,
        )

    def status(self) -> tuple[int, dict[str, str]]:
        """How many models there are, and which id each name stands for."""
        return self._db.read(lambda tx: (models.count(tx), models.promoted(tx)))

    # ---- names ----

    def promote(self, model_id: str, who: str) -> ModelOut:
        """Let the model's name stand for it; again changes nothing.

        Raises:
            NotFound: There is no such model.
        """
        now = self._now()

        def write(tx: Connection) -> ModelOut:
            model = _shown(tx, _found(tx, model_id))
            if not model.promoted:
                models.promote(tx, model.name, model_id, who, now)
            return _shown(tx, _found(tx, model_id))

        return self._db.write(write)

    def roll_back(self, model_id: str, who: str) -> ModelOut:
        """Take a promoted model's name back, and give it to the model that had it before.

        Returns:
            The model that the name stands for now.

        Raises:
            NotFound: There is no such model.
            Conflict: Its name does not stand for it, or no model had it before.
        """
        now = self._now()

        def write(tx: Connection) -> ModelOut:
            model = _shown(tx, _found(tx, model_id))
            if not model.promoted:
                raise Conflict(f"model {model_id} is not promoted; there is nothing to roll back")
            models.withdraw(tx, model.name, model_id, who, now)
            before = models.promoted(tx, [model.name]).get(model.name)
            if before is None:
                raise Conflict(f"no model was called {model.name} before {model_id}")
            return _shown(tx, _found(tx, before))

        return self._db.write(write)

    def remove(self, model_id: str) -> None:
        """Delete a model and its file.

        Raises:
            NotFound: There is no such model.
            Conflict: Its name stands for it.
        """

        def write(tx: Connection) -> Manifest:
            model = _shown(tx, _found(tx, model_id))
            if model.promoted:
                raise Conflict(
                    f"{model.name} stands for model {model_id}; promote another or roll back first"
                )
            models.remove(tx, model_id)
            return model

        # The row first: a model without a file could be found and not be used.
        self._store.delete(self._db.write(write).file_key)


def _found(tx: Connection, model_id: str) -> Mapping[str, Any]:
    found = models.get(tx, model_id)
    if found is None:
        raise NotFound(f"model {model_id[:80]!r} does not exist")
    return found


def _shown(tx: Connection, manifest: Mapping[str, Any]) -> ModelOut:
    name = manifest["name"]
    current = models.promoted(tx, [name]).get(name)
    return ModelOut(**manifest, promoted=current == manifest["model_id"])


def _flat(model: ModelOut) -> dict[str, Any]:
    shown = model.model_dump(mode="json")
    flat = {name: shown[name] for name in ("name", "operation", "algorithm", "rows", "promoted")}
    flat["columns"] = len(model.columns)
    for group in ("parameters", "metrics", "libraries"):
        flat |= {f"{group}.{name}": value for name, value in shown[group].items()}
    return flat
