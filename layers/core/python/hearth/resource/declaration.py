"""What a resource is: a declared model from which table, operations, events and routes follow.

    SAVED_FILTERS = Resource(
        "saved_filter",
        table="task_saved_filters",
        path="/api/v1/tasks/filters",
        scope="owner",
        read="tasks:read",
        write="tasks:write",
        fields=(
            Text("name", max_length=80, unique=True),
            Json("query", model=TaskFilter),
        ),
        events="task.filter",
    )

This module imports nothing heavy: whoever generates a command line, a GraphQL schema or a tool
from a declaration reads `fields` and needs neither a database nor HTTP.
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from types import EllipsisType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from hearth.errors import InvalidInput
from hearth.ids import ULID_PATTERN, parse_time

if TYPE_CHECKING:
    from pydantic import BaseModel

MAX_BULK: Final = 100
"""Items of one bulk call: with history, secrets and events under the 3,000 rows that Aurora DSQL
takes in a transaction."""
MAX_INTEGER: Final = 2**31 - 1
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_COMPARED = frozenset({"$eq", "$ne", "$in", "$nin", "$null"})
_ORDERED = _COMPARED | {"$gt", "$gte", "$lt", "$lte"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a resource.

    Args:
        default: Used where a new row does not give one; `...` means that one must be given.
        nullable: Whether null is a value; it is then the default.
        unique: No two rows of an owner (of all, where the scope is shared) have the same value;
            bulk upsert finds its row by this field. Of one field at most.
        fixed: Given when the row is created and never changed.
        derived: Written by the capability's `prepare` hook only; callers read it.
    """

    name: str
    _: KW_ONLY
    description: str = ""
    default: Any = ...
    nullable: bool = False
    unique: bool = False
    fixed: bool = False
    derived: bool = False

    operators: ClassVar[frozenset[str]] = frozenset()
    """With which a list can be filtered by it."""

    @property
    def sortable(self) -> bool:
        return bool(self.operators)

    @property
    def initial(self) -> Any | EllipsisType:
        """The default, with null for a nullable field that declares none."""
        return None if self.nullable and self.default is ... else self.default

    def parse(self, value: Any) -> Any:
        """A JSON value of a filter or a cursor as the field holds it.

        Raises:
            InvalidInput: The value has another type.
        """
        raise InvalidInput(f"{self.name} cannot be compared")

    def _wrong(self, expected: str) -> InvalidInput:
        return InvalidInput(f"{self.name} must be compared with {expected}")


@dataclass(frozen=True, slots=True)
class Text(Field):
    """A string; one line with something on it, unless `multiline`."""

    max_length: int = 200
    min_length: int = 1
    multiline: bool = False
    pattern: str | None = None

    operators: ClassVar[frozenset[str]] = _ORDERED | {"$contains"}

    def parse(self, value: Any) -> str:
        if not isinstance(value, str) or "\x00" in value:
            raise self._wrong("a string without NUL")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self._wrong("a string of Unicode characters") from None
        return value


