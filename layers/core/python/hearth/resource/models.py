"""Request and response models of a resource, made from its declaration with pydantic."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, create_model

from hearth.http.query import PageQuery, TimeParameter
from hearth.ids import ULID_PATTERN
from hearth.resource import declaration as declared
from hearth.resource.declaration import MAX_BULK, Resource
from hearth.resource.filters import DEFAULT_ORDER, MAX_FILTER_BYTES

_LINE = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
_LINES = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
_STRICT = ConfigDict(extra="forbid", strict=True)

# In JSON 3.0 is an integer, though Python's parser makes a float of it.
_WHOLE = BeforeValidator(lambda v: int(v) if isinstance(v, float) and v.is_integer() else v)
RowId = Annotated[str, StringConstraints(pattern=f"^{ULID_PATTERN}$")]
Version = Annotated[int, Field(ge=1, le=declared.MAX_INTEGER), _WHOLE]


class Models(NamedTuple):
    """What crosses the border of one resource."""

    create: type[BaseModel]
    changes: type[BaseModel]
    out: type[BaseModel]
    page: type[BaseModel]
    query: type[BaseModel]
    bulk_create: type[BaseModel]
    bulk_update: type[BaseModel]


class BulkDelete(BaseModel):
    """Rows to delete; each succeeds or fails by itself."""

    model_config = _STRICT

    items: Annotated[list[DeleteItem], Field(min_length=1, max_length=MAX_BULK)]


class DeleteItem(BaseModel):
    """One row to delete."""

    model_config = _STRICT

    id: RowId
    version: Version | None = Field(None, description="Only if it still has this version.")


class BulkError(BaseModel):
    """Why one item was rejected."""

    code: str
    message: str


class BulkResult(BaseModel):
    """What became of one item."""

    index: int
    id: str | None
    status: Annotated[int, Field(description="As if it had been a request of its own.")]
    version: int | None = None
    error: BulkError | None = None


class BulkOut(BaseModel):
    """What became of each item, in their order."""

    succeeded: int
    failed: int
    items: list[BulkResult]


class DeletedOut(BaseModel):
    """It is gone."""

    success: Literal[True] = True


class ChangedField(BaseModel):
    """One field, before and after; of a secret only that it changed."""

    field: str
    old: Any = None
    new: Any = None


class ChangeOut(BaseModel):
    """What made one version."""

    version: int
    action: Literal["created", "updated"]
    changed_by: str
    changed_at: datetime
    changes: list[ChangedField]


class HistoryPage(BaseModel):
    """Versions of a row, the latest first; of very many, the last hundred."""

    items: list[ChangeOut]
    next_cursor: str | None


class ResourceChanged(BaseModel):
    """`data` of `<events>.created`, `.updated` and `.deleted`, version 1.

    It names what changed and holds no values: a subscriber that needs them reads the row.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    owner_id: str
    version: int
    changed: list[str]
    changed_by: str
    changed_at: datetime


class _Query(PageQuery):
    model_config = ConfigDict(extra="forbid")


@cache
def models_of(resource: Resource) -> Models:
    """The models of a resource."""
    title, words = resource.title, resource.words
    given = [field for field in resource.fields if not field.derived]
    create = create_model(
        f"{title}In",
        __config__=_STRICT,
        __doc__=f"A new {words}.",
        **_fields({field: field.initial for field in given}),
    )
    # A default that no document shows and nobody reads: only the fields that were sent count.
    unset = Field(default_factory=lambda: None)
    changes = create_model(
        f"{title}Changes",
        __config__=_STRICT,
        __doc__="What shall be different; a field that is left out stays.",
        **_fields({field: unset for field in given if not field.fixed}),
    )
    answered: dict[str, Any] = {
        field.name: (_annotation(field, _answered(field)), ...) for field in resource.stored
    }
    out = create_model(f"{title}Out", __doc__=f"One {words}.", **answered)
    fields: dict[str, Any] = {
        "items": (list[out], ...),
        "next_cursor": (str | None, Field(description="null: this is the last page.")),
    }
    page = create_model(
        f"{title}Page", __doc__=f"Some {resource.plural.replace('_', ' ')}.", **fields
    )
    update_item = create_model(
        f"{title}Update",
        __config__=_STRICT,
        __doc__=f"Changes to one {words}.",
        id=(RowId, ...),
        version=(Version | None, Field(None, description="Only if it still has this version.")),
        changes=(changes, ...),
    )
    return Models(create, changes, out, page, _query(resource), _bulk(create), _bulk(update_item))


