"""Request, response and job models of `${name}`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
% if http:


class LengthIn(BaseModel):
    """The query of the API."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=1_000, pattern=r"^[^\x00]*$", description="What is measured.")


class LengthOut(BaseModel):
    """The answer."""

    characters: int = Field(ge=0)
    words: int = Field(ge=0)
% endif
% if queue:


class WorkIn(BaseModel):
    """The payload of a `${slug}.work` job."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=1_000)
% endif
