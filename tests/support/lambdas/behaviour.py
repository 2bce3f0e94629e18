"""A function that does what its event asks for: {"do": name, …}. Run by the real awslambdaric."""

import json
import logging
import os
import signal
import subprocess
import sys
import time

STARTED = time.time()
MEMORY: list[bytes] = []


def lambda_handler(event, context):
    """`do` names one of the functions below; anything else is echoed."""
    action = ACTIONS.get(event.get("do", "echo")) if isinstance(event, dict) else echo
    return action(event, context)


def echo(event, context):
    return event


def describe(event, context):
    return {
        "pid": os.getpid(),
        "started": STARTED,
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "memory_mb": context.memory_limit_in_mb,
        "custom": context.client_context.custom if context.client_context else None,
        "environment": dict(os.environ),
        "directory": os.getcwd(),  # noqa: PTH109
    }


def sleep(event, context):
    print("going to sleep")
    time.sleep(event["seconds"])
    return {"slept": event["seconds"], "pid": os.getpid()}


def fail(event, context):
    raise ValueError(event["message"])


def leave(event, context):
    print("leaving")
    os._exit(event["status"])


def allocate(event, context):
    MEMORY.append(os.urandom(1024) * 1024 * event["mb"])
    time.sleep(event.get("seconds", 0))
    return {"mb": event["mb"]}


def large(event, context):
    return "x" * event["bytes"]


def unserialisable(event, context):
    return object()


def log(event, context):
    for line in event["lines"]:
        sys.stdout.write(line + "\n")
    logging.getLogger("test").warning("from logging")
    return len(event["lines"])


def metric(event, context):
    print(json.dumps(event["document"]))
    return "ok"


def stubborn(event, context):
    """Ignores SIGTERM from now on."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return {"pid": os.getpid()}


def child(event, context):
    """Starts a process of its own, as a careless function might."""
    return {"pid": os.getpid(), "child": subprocess.Popen(["sleep", "60"]).pid}


def allocate_in_child(event, context):
    """What a forked process takes is the function's, too."""
    pid = os.fork()
    if pid == 0:
        allocate(event, context)
        os._exit(0)
    os.waitpid(pid, 0)
    return {"child": pid}


ACTIONS = {
    f.__name__: f
    for f in (echo, describe, sleep, fail, leave, allocate, large, unserialisable, log, metric)
} | {"stubborn": stubborn, "child": child, "allocate_in_child": allocate_in_child}
