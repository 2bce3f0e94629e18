"""The environment of functions that ask a language model."""

from __future__ import annotations

from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from hearth.settings import CoreSettings

BEDROCK: Final = "bedrock"


class LlmSettings(CoreSettings):
    """Core settings and those of the language model, which is off by default."""

    llm_base_url: str = ""
    """OpenAI-compatible endpoint up to `/v1`, or `bedrock`."""
    llm_model: str = ""
    llm_api_key: SecretStr = SecretStr("")
    llm_temperature: float = Field(0.3, ge=0, le=2)
    llm_budget_s: float = Field(20.0, gt=0, le=50)
    """Most seconds for one answer, retries included."""

    @field_validator("llm_base_url")
    @classmethod
    def _endpoint(cls, url: str) -> str:
        if url and url != BEDROCK:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(
                    f"LLM_BASE_URL {url[:80]!r} is neither bedrock nor an http(s) URL such as "
                    "https://api.openai.com/v1"
                )
        return url

    @model_validator(mode="after")
    def _model_is_named(self) -> Self:
        if self.llm_base_url and not self.llm_model:
            raise ValueError("LLM_BASE_URL is set but LLM_MODEL is not; name the model")
        return self
