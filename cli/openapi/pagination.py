"""How an operation's list goes on, as a method's ``paginate``.

By a generator's extension; by a declared ``Link`` header; or by a parameter and a field of the
answer that belong together, such as ``cursor`` and ``next_cursor``. Descriptions are not read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cli.openapi.answers import Answers
from cli.openapi.merging import Merger, type_of
from cli.openapi.pagination_extensions import EXTENSIONS
from cli.openapi.source import Spec, UnsayableError, mapping_in

MAX_FIELDS = 300  # of an answer, that are looked at
MAX_LEVELS = 3
Values = Mapping[str, Any]
Keys = dict[str, Any]

#: By a field that has a cursor, the parameters that may take it; both without case and signs.
_CURSORS: Mapping[str, tuple[str, ...]] = {
    "nextcursor": ("cursor", "startcursor", "nextcursor", "pagecursor", "after"),
    "endcursor": ("after", "cursor"),
    "nextpagetoken": ("pagetoken", "nextpagetoken"),
    "pagetoken": ("pagetoken",),
    "nexttoken": ("nexttoken",),
    "nextmarker": ("marker",),
    "nextcontinuationtoken": ("continuationtoken",),
    "continuationtoken": ("continuationtoken",),
    "after": ("after", "pageafter"),
    "lastid": ("afterid", "after"),
    "continue": ("continue",),
    "nextpage": ("page",),
}
_STARTING_AFTER = "startingafter"  # takes the last item's id
_PAGES = ("page", "pagenumber", "pageno", "pagenum", "pageindex")
_OFFSETS = ("offset", "skip", "startat", "startindex", "start")
_MORE = ("hasmore", "hasnext", "hasnextpage", "more")
_TOTAL_PAGES = ("totalpages", "pagecount", "lastpage", "numpages", "pagestotal")
_TOTALS = ("total", "totalcount", "totalresults", "totalitems", "totalrecords")
_URLS = ("next", "nextlink", "nexturl", "nextpageurl", "odatanextlink")
_URL_PLACES = ("links.next", "_links.next.href", "paging.next")
_LISTS = ("data", "items", "results", "value", "values", "records", "entries", "list")
_NO_LISTS = ("errors", "warnings", "included", "links")
_PAGING = frozenset(
    {_STARTING_AFTER, *_PAGES, *_OFFSETS, "perpage", "pagesize"}.union(*_CURSORS.values())
)


class Paginations:
    """Finds how operations' lists go on."""

    def __init__(self, spec: Spec, answers: Answers) -> None:
        self._spec = spec
        self._answers = answers
        self._merger = Merger(spec, Counter())  # what it drops of answers is not told

    def find(self, operation: Values, params: Mapping[str, Values]) -> Keys | None:
        """Return ``paginate``; None where the file does not say it, or a catalog cannot.

        :param params: the method's, whose names and types are the catalog's.
        """
        usable = {name: keywords for name, keywords in params.items() if _can_change(keywords)}
        keys = self._by_extension(operation, usable)
        if keys is None and any(_plain(name) in _PAGING for name in usable):
            keys = self._by_answer(operation, usable)
        return keys if keys and all(map(_is_sayable, keys.values())) else None

    def _by_answer(self, operation: Values, usable: Mapping[str, Values]) -> Keys | None:
        response = next(self._answers.successes(operation), {})
        if any(str(name).lower() == "link" for name in mapping_in(response, "headers")):
            return {"by": "link"}
        fields = dict(self._fields(self._answers.schema(response)))
        return _by_fields(fields, usable)

    def _by_extension(self, operation: Values, params: Mapping[str, Values]) -> Keys | None:
        """Return what an extension says, empty where it says nothing usable; None without one."""
        for name, read in EXTENSIONS.items():
            extension = operation.get(name)
            if extension is True:
                extension = self._spec.root.get(name)
            if isinstance(extension, dict):
                keys = read(extension, params)
                return {key: value for key, value in keys.items() if value != ""}
        return None

    def _fields(self, schema: Any) -> Iterator[tuple[str, Values]]:
        """Yield an answer, then its fields by their dotted paths, the outer ones first."""
        level = [("", schema)]
        count = 0
        for _ in range(MAX_LEVELS + 1):
            inner = []
            for path, value in level:
                count += 1
                if count > MAX_FIELDS:
                    return
                try:
                    flat, _ = self._merger.flatten(value)
                except UnsayableError:
                    continue
                yield path, flat
                properties = mapping_in(flat, "properties")
                inner += [(f"{path}.{name}".lstrip("."), part) for name, part in properties.items()]
            level = inner


