"""The model registry: saves, lists, compares, promotes and deletes models.

The file is stored before the row with its manifest, so that a visible model is complete. A file
without a row is no model. A name refers to the model that was promoted last; a roll-back restores
the one before.
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
    ModelPage,
    ModelQuery,
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
"""Other versions of these packages may read an estimator differently."""


def file_key(model_id: str) -> str:
    """Return the key of a model's file in the bucket."""
    return f"models/clustering/{model_id}.skops"


class ModelRegistry:
    """The saved models of one stack."""

    def __init__(
        self, db: Database, store: ObjectStore, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._db = db
        self._store = store
        self._now = now

    # ---- save_options ----

    def put_file(self, manifest: Manifest, data: bytes) -> None:
        """Store a model's file; `add` makes the model visible.

        Raises:
            TooLarge: The file has over 64 MB.
            Unavailable: S3 does not answer.
        """
        if len(data) > MAX_MODEL_BYTES:
            raise TooLarge(
                f"the fitted model has {len(data)} bytes; at most {MAX_MODEL_BYTES} are saved: fit "
                "it to fewer rows, or do not save it"
            )
        stored = self._store.put(manifest.file_key, data, CONTENT_TYPE)
        if stored != manifest.file_sha256:
            raise ModelFailed("the model's file is not the one that its manifest names")

    def add(self, tx: Connection, manifest: Manifest) -> None:
        """Add the manifest of a stored file, in the caller's transaction."""
        models.add(tx, manifest.model_dump(mode="json"), manifest.created_at)

    def save(self, manifest: Manifest, data: bytes) -> None:
        """Store file and manifest."""
        self.put_file(manifest, data)
        self._db.write(lambda tx: self.add(tx, manifest))

    def file(self, manifest: Manifest) -> bytes:
        """Return a model's file after checking it against the manifest.

        Raises:
            Conflict: The model was fitted with another version of scikit-learn or skops.
            ModelFailed: The file does not exist or differs from the manifest.
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
        """Find a model by its id, or by the name that it was promoted to.

        Raises:
            NotFound: The model does not exist.
        """

        def look(tx: Connection) -> Mapping[str, Any]:
            if _ULID.fullmatch(name_or_id):
                return _get_manifest(tx, name_or_id)
            promoted = models.promoted(tx, [name_or_id]).get(name_or_id)
            if promoted is None:
                raise NotFound(f"no model is promoted to the name {name_or_id!r:.80}")
            return _get_manifest(tx, promoted)

        return Manifest.model_validate(self._db.read(look))

    def get(self, model_id: str) -> ModelOut:
        """Return one model.

        Raises:
            NotFound: The model does not exist.
        """
        return self._db.read(lambda tx: _to_response(tx, _get_manifest(tx, model_id)))

    def list(self, query: ModelQuery) -> ModelPage:
        """List models, newest first.

        Raises:
            InvalidInput: The cursor is not valid.
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
        return ModelPage(
            models=list(shown),
            next_cursor=encode_cursor(shown[-1].model_id) if len(found) > limit else None,
        )

    def compare(self, ids: Sequence[str]) -> CompareOut:
        """Compare models field by field.

        Raises:
            NotFound: One of the models does not exist.
        """
        found = self._db.read(
            lambda tx: [
                _to_response(tx, _get_manifest(tx, model_id)) for model_id in dict.fromkeys(ids)
            ]
        )
        flat = [_flatten(one) for one in found]
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
        """Count the models, and return the model id of each name."""
        return self._db.read(lambda tx: (models.count(tx), models.promoted(tx)))

    # ---- names ----

    def promote(self, model_id: str, who: str) -> ModelOut:
        """Promote a model to its name. Idempotent.

        Raises:
            NotFound: The model does not exist.
        """
        now = self._now()

        def write(tx: Connection) -> ModelOut:
            model = _to_response(tx, _get_manifest(tx, model_id))
            if not model.promoted:
                models.promote(tx, model.name, model_id, who, now)
            return _to_response(tx, _get_manifest(tx, model_id))

        return self._db.write(write)

    def roll_back(self, model_id: str, who: str) -> ModelOut:
        """Withdraw a model's promotion, so that its name refers to the model before it.

        Returns:
            The model that the name refers to now.

        Raises:
            NotFound: The model does not exist.
            Conflict: The model is not promoted, or no model had the name before.
        """
        now = self._now()

        def write(tx: Connection) -> ModelOut:
            model = _to_response(tx, _get_manifest(tx, model_id))
            if not model.promoted:
                raise Conflict(f"model {model_id} is not promoted; there is nothing to roll back")
            models.withdraw(tx, model.name, model_id, who, now)
            before = models.promoted(tx, [model.name]).get(model.name)
            if before is None:
                raise Conflict(f"no model was called {model.name} before {model_id}")
            return _to_response(tx, _get_manifest(tx, before))

        return self._db.write(write)

    def remove(self, model_id: str) -> None:
        """Delete a model and its file.

        Raises:
            NotFound: The model does not exist.
            Conflict: The model is promoted.
        """

        def write(tx: Connection) -> Manifest:
            model = _to_response(tx, _get_manifest(tx, model_id))
            if model.promoted:
                raise Conflict(
                    f"{model.name} stands for model {model_id}; promote another or roll back first"
                )
            models.remove(tx, model_id)
            return model

        # The row is deleted first, so that no visible model lacks its file.
        self._store.delete(self._db.write(write).file_key)


def _get_manifest(tx: Connection, model_id: str) -> Mapping[str, Any]:
    found = models.get(tx, model_id)
    if found is None:
        raise NotFound(f"model {model_id[:80]!r} does not exist")
    return found


def _to_response(tx: Connection, manifest: Mapping[str, Any]) -> ModelOut:
    name = manifest["name"]
    current = models.promoted(tx, [name]).get(name)
    return ModelOut(**manifest, promoted=current == manifest["model_id"])


def _flatten(model: ModelOut) -> dict[str, Any]:
    shown = model.model_dump(mode="json")
    flat = {name: shown[name] for name in ("name", "operation", "algorithm", "rows", "promoted")}
    flat["columns"] = len(model.columns)
    for group in ("parameters", "metrics", "libraries"):
        flat |= {f"{group}.{name}": value for name, value in shown[group].items()}
    return flat
