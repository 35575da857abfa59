"""BigQuery's SQL as DuckDB runs it: `sqlglot`, which knows both, reads and respells it. What it cannot read is refused."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

AS_IT_IS = "/* duckdb */"
"""A statement that begins so is in DuckDB's dialect."""
STREAMED = "_streamed_at"
"""Hidden column of a stored table: seconds since 1970 when the row came through the Storage Write API; else nothing."""
STORED = "stored"
"""Schema of the stored tables; what queries see are views of them, without the hidden column."""
_KINDS: Mapping[type[exp.Expr], str] = {
    exp.Select: "SELECT",
    exp.SetOperation: "SELECT",
    exp.Insert: "INSERT",
    exp.Update: "UPDATE",
    exp.Delete: "DELETE",
    exp.Merge: "MERGE",
    exp.Transaction: "BEGIN_TRANSACTION",
    exp.Commit: "COMMIT_TRANSACTION",
    exp.Rollback: "ROLLBACK_TRANSACTION",
}
_CHANGES = ("UPDATE", "DELETE", "MERGE")


class QueryError(Exception):
    """Becomes the answer of the REST interface."""

    def __init__(self, message: str, reason: str = "invalidQuery", status: int = 400) -> None:
        super().__init__(message)
        self.message, self.reason, self.status = message, reason, status


class Statement(NamedTuple):
    """`kind`: as BigQuery names it. `target`: table that is changed. `sql`: for DuckDB; `parameters`: those it mentions."""

    kind: str
    target: str | None
    sql: str
    parameters: frozenset[str]

    @property
    def changes(self) -> bool:
        """Rows that are there."""
        return self.kind in _CHANGES


class Script(NamedTuple):
    statements: tuple[Statement, ...]
    tables: tuple[str, ...]

    @property
    def kind(self) -> str:
        return self.statements[0].kind if len(self.statements) == 1 else "SCRIPT"


Resolve = Callable[[exp.Table], str]
"""Name of the table that is meant. Raises QueryError."""


def resolver(names: Mapping[str, Any], dataset: str | None, default: str | None) -> Resolve:
    """`dataset`: the only one there is; None: names may call it anything."""

    def resolve(table: exp.Table) -> str:
        called = table.db or default
        whole = ".".join(part for part in (table.catalog, called, table.name) if part)
        if dataset is not None and called is None:
            raise QueryError(f'Table "{table.name}" must be qualified with a dataset (e.g. dataset.table).')
        if table.name not in names or (dataset is not None and called != dataset):
            raise QueryError(f"Not found: Table {whole} was not found in location US", "notFound", 404)
        return table.name

    return resolve


def read(sql: str, resolve: Resolve, fields: Callable[[str], list[str]]) -> Script:
    """`fields`: columns of a table, for inserts that name none. Raises QueryError."""
    try:
        if any(token.token_type is TokenType.DCOLON for token in BigQuery().tokenize(sql)):
            raise QueryError('Syntax error: Unexpected ":"')
        trees = [tree for tree in sqlglot.parse(sql, read="bigquery") if tree is not None]
    except SqlglotError as problem:
        raise QueryError(f"Syntax error: {str(problem).splitlines()[0]}") from problem
    if not trees:
        raise QueryError("Syntax error: Unexpected end of statement")
    found: dict[str, None] = {}
    return Script(tuple(_statement(tree, resolve, fields, found) for tree in trees), tuple(found))


def _statement(tree: exp.Expr, resolve: Resolve, fields: Callable[[str], list[str]], found: dict[str, None]) -> Statement:
    kind = next((name for about, name in _KINDS.items() if isinstance(tree, about)), None)
    if kind is None:
        raise QueryError(f"the stand-in for BigQuery does not run {type(tree).__name__.upper()}")
    if unknown := next((each.name for each in tree.find_all(exp.Anonymous)), None):
        raise QueryError(f"Function not found: {unknown}")
    if kind in ("UPDATE", "DELETE") and tree.args.get("where") is None:
        raise QueryError(f"{kind} must have a WHERE clause")
    target = _target(tree) if kind in ("INSERT", *_CHANGES) else None
    for table in list(_tables(tree)):
        found[name := resolve(table)] = None
        where = exp.to_identifier(STORED) if table is target else None
        alias = table.args.get("alias") or (
            None if kind == "INSERT" and table is target else exp.TableAlias(this=exp.to_identifier(name))
        )
        table.replace(changed := exp.Table(this=exp.to_identifier(name), db=where, alias=alias, joins=table.args.get("joins")))
        target = changed if table is target else target
    if isinstance(tree, exp.Insert) and isinstance(tree.this, exp.Table):
        columns = [exp.to_identifier(column, quoted=True) for column in fields(tree.this.name)]
        tree.set("this", exp.Schema(this=tree.this, expressions=columns))
    parameters = frozenset(each.name for each in tree.find_all(exp.Parameter))
    spelled = tree.transform(_respelled).sql("duckdb")
    if kind in _CHANGES:
        spelled += f" RETURNING {STREAMED}"
    return Statement(kind, None if target is None else target.name, spelled, parameters)


def _target(tree: exp.Expr) -> exp.Table:
    found = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not isinstance(found, exp.Table):
        raise QueryError("Syntax error: no table to change")
    return found


def _tables(tree: exp.Expr) -> Iterator[exp.Table]:
    """But not what WITH defines."""
    defined = {each.alias for each in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and (table.db or table.name not in defined):
            yield table


def _respelled(node: exp.Expr) -> exp.Expr:
    """`x IN UNNEST(list)` in a form DuckDB is fast with."""
    if isinstance(node, exp.In) and (unnest := node.args.get("unnest")) is not None:
        items = exp.select(exp.func("UNNEST", *unnest.expressions))
        return exp.In(this=node.this, query=items.subquery())
    return node
