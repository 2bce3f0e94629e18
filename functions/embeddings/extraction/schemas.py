"""Request and response models of extraction."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from functions.embeddings.extraction.finds import Method

MAX_QUERY_CHARS = 2000
MAX_ENTRIES = 1000
MAX_ALIASES = 20
MAX_NAMES = 2000
"""Most names and aliases of a registry: each is compared with each run of words."""

Name = Annotated[str, Field(min_length=1, max_length=100)]
Id = Annotated[str, Field(max_length=255)]
Aliases = Annotated[list[Name], Field(max_length=MAX_ALIASES)]


class AreaIn(BaseModel):
    """A part of the home."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[Name, Field(examples=["Kitchen"])]
    id: Annotated[Id, Field(examples=["kitchen"])] = ""
    aliases: Aliases = []


class DeviceIn(BaseModel):
    """A thing in the home."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[Name, Field(examples=["Kitchen Ceiling Light"])]
    id: Annotated[Id, Field(examples=["light.kitchen_ceiling"])] = ""
    domain: Annotated[
        str | None,
        Field(max_length=64, description="By default what `id` has before its dot."),
    ] = None
    area: Annotated[str | None, Field(max_length=255, description="Id or name of its area.")] = None
    aliases: Aliases = []


class RegistryIn(BaseModel):
    """The areas and devices that a text can name."""

    model_config = ConfigDict(extra="forbid", strict=True)

    areas: Annotated[list[AreaIn], Field(max_length=MAX_ENTRIES)] = []
    devices: Annotated[list[DeviceIn], Field(max_length=MAX_ENTRIES)] = []


class ExtractIn(BaseModel):
    """A text, and the home that it refers to."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_QUERY_CHARS,
            examples=["dim the kitchen ceiling light to thirty percent at half past nine pm"],
        ),
    ]
    confidence_threshold: Annotated[
        float, Field(ge=0, le=1, description="What is less sure is left out.")
    ] = 0.8
    registry: Annotated[
        RegistryIn,
        Field(description="Without one, only numbers, times and durations are found."),
    ] = RegistryIn()


class AlternativeOut(BaseModel):
    """Another entry that the same words may mean."""

    id: str
    name: str


class EntityOut(BaseModel):
    """An entity in the text."""

    name: Annotated[str, Field(description="As the registry has it; of a value its words.")]
    type: Literal["area", "device", "number", "time", "duration"]
    domain: Annotated[str | None, Field(description="Of a device, such as `light`.")]
    confidence: Annotated[float, Field(ge=0, le=1)]
    extraction_method: Annotated[
        Method,
        Field(
            description="`exact`: a name, but for case, accents, plural and spaces. `partial`: the "
            "last word of a name. `fuzzy`: misspelled. `embedding`: another word for it. `rule`: a "
            "value."
        ),
    ]
    start: Annotated[int, Field(ge=0, description="First code point in the query.")]
    end: Annotated[int, Field(ge=1, description="One after its last code point.")]
    text: Annotated[str, Field(description="What stands there.")]
    id: Annotated[str | None, Field(description="Of the registry's entry, if it has one.")]
    value: Annotated[
        float | str | None,
        Field(
            description="A number; seconds of a duration; a time as HH:MM or HH:MM:SS, without "
            "`am` or `pm` the hour that was said."
        ),
    ]
    unit: str | None
    alternatives: Annotated[
        list[AlternativeOut], Field(description="Each as likely as the entry that is named.")
    ]


class ExtractOut(BaseModel):
    """The entities in the order of the text; no two overlap."""

    entities: list[EntityOut]
    confidence_scores: Annotated[
        dict[str, float], Field(description="Name → highest confidence of its finds.")
    ]
    methods: Annotated[list[Method], Field(description="That were tried.")]
    fallback_reason: Annotated[
        str | None, Field(description="Why meanings were not compared; None: they were.")
    ]
    model_used: Annotated[str | None, Field(description="That compares meanings.")]
    model_sha256: str | None
    processing_time: Annotated[float, Field(ge=0, description="Seconds.")]
