"""Request and response models of classification."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from functions.embeddings.classification.labels import Category, Priority

MAX_PATTERN_CHARS = 4000
Method = Literal["seq2seq", "zero-shot", "keywords"]
Share = Annotated[float, Field(ge=0, le=1)]


class ClassifyIn(BaseModel):
    """A pattern in words."""

    model_config = ConfigDict(extra="forbid", strict=True)

    pattern_description: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_PATTERN_CHARS,
            examples=["The heating runs all night although nobody is home"],
        ),
    ]


class ClassifyOut(BaseModel):
    """The category and priority of a pattern."""

    category: Category
    priority: Priority
    confidence: Annotated[
        Share,
        Field(
            description="That the category is right. Of `zero-shot` calibrated on texts written "
            "for it, of `keywords` the share of those that were right, of `seq2seq` what the model "
            "says itself."
        ),
    ]
    priority_confidence: Share
    method: Annotated[
        Method,
        Field(
            description="`seq2seq`: an instruction model was asked. `zero-shot`: embeddings were "
            "compared with descriptions of the labels. `keywords`: words were looked up."
        ),
    ]
    reason: Annotated[str, Field(description="What decided, for people.")]
    fallback_reason: Annotated[
        str | None, Field(description="Why no better method answered; None of `seq2seq`.")
    ]
    model_name: Annotated[str | None, Field(description="None: no model had a part in it.")]
    model_sha256: str | None
    processing_time: Annotated[float, Field(ge=0, description="Seconds.")]