def _fields(values: dict[declared.Field, Any]) -> dict[str, Any]:
    return {
        field.name: (_annotation(field, _accepted(field)), value) for field, value in values.items()
    }


def _bulk(item: type[BaseModel]) -> type[BaseModel]:
    items: Any = Annotated[list[item], Field(min_length=1, max_length=MAX_BULK)]  # type: ignore[valid-type]
    return create_model(
        f"{item.__name__}Bulk",
        __config__=_STRICT,
        __doc__=f"Up to {MAX_BULK} items; each succeeds or fails by itself.",
        items=(items, ...),
    )


def _query(resource: Resource) -> type[BaseModel]:
    names = [field.name for field in resource.stored if field.sortable]
    order: Any = Literal[tuple(sign + name for name in names for sign in ("", "-"))]
    return create_model(
        f"{resource.title}Query",
        __base__=_Query,
        filter=(
            str | None,
            Field(
                None,
                max_length=MAX_FILTER_BYTES,
                description="A JSON object: field → value, or field → operator → value; all must "
                "hold. Operators: $eq $ne $gt $gte $lt $lte $in $nin $contains $null.",
                examples=[_example(resource)],
            ),
        ),
        order=(
            order,
            Field(DEFAULT_ORDER, description="A field; with a minus the greatest first."),
        ),
    )


def _example(resource: Resource) -> str:
    name = resource.key.name if resource.key else "id"
    return f'{{"{name}": {{"$contains": "x"}}, "version": {{"$gte": 2}}}}'


def _annotation(field: declared.Field, kind: Any) -> Any:
    if field.description:
        kind = Annotated[kind, Field(description=field.description)]
    return kind | None if field.nullable else kind


def _answered(field: declared.Field) -> Any:
    """The type of a field in answers: without bounds, for what is stored was checked."""
    match field:
        case declared.Text():
            return str
        case declared.Integer():
            return int
        case declared.Number():
            return float
        case declared.Time():
            return datetime
        case _:
            return _accepted(field)


def _accepted(field: declared.Field) -> Any:
    """The type of a field in requests, with its bounds."""
    match field:
        case declared.Text():
            pattern = field.pattern or (_LINES if field.multiline else _LINE)
            return _string(field.min_length, field.max_length, pattern)
        case declared.Secret():
            text = _string(1, field.max_length, _LINES)
            return Annotated[text, Field(json_schema_extra={"writeOnly": True})]
        case declared.Choice():
            return Literal[field.values]
        case declared.Integer():
            return Annotated[int, Field(ge=field.minimum, le=field.maximum), _WHOLE]
        case declared.Number():
            bounds = Field(ge=field.minimum, le=field.maximum, allow_inf_nan=False)
            return Annotated[float, bounds]
        case declared.Boolean():
            return bool
        case declared.Time():
            return TimeParameter
        case declared.Json():
            return field.model or dict[str, Any]
    raise AssertionError(f"field {field.name} has no type")


def _string(shortest: int, longest: int, pattern: str) -> Any:
    return Annotated[
        str, StringConstraints(min_length=shortest, max_length=longest, pattern=pattern)
    ]


def given_values(model: BaseModel, names: Iterable[str]) -> dict[str, Any]:
    """The named fields of a request as they are stored."""
    return {name: _plain(getattr(model, name)) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    return value
