"""Lambda's own API, for places that offer it: create, map to a queue, invoke."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

from hearth_runtime.engine.functions import FunctionSpec
from tests.image.places.answers import comparable
from tests.image.places.backing import Backing
from tests.image.places.place import Invoke, Open

ROLE = "arn:aws:iam::000000000000:role/hearth"


def ask(api: Any, name: str, event: Mapping[str, Any]) -> Any:
    """What a function answers, comparable."""
    answer = api.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    return comparable(json.loads(answer["Payload"].read()))


def place(image_of: Callable[[FunctionSpec], str]) -> Open:
    """The place of an emulator's Lambda, which runs these images."""

    @contextlib.contextmanager
    def functions(backing: Backing) -> Iterator[Invoke]:
        """Each function is created when it is first asked for."""
        api = backing.client("lambda")
        created: set[str] = set()

        def invoke(spec: FunctionSpec, event: Mapping[str, Any]) -> Any:
            if spec.name not in created:
                create(api, spec, image_of(spec), backing.environment(spec))
                created.add(spec.name)
            return ask(api, spec.name, event)

        yield invoke

    return functions


def create(api: Any, spec: FunctionSpec, image: str, variables: Mapping[str, str]) -> None:
    """Make the function, as SAM's transformation of the template would; wait until it is there."""
    api.create_function(
        FunctionName=spec.name,
        PackageType="Image",
        Code={"ImageUri": image},
        Role=ROLE,
        ImageConfig={"Command": [spec.handler]},
        Timeout=int(spec.timeout_s),
        MemorySize=spec.memory_mb,
        Environment={"Variables": dict(variables)},
    )
    api.get_waiter("function_active_v2").wait(
        FunctionName=spec.name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )


def map_queues(backing: Backing, functions: Container[str]) -> None:
    """The template's event source mappings of these functions."""
    queues = {queue.logical_id: queue.name for queue in backing.template.queues}
    api, sqs = backing.client("lambda"), backing.client("sqs")
    for mapping in backing.template.mappings:
        if mapping.function not in functions:
            continue
        url = sqs.get_queue_url(QueueName=queues[mapping.queue_id])["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        api.create_event_source_mapping(
            FunctionName=mapping.function,
            EventSourceArn=arn["Attributes"]["QueueArn"],
            BatchSize=mapping.batch_size,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
