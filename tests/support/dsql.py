"""What Aurora DSQL takes, as its manual has it (November 2026), asked of PostgreSQL's own parser.

Loaded as a plugin it looks at every statement that any test runs on PostgreSQL: one that DSQL would
refuse fails the test that ran it. So nothing that is tested can be missed.

    docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-postgresql-compatibility.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from pglast import ast, parse_sql
from pglast.enums import AlterTableType, ConstrType, ObjectType, SortByDir, TransactionStmtKind
from pglast.parser import ParseError
from pglast.visitors import Visitor
from sqlalchemy import Connection, Engine, event

TYPES = frozenset(
    {"text", "varchar", "bpchar", "int2", "int4", "int8", "float4", "float8", "numeric", "bool"}
    | {"date", "time", "timestamp", "timestamptz", "interval", "bytea", "uuid"}
)
"""Types of columns. JSON is none that we may count on: it stands in a text."""
KEY_COLUMNS = 8
_CONSTRAINTS = {
    ConstrType.CONSTR_NOTNULL,
    ConstrType.CONSTR_NULL,
    ConstrType.CONSTR_DEFAULT,
    ConstrType.CONSTR_CHECK,
    ConstrType.CONSTR_PRIMARY,
    ConstrType.CONSTR_UNIQUE,
}
_DATA = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt)
_SESSION = (ast.VariableShowStmt, ast.VariableSetStmt)
_TRANSACTION = {
    TransactionStmtKind.TRANS_STMT_BEGIN,
    TransactionStmtKind.TRANS_STMT_COMMIT,
    TransactionStmtKind.TRANS_STMT_ROLLBACK,
}
_OF_TESTS = re.compile(r"^\s*(VACUUM|ANALYZE|EXPLAIN)\b|pg_catalog")
"""How tests prepare a server and look into it; what SQLAlchemy asks the catalogue, DSQL answers."""
_ASYNC = re.compile(r"^(\s*CREATE (?:UNIQUE )?INDEX) ASYNC\b")


class Refused(AssertionError):
    """DSQL would not take the statement."""


def is_ddl(statement: str) -> bool:
    """Whether it changes the schema."""
    return re.match(r"\s*(CREATE|ALTER|DROP)\b", statement) is not None


def plain(statement: str) -> str:
    """`statement` as PostgreSQL takes it: it builds indexes at once, and knows no ASYNC."""
    return _ASYNC.sub(r"\1", statement)


@cache
def check(statement: str) -> None:
    """Look at one statement, with psycopg's placeholders.

    Raises:
        Refused: It lies outside the subset.
    """
    numbered = re.sub(r"%\(\w+\)s|%s", "$1", plain(statement)).replace("%%", "%")
    try:
        (raw,) = parse_sql(numbered)
    except ParseError:
        return  # no SQL at all: the server says so itself
    try:
        _check(raw.stmt)
        _Expressions()(raw.stmt)
    except Refused as refused:
        raise Refused(f"Aurora DSQL takes no {refused}: {statement[:300]}") from None


def _check(node: Any) -> None:
    match node:
        case ast.CreateStmt():
            _table(node)
        case ast.IndexStmt():
            _index(node)
        case ast.AlterTableStmt():
            for command in node.cmds:
                _alter(command)
        case ast.DropStmt():
            if node.removeType not in (ObjectType.OBJECT_TABLE, ObjectType.OBJECT_INDEX):
                raise Refused(f"DROP of a {node.removeType.name}")
        case ast.TransactionStmt():
            if node.kind not in _TRANSACTION:
                raise Refused(node.kind.name)
        case _ if not isinstance(node, _DATA + _SESSION):
            raise Refused(type(node).__name__)


def _table(node: ast.CreateStmt) -> None:
    if node.relation.relpersistence != "p":
        raise Refused("temporary or unlogged table")
    if node.inhRelations or node.partspec or node.partbound or node.tablespacename:
        raise Refused("inheritance, partition or tablespace")
    for element in node.tableElts or ():
        if isinstance(element, ast.Constraint):
            _constraint(element)
        else:
            _column(element)


def _column(node: ast.ColumnDef) -> None:
    name = node.typeName.names[-1].sval
    if name not in TYPES:
        raise Refused(f"column of type {name}")
    if node.collClause or node.typeName.arrayBounds:
        raise Refused("collation or array")
    for constraint in node.constraints or ():
        _constraint(constraint)


def _constraint(node: ast.Constraint) -> None:
    if node.contype not in _CONSTRAINTS:
        raise Refused(node.contype.name)
    if len(node.keys or ()) > KEY_COLUMNS:
        raise Refused(f"key of more than {KEY_COLUMNS} columns")


def _index(node: ast.IndexStmt) -> None:
    if node.whereClause or node.concurrent or node.tableSpace or node.options:
        raise Refused("partial or concurrent index, or options of one")
    if node.accessMethod != "btree":
        raise Refused(f"index of kind {node.accessMethod}")
    if len(node.indexParams) > KEY_COLUMNS:
        raise Refused(f"index of more than {KEY_COLUMNS} columns")
    for part in node.indexParams:
        if part.expr is not None or part.collation or part.opclass:
            raise Refused("index on an expression, collation or operator class")
        if part.ordering != SortByDir.SORTBY_DEFAULT:
            raise Refused("index with ASC or DESC")


def _alter(node: ast.AlterTableCmd) -> None:
    if node.subtype == AlterTableType.AT_AddColumn:
        _column(node.def_)
        if node.def_.constraints:
            raise Refused("ADD COLUMN with a constraint or default")
    elif node.subtype != AlterTableType.AT_DropColumn:
        raise Refused(node.subtype.name)


# The methods' names are those of the parser's nodes.
# ruff: noqa: N802
class _Expressions(Visitor):  # type: ignore[misc]
    """Looks at everything inside a statement."""

    def visit_TypeCast(self, _: Any, node: ast.TypeCast) -> None:
        name = node.typeName.names[-1].sval
        if name not in TYPES | {"regclass", "oid", "name"}:
            raise Refused(f"cast to {name}")

    def visit_A_Expr(self, _: Any, node: ast.A_Expr) -> None:
        if node.name and any(sign in node.name[-1].sval for sign in ("->", "#>", "@>", "<@", "@@")):
            raise Refused(f"operator {node.name[-1].sval}")

    def visit_FuncCall(self, _: Any, node: ast.FuncCall) -> None:
        name = node.funcname[-1].sval
        if name.startswith(("json", "nextval", "currval", "setval", "pg_advisory", "lo_")):
            raise Refused(f"function {name}()")

    def visit_LockingClause(self, _: Any, node: ast.LockingClause) -> None:
        if node.waitPolicy.name != "LockWaitBlock":
            raise Refused("SKIP LOCKED or NOWAIT")

    def visit_RangeTableSample(self, _: Any, node: Any) -> None:
        raise Refused("TABLESAMPLE")


@pytest.fixture(scope="session", autouse=True)
def _only_what_dsql_takes() -> Iterator[None]:
    def look(connection: Connection, _k: object, statement: str, *_: object) -> None:
        if connection.dialect.name == "postgresql" and not _OF_TESTS.search(statement):
            check(statement)

    event.listen(Engine, "before_cursor_execute", look)
    yield
    event.remove(Engine, "before_cursor_execute", look)
