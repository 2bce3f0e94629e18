"""CloudFormation custom resources: the functions that set a stack up before it is used.

Each start sends Create the first time and Update afterwards, and waits for SUCCESS. An Update that
changes nothing is harmless by CloudFormation's own rules, so none is left out.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from hearth_runtime.engine.functions import InvokeResult, RuntimeRefusal
from hearth_runtime.records import JsonRecords
from hearth_runtime.stack_state import SetupError
from hearth_runtime.template.model import CustomResource

PATH = "/custom-resources"


class Invoker(Protocol):
    """What custom resources need of the engine."""

    async def invoke(self, function: str, payload: bytes) -> InvokeResult: ...


class Answers:
    """Takes the answers that functions put to their one-time ResponseURL."""

    def __init__(self) -> None:
        self._expected: dict[str, asyncio.Future[dict[str, Any]]] = {}

    def expect(self) -> tuple[str, asyncio.Future[dict[str, Any]]]:
        """A new one-time token and where its answer will arrive."""
        token = secrets.token_urlsafe(24)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._expected[token] = future
        return token, future

    def forget(self, token: str) -> None:
        self._expected.pop(token, None)

    def take(self, token: str, body: bytes) -> bool:
        """Deliver an answer; False when the token is unknown or used."""
        future = self._expected.pop(token, None)
        if future is None or future.done():
            return False
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            answer = {"Status": "FAILED", "Reason": "the answer is not a JSON object"}
        future.set_result(answer)
        return True


class CustomResources:
    """Sets up the custom resources of a stack, in the template's order."""

    def __init__(
        self,
        engine: Invoker,
        answers: Answers,
        records: JsonRecords,
        *,
        control_url: str,
        stack_id: str,
        arns: Mapping[str, str],
    ) -> None:
        """`arns` maps physical function names to ARNs."""
        self._engine = engine
        self._answers = answers
        self._records = records
        self._control_url = control_url
        self._stack_id = stack_id
        self._arns = arns

    async def set_up(self, resource: CustomResource) -> None:
        """Send the event and wait for the answer.

        Raises:
            SetupError: With the function's reason, its error, or that it did not answer.
        """
        records = self._records.load()
        before = records.get(resource.logical_id)
        token, answered = self._answers.expect()
        event = self._event(resource, before, f"{self._control_url}{PATH}/{token}")
        try:
            async with asyncio.timeout(resource.timeout_s):
                result = await self._engine.invoke(resource.function, json.dumps(event).encode())
                if result.function_error is not None and not answered.done():
                    raise _failure(resource, result.payload[:500].decode(errors="replace"))
                answer = await answered
        except TimeoutError:
            raise _failure(resource, f"no answer within {resource.timeout_s:.0f} s") from None
        except RuntimeRefusal as refusal:
            raise _failure(resource, str(refusal)) from refusal
        finally:
            self._answers.forget(token)
        if answer.get("Status") != "SUCCESS":
            raise _failure(resource, str(answer.get("Reason") or "no reason given"))
        records[resource.logical_id] = {
            "physical_id": str(answer.get("PhysicalResourceId") or resource.logical_id),
            "properties": _as_text(resource.properties),
        }
        self._records.save(records)

    def _event(
        self, resource: CustomResource, before: Mapping[str, Any] | None, url: str
    ) -> dict[str, Any]:
        token = {"ServiceToken": self._arns[resource.function]}
        event: dict[str, Any] = {
            "RequestType": "Create" if before is None else "Update",
            "ResponseURL": url,
            "StackId": self._stack_id,
            "RequestId": str(uuid.uuid4()),
            "ResourceType": resource.kind,
            "LogicalResourceId": resource.logical_id,
            **token,
            "ResourceProperties": token | _as_text(resource.properties),
        }
        if before is not None:
            event["PhysicalResourceId"] = before["physical_id"]
            event["OldResourceProperties"] = token | before["properties"]
        return event


def _failure(resource: CustomResource, reason: str) -> SetupError:
    return SetupError(
        f"Setting up {resource.logical_id} with function {resource.function} failed: {reason}"
    )


def _as_text(value: Any) -> Any:
    """Properties as CloudFormation sends them: every scalar is a text."""
    if isinstance(value, Mapping):
        return {str(key): _as_text(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_text(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)
