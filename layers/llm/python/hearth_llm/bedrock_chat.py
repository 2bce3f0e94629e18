"""Models on Amazon Bedrock, by its Converse API."""

from __future__ import annotations

from typing import Any

from hearth_llm.chat import ChatRefused, ChatUnavailable, with_retries

MAX_TOKENS = 2_000
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors
_RETRYABLE = frozenset(
    {
        "InternalServerException",
        "ModelNotReadyException",
        "ModelTimeoutException",
        "ServiceUnavailableException",
        "ThrottlingException",
    }
)


class BedrockChat:
    """`Chat` on a boto3 `bedrock-runtime` client.

    Args:
        model: Id of a model or an inference profile.
        temperature: Between 0 and 1.
    """

    def __init__(self, client: Any, model: str, temperature: float = 0.3) -> None:
        self._client = client
        self._temperature = temperature
        self.model = model

    def complete(self, system: str, user: str, *, budget_s: float) -> str:
        return with_retries(lambda _: self._converse(system, user), budget_s)

    def _converse(self, system: str, user: str) -> str:
        try:
            answer = self._client.converse(
                modelId=self.model,
                system=[{"text": system}],
                messages=[{"role": "user", "content": [{"text": user}]}],
                inferenceConfig={"temperature": self._temperature, "maxTokens": MAX_TOKENS},
            )
        except self._client.exceptions.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _RETRYABLE:
                raise ChatUnavailable(f"Bedrock answered {code}") from error
            raise ChatRefused(f"Bedrock answered {code}") from error
        except Exception as error:
            # Only the core may import botocore; its own errors (no route, no credentials, time-out)
            # are recognised by the module that defines them.
            if type(error).__module__.partition(".")[0] != "botocore":
                raise
            raise ChatUnavailable(f"Bedrock does not answer ({type(error).__name__})") from error
        try:
            parts = answer["output"]["message"]["content"]
            text = "".join(part["text"] for part in parts if "text" in part)
        except (KeyError, TypeError) as error:
            raise ChatRefused("the answer is not a conversation turn") from error
        if not text:
            raise ChatRefused("the answer holds no text")
        return text
