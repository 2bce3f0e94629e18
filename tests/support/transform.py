"""`template.yaml` as CloudFormation gets it: through SAM's own transform."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any
from unittest import mock

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator


def transform(body: Mapping[str, Any]) -> dict[str, Any]:
    """The template after the transform, with the defaults of its parameters.

    Args:
        body: The template, intrinsics in their long form.
    """
    given = copy.deepcopy(dict(body))
    for resource in given["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # What `sam package` writes once the image is pushed.
            resource["Properties"]["ImageUri"] = "000000000000.dkr.ecr.test/image:1"
    values = {
        name: str(parameter.get("Default", ""))
        for name, parameter in given.get("Parameters", {}).items()
    }
    values["Release"] = "1"
    with mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": "us-east-1"}):
        translator = Translator({}, Parser())
        translated: dict[str, Any] = translator.translate(given, values)
    return translated
