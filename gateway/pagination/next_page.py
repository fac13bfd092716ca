"""Where a list goes on after one page: the parameters of the next one.

By ``link`` the service says the next page's URL, whose query becomes parameters: nothing but the
method's own path on its own base URL is ever called. By ``cursor`` it says one parameter's next
value. By ``page`` and ``offset`` we count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from gateway.bodies.json import MISSING
from gateway.catalog.model import Method, Param, kind_of
from gateway.catalog.pagination import Pagination
from gateway.catalog.params.styles import STYLE_KEYS
from gateway.errors import BadResponse
from gateway.http_messages import DEFAULT_PORTS, HttpRequest, HttpResponse
from gateway.messages import Page
from gateway.pagination.coercion import coerce, to_number, whole_number
from gateway.pagination.links import link_target
from gateway.pagination.places import items_at, look_up
from gateway.values import value
from schemas.catalog.params import value_problems

Params = Mapping[str, object]
MAX_CURSOR_CHARACTERS = 8192  # as of any header or line that we take
_FALSY = (None, False, 0, "", "0", "false", "False")  # of a cursor, and of whether there is more


@value
class PageSource:
    """One page as it was asked for and answered.

    :param reply: the whole reply, of which the envelope took ``data``.
    """

    request: HttpRequest
    response: HttpResponse
    reply: Any
    data: Any

    def at(self, place: str | None) -> Any:
        """Return what stands at a place; ``MISSING`` where nothing does."""
        if place is None:
            return MISSING
        return look_up(self.response, self.reply, place)


ReadPage = Callable[[Params, PageSource], Page]


def make_page_reader(method: Method) -> ReadPage | None:
    """Return what reads off a page how its list goes on; None of a method that has no pages.

    It raises ``BadResponse`` where the answer has not what the declaration says.
    """
    pagination = method.paginate
    if pagination is None:
        return None
    next_params = _STRATEGIES[pagination.by](method, pagination).next_params

    def read_page(params: Params, source: PageSource) -> Page:
        return Page(next_params(params, source), len(source.response.body))

    return read_page


class _Strategy:
    """Finds the parameters of the next page; a subclass for each ``by``."""

    def __init__(self, method: Method, pagination: Pagination) -> None:
        self._pagination = pagination
        self._method = method
        self._keywords = {param.name: param.keywords for param in method.params}

    def next_params(self, params: Params, source: PageSource) -> dict[str, object] | None:
        """Return the parameters of the next page; None where this is the last one."""
        raise NotImplementedError

    def _coerce(self, name: str, value: object) -> object:
        """Return what a service says for a parameter, as the parameter's type."""
        keywords = self._keywords[name]
        coerced = self._coerce_to(keywords.get("type", ""), name, value)
        if value_problems(keywords, coerced):
            raise BadResponse(detail=f"what the next page has for {name} is not allowed there")
        return coerced

    def _coerce_to(self, kind: str, name: str, value: object) -> object:
        coerced = coerce(kind, value)
        if coerced is MISSING:
            raise BadResponse(detail=f"what the next page has for {name} is of another type")
        return coerced

    def _more(self, source: PageSource) -> bool | None:
        """Return whether the service says that another page follows; None where it does not say."""
        more = source.at(self._pagination.more)
        if more is MISSING:
            return None
        return not _is_falsy(more)


class _ByCursor(_Strategy):
    def __init__(self, method: Method, pagination: Pagination) -> None:
        super().__init__(method, pagination)
        self._outer = ""
        self._inner = pagination.param
        if pagination.param not in self._keywords:
            self._outer, _, self._inner = pagination.param.partition(".")

    def next_params(self, params: Params, source: PageSource) -> dict[str, object] | None:
        pagination = self._pagination
        cursor = source.at(pagination.cursor)
        more = self._more(source)
        if more is False:
            return None
        if cursor is MISSING or _is_falsy(cursor):
            if more:
                raise BadResponse(detail=f"more pages, but no cursor at {pagination.cursor}")
            return None
        if isinstance(cursor, str) and len(cursor) > MAX_CURSOR_CHARACTERS:
            raise BadResponse(detail=f"the cursor is over {MAX_CURSOR_CHARACTERS} characters")
        if not self._outer:
            return {**params, self._inner: self._coerce(self._inner, cursor)}
        outer = params.get(self._outer)
        inner = outer if isinstance(outer, dict) else {}
        return {**params, self._outer: {**inner, self._inner: cursor}}


