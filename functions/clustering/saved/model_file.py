"""Serializes fitted models, without pickle.

A pickle runs whatever its author wrote. A file of skops (https://skops.readthedocs.io) is a zip
of JSON and arrays, and only types that skops or `TRUSTED` names are loaded.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING, Any, Final

from functions.clustering.limits import MAX_MODEL_UNPACKED_BYTES
from hearth.errors import HearthError, ModelFailed

if TYPE_CHECKING:
    from functions.clustering.algorithms.fitted import Model

TRUSTED: Final = ("sklearn.tree._tree.Tree",)
"""Types beyond those that skops trusts by itself: what forests are made of. It holds arrays and
runs nothing, but native code that reads it checks little; so a file is loaded only with the sha256
that its manifest names, and in a process of its own."""
_MEMBER = re.compile(r"schema\.json|[0-9]{1,20}\.np[yz]")
_ID = re.compile(rb'("__id__": |"file": ")([0-9]+)')
_MEMBERS = 20_000
_TIME = (1980, 1, 1, 0, 0, 0)


def dump_model(model: Model) -> bytes:
    """Serialize a model; the same model gives the same bytes.

    Raises:
        ModelFailed: The model contains a type that would not be loaded.
    """
    from skops.io import dumps, get_untrusted_types

    from functions.clustering.algorithms.fitted import to_state

    data = dumps(to_state(model))
    unknown = set(get_untrusted_types(data=data)) - set(TRUSTED)
    if unknown:
        raise ModelFailed(f"the model holds {', '.join(sorted(unknown))}, which is never loaded")
    return _repeatable(data)


def load_model(data: bytes) -> Model:
    """Deserialize a model.

    Raises:
        ModelFailed: The file is not a model, contains a type that is not trusted, or would unpack
            to more than 256 MB.
    """
    from functions.clustering.algorithms.fitted import from_state

    try:
        _check_members(data)
        return from_state(_loaded(data))
    except HearthError:
        raise
    # skops raises errors of a dozen types on files of others.
    except Exception as error:
        raise ModelFailed(
            f"the model's file cannot be read ({type(error).__name__}); fit it again"
        ) from error


def _loaded(data: bytes) -> Any:
    from skops.io import get_untrusted_types, loads

    unknown = set(get_untrusted_types(data=data)) - set(TRUSTED)
    if unknown:
        named = ", ".join(sorted(unknown))[:200]
        raise ModelFailed(f"the model's file holds {named}, which is never loaded")
    return loads(data, trusted=list(TRUSTED))


def _check_members(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    if len(members) > _MEMBERS or not all(_MEMBER.fullmatch(one.filename) for one in members):
        raise ModelFailed("the model's file holds what no model has")
    unpacked = sum(one.file_size for one in members)
    if unpacked > MAX_MODEL_UNPACKED_BYTES:
        raise ModelFailed(
            f"the model's file unpacks to {unpacked} bytes; at most {MAX_MODEL_UNPACKED_BYTES} "
            "are loaded"
        )


def _repeatable(data: bytes) -> bytes:
    """The same archive with members named in order, instead of by addresses in memory, and with
    no time of writing."""
    numbers: dict[bytes, int] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = _ID.sub(
            lambda match: match[1] + str(numbers.setdefault(match[2], len(numbers))).encode(),
            archive.read("schema.json"),
        )
        arrays = {
            f"{numbers[stem.encode()]:d}.{suffix}": archive.read(name)
            for name in archive.namelist()
            if name != "schema.json"
            for stem, suffix in [name.split(".")]
        }
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays, key=lambda name: int(name.split(".")[0])):
            archive.writestr(_member(name), arrays[name])
        archive.writestr(_member("schema.json"), schema)
    return result.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _TIME)
    member.compress_type = zipfile.ZIP_DEFLATED
    return member
