"""Finds the registry and the cameras' frames from command line and environment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hearth.errors import InvalidInput, ModelFailed, NotFound
from hearth.storage import S3Store
from hearth_models.files import Bucket, Folder
from hearth_models.registry import Registry
from hearth_vision.onnx_file import MAX_BYTES

if TYPE_CHECKING:
    from hearth_models.frames import Frames

STACK_BUCKET: Final = "HEARTH_STACK_BUCKET"
"""Set by `hearth models` where a stack runs on the data folder, with AWS_ENDPOINT_URL beside it."""

FOLDER: Final = "models"


def open_registry(data: Path, bucket: str | None) -> Registry:
    """The registry of a stack at home, or of a bucket.

    Args:
        data: Folder that holds what a stack keeps; the registry is `models` in it.
        bucket: Name of a bucket, which then holds the registry under `models/`.
    """
    if bucket:
        return Registry(Bucket(_store(bucket), bucket))
    return Registry(Folder(data / FOLDER))


def find_frames(given: Path | None, bucket: str | None, limit: int) -> Frames:
    """Images of a folder or file that was named, or those that the cameras delivered.

    Raises:
        NotFound: There are none.
        InvalidInput: No path is named and no stack runs.
    """
    from hearth_models.frames import from_bucket, from_path

    if given is not None:
        return from_path(given, limit)
    name = bucket or os.environ.get(STACK_BUCKET)
    if not name:
        raise InvalidInput(
            "no stack is running whose cameras' frames could be used; start it with `hearth up`, "
            "name a folder or video with --frames, or a bucket with --bucket"
        )
    return from_bucket(_store(name), f"s3://{name}", limit)


def _store(bucket: str) -> S3Store:
    from hearth.aws import client

    return S3Store(client("s3", read_timeout_s=120.0), bucket)


def private_copy(path: Path, folder: Path) -> Path:
    """A copy of a file that was named, with which nothing lies that it might refer to.

    What is checked is then what is kept, whatever happens to the file meanwhile.

    Raises:
        NotFound: There is none.
        InvalidInput: It is a folder.
        ModelFailed: It is too large, or cannot be read.
    """
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder; name the ONNX file in it")
    if not path.is_file():
        raise NotFound(f"file {path} does not exist; check its name")
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise ModelFailed(f"model {path} has {size} bytes; at most {MAX_BYTES} are accepted")
        return Path(shutil.copyfile(path, folder / path.name))
    except OSError as error:
        raise ModelFailed(f"model {path} cannot be copied: {error.strerror}") from error
