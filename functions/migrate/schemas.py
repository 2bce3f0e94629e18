"""CloudFormation's custom-resource protocol.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_pascal

MAX_REASON_BYTES = 1500
"""The whole response has at most 4,096 bytes, and JSON may double these."""

_Id = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class CustomResourceRequest(BaseModel):
    """The request of CloudFormation, or of the local runtime in its place."""

    model_config = ConfigDict(alias_generator=to_pascal, frozen=True, extra="ignore")

    request_type: Literal["Create", "Update", "Delete"]
    # Not pydantic's URL type, which would re-encode what the signature covers.
    response_url: Annotated[
        str,
        Field(alias="ResponseURL"),
        StringConstraints(pattern=r"^https?://[^/?#\s]+[^\s]*$", max_length=8192),
    ]
    stack_id: _Id
    request_id: _Id
    logical_resource_id: _Id
    physical_resource_id: _Id | None = None
    # Validated by `SchemaProperties` later, when it is known where to send the error.
    resource_properties: dict[str, Any] = Field(default_factory=dict)


class SchemaProperties(BaseModel):
    """Properties of `Custom::DatabaseSchema` in the template."""

    model_config = ConfigDict(alias_generator=to_pascal, frozen=True, extra="ignore")

    revision: Annotated[str, StringConstraints(pattern=r"^[0-9a-z_]{1,64}$")]
    """The Alembic revision that this version of the product needs."""


class CustomResourceResponse(BaseModel):
    """The response, put to the request's ResponseURL."""

    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True, frozen=True)

    status: Literal["SUCCESS", "FAILED"]
    reason: str = ""
    # If it changed on an update, CloudFormation would delete the "old" resource.
    physical_resource_id: str
    stack_id: str
    request_id: str
    logical_resource_id: str
    data: dict[str, str] = Field(default_factory=dict)
