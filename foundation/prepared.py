"""Queries whose SQL Django writes only once per process.

Django needs longer to write a query than PostgreSQL to answer it, and a worker makes the same few for every refresh.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

Row = TypeVar("Row")

# Two values of each kind: the parameters in which two queries differ are those that a caller's value replaces.
_EXAMPLES: dict[type, tuple[Any, Any]] = {
    UUID: (UUID(int=1), UUID(int=2)),
    str: ("a", "b"),
    datetime: (datetime(2001, 1, 1, tzinfo=UTC), datetime(2002, 2, 2, tzinfo=UTC)),
}


@dataclass(frozen=True, slots=True)
class _Plan:
    queryset: QuerySet[Any, Any]
    compiler: Any
    sql: str
    params: tuple[Any, ...]
    places: dict[str, tuple[int, ...]]  # of each value among the parameters


class Prepared(Generic[Row]):
    """`build(**values)` is the queryset. `kinds`: the values' types; the SQL may depend on nothing else.

    Values are passed to the database as they are, without the checks of the model's fields.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Row]], **kinds: type) -> None:
        self._build = build
        self._kinds = kinds
        self._plan: _Plan | None = None

    def rows(self, **values: Any) -> list[Row]:
        """The rows for these values."""
        connection = connections[DEFAULT_DB_ALIAS]
        plan = self._plan or self._prepare()
        params = list(plan.params)
        for name, places in plan.places.items():
            given = _adapted(values[name], connection)
            for place in places:
                params[place] = given
        compiler = copy.copy(plan.compiler)
        compiler.connection = connection
        compiler.as_sql = lambda: (plan.sql, tuple(params))
        iterable: Any = plan.queryset._iterable_class
        rows: list[Row] = list(iterable(_Bound(compiler)))
        return rows

    def first(self, **values: Any) -> Row | None:
        """The first row for these values, or None."""
        return next(iter(self.rows(**values)), None)

    def _prepare(self) -> _Plan:
        examples = {name: _EXAMPLES[kind][0] for name, kind in self._kinds.items()}
        queryset = self._build(**examples)
        compiler, sql, params = _compiled(queryset)
        places = {}
        for name, kind in self._kinds.items():
            _, _, changed = _compiled(self._build(**{**examples, name: _EXAMPLES[kind][1]}))
            places[name] = tuple(
                place for place, pair in enumerate(zip(params, changed, strict=True)) if pair[0] != pair[1]
            )
        self._plan = _Plan(queryset, compiler, sql, params, places)
        return self._plan


class _Bound:
    """What Django's iterables ask of a queryset and its query."""

    def __init__(self, compiler: Any) -> None:
        self._compiler = compiler
        self.db = compiler.using
        self.query = self
        self._known_related_objects: dict[Any, Any] = {}

    def get_compiler(self, *_: Any, **__: Any) -> Any:
        return self._compiler


def _compiled(queryset: QuerySet[Any, Any]) -> tuple[Any, str, tuple[Any, ...]]:
    compiler = queryset.query.get_compiler(using=DEFAULT_DB_ALIAS)
    sql, params = compiler.as_sql()
    return compiler, sql, tuple(params)


def _adapted(value: Any, connection: BaseDatabaseWrapper) -> Any:
    """The value as this database's parameter, as the model's fields would make it."""
    if isinstance(value, UUID):
        return value if connection.features.has_native_uuid_field else value.hex
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value
