"""Builds the chain of providers from settings; what is not configured is not imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hearth_llm.chain import Provider, ProviderChain
from hearth_llm.settings import BEDROCK, LlmSettings

if TYPE_CHECKING:
    from hearth.db import Database
    from hearth_llm.chat import Chat


def build_chain(settings: LlmSettings, db: Database) -> ProviderChain | None:
    """Build the configured providers; None when there is none."""
    if not settings.llm_base_url:
        return None
    from hearth_llm.breaker import CircuitBreaker

    breaker = CircuitBreaker(db, f"{settings.llm_base_url} {settings.llm_model}")
    return ProviderChain([Provider(_build_chat(settings), breaker)])


def _build_chat(settings: LlmSettings) -> Chat:
    if settings.llm_base_url == BEDROCK:
        from hearth.aws import client
        from hearth_llm.bedrock_chat import BedrockChat

        # The budget bounds all attempts together, and BedrockChat makes them.
        runtime = client("bedrock-runtime", read_timeout_s=settings.llm_budget_s, max_attempts=1)
        return BedrockChat(runtime, settings.llm_model, settings.llm_temperature)
    import httpx

    from hearth_llm.openai_chat import OpenAiChat

    return OpenAiChat(
        httpx.Client(),
        settings.llm_base_url,
        settings.llm_model,
        settings.llm_api_key.get_secret_value(),
        settings.llm_temperature,
    )
