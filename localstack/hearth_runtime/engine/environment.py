"""What Lambda tells a function about itself."""

from __future__ import annotations

from .functions import FunctionSpec

ACCOUNT = "000000000000"


def function_arn(name: str, region: str) -> str:
    """The ARN that a function sees as its own."""
    return f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}"


def lambda_environment(spec: FunctionSpec, instance: str, region: str) -> dict[str, str]:
    """What Lambda puts in every function's environment, and the function's own variables.

    The log format is Lambda's JSON one, so that a traceback is one record and not twenty lines.
    """
    return {
        **spec.environment,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": instance,
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "_HANDLER": spec.handler,
    }