def _by_fields(fields: Mapping[str, Values], params: Mapping[str, Values]) -> Keys | None:
    """Return the first way for which the answer has a field and the operation a parameter."""
    items = _list_place(fields)
    if items is None:
        return None
    more = _first(fields, _MORE, "boolean")
    keys = (
        _by_cursor(fields, params)
        or _by_last_id(params, items, more)
        or _by_url(fields)
        or _by_page(fields, params)
        or _by_offset(fields, params)
    )
    if keys is None:
        return None
    if more and keys["by"] == "cursor":
        keys["more"] = more
    if items:
        keys["items"] = items
    return keys


def _by_cursor(fields: Mapping[str, Values], params: Mapping[str, Values]) -> Keys | None:
    for place, schema in fields.items():
        for name in params:
            takes = _plain(name) in _CURSORS.get(_last(place), ())
            if takes and type_of(schema) in ("string", "integer") and _says_next(place, name):
                return {"by": "cursor", "cursor": place, "param": name}
    return None


def _says_next(place: str, name: str) -> bool:
    """Tell a field with the parameter's next value from one that may repeat what was sent."""
    if _plain(name) != _last(place):
        return True
    return "next" in place.lower() or _last(place) in ("pagetoken", "continue")


def _by_last_id(params: Mapping[str, Values], items: str, more: str | None) -> Keys | None:
    name = _param(params, (_STARTING_AFTER,))
    if name is None or more is None:
        return None
    return {"by": "cursor", "cursor": f"{items}.-1.id".lstrip("."), "param": name}


def _by_url(fields: Mapping[str, Values]) -> Keys | None:
    for place, schema in fields.items():
        is_next_url = _last(place) in _URLS and schema.get("format") in ("uri", "url")
        is_usual = place.lower() in _URL_PLACES
        if (is_next_url or is_usual) and type_of(schema) == "string":
            return {"by": "link", "url": place}
    return None


def _by_page(fields: Mapping[str, Values], params: Mapping[str, Values]) -> Keys | None:
    name = _param(params, _PAGES)
    total = _first(fields, _TOTAL_PAGES, "integer")
    if name is None or total is None:
        return None
    return {"by": "page", "param": name, "total_pages": total, **_unusual_first(params[name], 0)}


def _by_offset(fields: Mapping[str, Values], params: Mapping[str, Values]) -> Keys | None:
    name = _param(params, _OFFSETS)
    total = _first(fields, _TOTALS, "integer")
    if name is None or total is None:
        return None
    return {"by": "offset", "param": name, "total": total, **_unusual_first(params[name], 1)}


def _unusual_first(schema: Values, number: int) -> Keys:
    """Return that a list begins at this number, where a parameter's schema says so."""
    begins_there = number in (schema.get("minimum"), schema.get("default"))
    return {"first": number} if begins_there else {}


def _can_change(keywords: Values) -> bool:
    """Return whether a parameter can say another page and need not be there on the first."""
    return keywords.get("type") in ("string", "integer") and keywords.get("required") is not True


def _is_sayable(value: object) -> bool:
    """Return whether a catalog reads a key's value as it is meant."""
    return isinstance(value, int) or bool(re.fullmatch(r"[^\s{}]{1,200}", str(value)))


def _plain(name: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def _last(place: str) -> str:
    """Return the last name of a path; a key such as ``@odata.nextLink`` is one name."""
    if place.startswith("@"):
        return _plain(place)
    return _plain(place.rpartition(".")[2])


def _param(params: Mapping[str, Values], names: Iterable[str]) -> str | None:
    by_name = {_plain(name): name for name in params}
    return next((by_name[name] for name in names if name in by_name), None)


def _first(fields: Mapping[str, Values], names: Iterable[str], kind: str) -> str | None:
    """Return the outermost field with one of these names and of this type."""
    for place, schema in fields.items():
        if _last(place) in names and type_of(schema) == kind:
            return place
    return None


def _list_place(fields: Mapping[str, Values]) -> str | None:
    """Return where the answer has its list, "" where it is the list; None if that is not plain."""
    lists = [
        place
        for place, schema in fields.items()
        if type_of(schema) == "array" and _last(place) not in _NO_LISTS
    ]
    if "" in lists:
        return ""
    outer = [place for place in lists if "." not in place] or lists
    if len(outer) == 1:
        return outer[0]
    return next((place for place in outer if _last(place) in _LISTS), None)
