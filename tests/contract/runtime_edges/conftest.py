"""One small stack for all tests that leave it as they found it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from hearth_runtime.stack_state import StackState
from tests.contract.runtime_edges.http_client import request
from tests.support.stack_process import small_stack


@dataclass(frozen=True)
class Stack:
    state: StackState
    data: Path

    def client(self, service: str, **retries: int) -> Any:
        return boto3.client(
            service,
            config=Config(retries=retries) if retries else None,  # type: ignore[arg-type]
            endpoint_url=self.state.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def notes(self) -> list[dict[str, Any]]:
        """Records that the worker has seen so far."""
        try:
            lines = (self.data / "notes").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def seen(self, text: str) -> list[dict[str, Any]]:
        """Records whose body holds `text`."""
        return [record for record in self.notes() if text in record["body"]]

    def status(self) -> Any:
        return request(f"{self.state.control_url}/status").json()


def until(condition: Callable[[], Any], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    data = tmp_path_factory.mktemp("stack")
    with small_stack(data, parameters={"Notes": str(data / "notes")}) as state:
        yield Stack(state, data)
