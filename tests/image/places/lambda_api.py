"""Lambda's own API, for places that offer it: create, map to a queue, invoke."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from hearth_runtime.functions import FunctionSpec
from tests.image.places.answers import comparable
from tests.image.places.backing import Backing

ROLE = "arn:aws:iam::000000000000:role/hearth"


def ask(api: Any, name: str, event: Mapping[str, Any]) -> Any:
    """What a function answers, comparable."""
    answer = api.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    return comparable(json.loads(answer["Payload"].read()))


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


def map_queues(backing: Backing, api: Any, wanted: Callable[[str], bool]) -> None:
    """The template's event source mappings, for the functions that are wanted."""
    queues = {queue.logical_id: queue.name for queue in backing.template.queues}
    sqs = backing.client("sqs")
    for mapping in backing.template.mappings:
        if not wanted(mapping.function):
            continue
        url = sqs.get_queue_url(QueueName=queues[mapping.queue_id])["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        api.create_event_source_mapping(
            FunctionName=mapping.function,
            EventSourceArn=arn["Attributes"]["QueueArn"],
            BatchSize=mapping.batch_size,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
