"""Admin lists of tables that grow without limit. No page of such a list reads the whole table.

Django's own lists count all rows, sort by any column, and search every column for a part of the text.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

MOST_LISTED = 10_000
MOST_OWNERS = 50


class FirstRows(Paginator):  # type: ignore[type-arg]
    """Pages of the first MOST_LISTED rows. Filters and the search lead to the others."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        # The order is left out: without it, counting can stop after MOST_LISTED rows of any index.
        return int(rows.order_by().values("pk")[:MOST_LISTED].count())


class LargeList(admin.ModelAdmin):  # type: ignore[type-arg]
    """For the classes of large tables, before their other base classes.

    `search_exactly`: lookups that find all rows, each with a separate index. `owner_field`: the foreign key to a row
    with an id and a name, also searched. A search that finds nothing this way looks for a part of `search_fields` in
    the newest MOST_LISTED rows. `ordering`, the newest first, needs an index, and so does each column in `sortable_by`.
    """

    paginator = FirstRows
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by: ClassVar[Any] = ()
    search_exactly: tuple[str, ...] = ()
    owner_field = "workspace"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip().replace("\0", "")
        if not text:
            return queryset, False
        exact = Q(**{f"{self.owner_field}__in": self._owners(text)})
        name = text.removeprefix("@").removeprefix("#")
        for lookup in self.search_exactly:
            exact |= self._exact(lookup, name)
        # One query decides, so that a page of exact results isn't mixed with others.
        if self.model._default_manager.filter(exact).order_by().values("pk")[:1]:
            return queryset.filter(exact), False
        return super().get_search_results(request, self._newest(queryset), text)

    def _newest(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the newest MOST_LISTED rows of the table. None if the list has no order by time."""
        if not self.ordering:
            return queryset.none()
        # A limit for a range of the index. The rows themselves in a subquery would make the planner read the table.
        column = str(self.ordering[0]).removeprefix("-")
        times = self.model._default_manager.filter(**{f"{column}__isnull": False}).order_by(f"-{column}")
        oldest = times.values_list(column, flat=True)[MOST_LISTED - 1 : MOST_LISTED]
        return queryset.filter(**{f"{column}__gte": first for first in oldest})

    def _exact(self, lookup: str, name: str) -> Q:
        if not self.model._meta.get_field(lookup.partition("__")[0]).one_to_many:
            return Q(**{lookup: name})
        # A join would repeat rows.
        found = self.model._default_manager.filter(**{lookup: name}).order_by().values_list("pk", flat=True)
        return Q(pk__in=list(found[:MOST_OWNERS]))

    def _owners(self, text: str) -> list[Any]:
        owners = self.model._meta.get_field(self.owner_field).related_model._default_manager
        wanted = Q(name__icontains=text)
        with suppress(ValueError):
            wanted |= Q(pk=UUID(text))
        return list(owners.filter(wanted).order_by().values_list("pk", flat=True)[:MOST_OWNERS])


class IndexedValues(admin.AllValuesFieldListFilter):
    """Filters by the values in a column that an index begins with. The empty value is "none".

    Each value is one step in the index, instead of all rows for all values.
    """

    def __init__(self, field: Any, request: Any, params: Any, model: Any, *rest: Any, **named: Any) -> None:
        super().__init__(field, request, params, model, *rest, **named)
        self.lookup_choices: Any = ["", *values_of(model, field.column)]

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "none"}


def values_of(model: Any, column: str) -> list[str]:
    """The different values of a text column, without the empty one. Has the form of an index with that condition."""
    table = model._meta.db_table
    sql = (
        f'WITH RECURSIVE step(v) AS (SELECT min("{column}") FROM "{table}" WHERE "{column}" <> %s UNION ALL '  # noqa: S608
        f'SELECT (SELECT min("{column}") FROM "{table}" WHERE "{column}" <> %s AND "{column}" > step.v) '
        "FROM step WHERE step.v IS NOT NULL) SELECT v FROM step WHERE v IS NOT NULL"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, ["", ""])
        return [value for (value,) in cursor.fetchall()]