@dataclass(frozen=True, slots=True)
class Choice(Field):
    """One of a few strings."""

    values: tuple[str, ...] = ()

    operators: ClassVar[frozenset[str]] = _COMPARED

    def parse(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.values:
            raise self._wrong(f"one of {', '.join(self.values)}")
        return value


@dataclass(frozen=True, slots=True)
class Integer(Field):
    minimum: int = 0
    maximum: int = MAX_INTEGER

    operators: ClassVar[frozenset[str]] = _ORDERED

    def parse(self, value: Any) -> int:
        if type(value) is not int or not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise self._wrong(f"an integer between -{MAX_INTEGER} and {MAX_INTEGER}")
        return value


@dataclass(frozen=True, slots=True)
class Number(Field):
    minimum: float = 0
    maximum: float = 1e15

    operators: ClassVar[frozenset[str]] = _ORDERED

    def parse(self, value: Any) -> float:
        if type(value) not in (int, float) or not -1e300 < value < 1e300:
            raise self._wrong("a number")
        return float(value)


@dataclass(frozen=True, slots=True)
class Boolean(Field):
    operators: ClassVar[frozenset[str]] = _COMPARED

    def parse(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self._wrong("true or false")
        return value


@dataclass(frozen=True, slots=True)
class Time(Field):
    """A moment: RFC 3339 on the wire, UTC in the row."""

    operators: ClassVar[frozenset[str]] = _ORDERED

    def parse(self, value: Any) -> datetime:
        try:
            return parse_time(value)
        except InvalidInput:
            raise self._wrong("an RFC 3339 time with an offset") from None


@dataclass(frozen=True, slots=True)
class Json(Field):
    """A JSON value of the shape of `model`, or any object; it is stored whole and not filtered."""

    model: type[BaseModel] | Any = None
    max_bytes: int = 16_384


@dataclass(frozen=True, slots=True)
class Secret(Field):
    """A text that is stored apart and never answered, logged, published or put in the history.

    `ResourceService.secrets_of` reads it, in this process only.
    """

    max_length: int = 2_000


SYSTEM_FIELDS: Final[tuple[Field, ...]] = (
    Text("id", pattern=f"^{ULID_PATTERN}$", derived=True, description="ULID of the row."),
    Text("owner_id", derived=True, description="Id of the user who created it."),
    Integer("version", derived=True, description="Counts the changes, from 1; also the ETag."),
    Time("created_at", derived=True),
    Time("updated_at", derived=True),
)
"""What every resource has besides its own fields."""


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """A declared model.

    Args:
        name: One of them, in snake case; names the models (`SavedFilterIn`) and the routes.
        table: Its table; the capability's migration creates it.
        path: Where its routes are.
        fields: Its own fields, in the order in which they are shown.
        read: Permission to read.
        write: Permission to change.
        scope: `owner`: everybody has rows of their own, and those of others do not exist for
            them. `shared`: everybody with the permission has the same rows.
        events: Prefix of the domain events (`<events>.created`, `.updated`, `.deleted`); None
            publishes none.
        max_rows: Most rows of an owner (of all, where the scope is shared). Requests at the same
            time may exceed it by what they add: it bounds abuse, not arithmetic.
        plural: As the routes and lists name them; `name` and "s" by default.

    Raises:
        ValueError: The declaration contradicts itself.
    """

    name: str
    _: KW_ONLY
    table: str
    path: str
    fields: tuple[Field, ...]
    read: str
    write: str
    scope: Literal["owner", "shared"] = "owner"
    events: str | None = None
    max_rows: int = 1_000
    plural: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        if not self.plural:
            object.__setattr__(self, "plural", f"{self.name}s")
        names = [field.name for field in (*SYSTEM_FIELDS, *self.fields)]
        for name in (self.name, self.table, *names):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} must be snake case and at most 40 characters")
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"resource {self.name} must have one field {twice!r} only")
        if sum(field.unique for field in self.fields) > 1:
            raise ValueError(f"resource {self.name} must have one unique field at most")
        for field in self.fields:
            if field.unique and (field.nullable or not isinstance(field, Text)):
                raise ValueError(f"unique field {field.name!r} must be a text that is never null")

    @property
    def key(self) -> Field | None:
        """The field that is unique in the scope."""
        return next((field for field in self.fields if field.unique), None)

    @property
    def title(self) -> str:
        """`SavedFilter` for `saved_filter`."""
        return "".join(part.capitalize() for part in self.name.split("_"))

    @property
    def words(self) -> str:
        """`saved filter` for `saved_filter`: as messages name one."""
        return self.name.replace("_", " ")

    @property
    def stored(self) -> tuple[Field, ...]:
        """The fields that are columns, in their order: all but the secrets."""
        own = (field for field in self.fields if not isinstance(field, Secret))
        return (*SYSTEM_FIELDS, *own)

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the fields that are stored apart."""
        return frozenset(field.name for field in self.fields if isinstance(field, Secret))

    def field(self, name: str) -> Field:
        """A stored field by its name.

        Raises:
            InvalidInput: There is none.
        """
        found = next((field for field in self.stored if field.name == name), None)
        if found is None:
            known = ", ".join(field.name for field in self.stored)
            raise InvalidInput(f"field {name[:40]!r} does not exist; there are {known}")
        return found
