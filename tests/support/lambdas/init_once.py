"""Fails to import until the file HEARTH_TEST_FLAG exists."""

import os
import pathlib

if not pathlib.Path(os.environ["HEARTH_TEST_FLAG"]).exists():
    raise RuntimeError("not yet")


def lambda_handler(event, context):
    return event