class _ByNumber(_Strategy):
    """Counts pages, or with ``by: offset`` items."""

    def __init__(self, method: Method, pagination: Pagination) -> None:
        super().__init__(method, pagination)
        self._is_xml = kind_of(method.response) == "xml"

    def next_params(self, params: Params, source: PageSource) -> dict[str, object] | None:
        pagination = self._pagination
        count = len(items_at(source.data, pagination.items, is_xml=self._is_xml))
        step = count if pagination.by == "offset" else 1
        current = whole_number(params.get(pagination.param, pagination.first_number))
        if current is MISSING:
            raise BadResponse(detail=f"{pagination.param} is no whole number")
        next_number = current + step
        if self._is_last(params, source, count, next_number):
            return None
        return {**params, pagination.param: self._coerce(pagination.param, next_number)}

    def _is_last(self, params: Params, source: PageSource, count: int, next_number: int) -> bool:
        pagination = self._pagination
        if count == 0 and pagination.by == "offset":
            return True
        more = self._more(source)
        if more is not None:
            return not more
        total = to_number(source.at(pagination.total))
        if total is not MISSING:
            return bool(next_number - pagination.first_number >= total)
        size = to_number(params.get(pagination.size_param or "", MISSING))
        return count == 0 or (size is not MISSING and count < size)


class _ByLink(_Strategy):
    def __init__(self, method: Method, pagination: Pagination) -> None:
        super().__init__(method, pagination)
        self._hosts = {_host(url) for url in method.service.all_base_urls}
        in_query = [param for param in method.params if _is_plain(param)]
        self._in_query = frozenset(param.name for param in in_query)
        self._required = frozenset(
            param.name for param in in_query if param.keywords["required"] is True
        )

    def next_params(self, params: Params, source: PageSource) -> dict[str, object] | None:
        target = self._target(source)
        if not target:
            return None
        try:
            same_host = self._is_of_service(target, source.request)
            query = urlsplit(target).query
        except ValueError as error:
            raise BadResponse(detail="the next page's URL is none") from error
        if not same_host:
            raise BadResponse(detail="the next page's URL is on another host than base_url")
        return self._params_of(query, params, source.request)

    def _target(self, source: PageSource) -> str | None:
        place = self._pagination.url
        if place is None:
            return link_target(source.response.headers.get("link", ""), "next")
        target = source.at(place)
        if target is MISSING or target is None:
            return None
        if not isinstance(target, str):
            raise BadResponse(detail=f"the next page's URL at {place} is no text")
        return target

    def _is_of_service(self, target: str, request: HttpRequest) -> bool:
        """Return whether a URL, which may be relative, is on the service's host.

        Not by which scheme: behind a proxy services write ``http`` of themselves.
        """
        if not urlsplit(target).netloc:
            return urlsplit(target).scheme == ""
        return _host(target) in self._hosts or _host(target) == _host(request.base_url)

    def _params_of(self, query: str, params: Params, request: HttpRequest) -> dict[str, object]:
        """Return what the next page's query says; what it does not name is no longer sent.

        Parameters that are written otherwise than by their name stay as they are.
        """
        sent = _group(request.query)
        next_params: dict[str, object] = {
            name: value
            for name, value in params.items()
            if name not in self._in_query or name in self._required
        }
        for name, texts in _group(parse_qsl(query, keep_blank_values=True)).items():
            if name not in self._in_query:
                if name not in sent:
                    raise BadResponse(
                        detail=f"the next page's URL has {name[:64]}, which is not one of the"
                        " method's params in its query; declare it"
                    )
            elif name in params and texts == sent.get(name):
                next_params[name] = params[name]
            elif self._keywords[name].get("type") == "array":
                kind = self._keywords[name].get("items", {}).get("type", "")
                next_params[name] = [self._coerce_to(kind, name, text) for text in texts]
            else:
                next_params[name] = self._coerce(name, texts[0])
        return next_params


def _is_plain(param: Param) -> bool:
    """Return whether a parameter stands in the query by its name, with its value."""
    keywords = param.keywords
    return (
        param.place == "query"
        and keywords.get("type") not in ("object", None)
        and not any(key in keywords for key in STYLE_KEYS)
    )


def _group(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, text in pairs:
        groups.setdefault(name, []).append(text)
    return groups


def _host(url: str) -> tuple[str, int | None]:
    """Return a URL's host with its port, where that is not its scheme's own.

    :raises ValueError: it is no URL.
    """
    parts = urlsplit(url)
    port = parts.port
    if port == DEFAULT_PORTS.get(parts.scheme):
        port = None
    return (parts.hostname or "").rstrip("."), port


def _is_falsy(value: object) -> bool:
    return not isinstance(value, dict | list) and value in _FALSY


_STRATEGIES: Mapping[str, type[_Strategy]] = {
    "link": _ByLink,
    "cursor": _ByCursor,
    "page": _ByNumber,
    "offset": _ByNumber,
}
