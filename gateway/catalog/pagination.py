"""How a method's list goes on from one page to the next."""

from __future__ import annotations

from dataclasses import dataclass

MAX_PAGES = 1000
DEFAULT_MAX_PAGES = 10


@dataclass(frozen=True, slots=True)
class Pagination:
    """A method's ``paginate``.

    A place is a dotted path in the service's whole reply, or ``header:NAME``.

    :param items: the dotted path of the list in the data that callers get; empty where the data is
        the list.
    :param max_pages: those that one call gathers.
    :param param: the parameter that says which page; of an object, ``variables.after``.
    :param size_param: the parameter that says how many items a page has: with fewer it is the last.
    :param first: what ``param`` is for the first page; None for 1 with ``by: page``, else 0.
    :param cursor: the place of what ``param`` is for the next page.
    :param url: the place of the next page's URL; None for the ``Link`` header.
    :param more: the place of what says whether there is a next page.
    :param total: the place of how many items, or with ``by: page`` pages, there are.
    """

    by: str
    items: str = ""
    max_pages: int = DEFAULT_MAX_PAGES
    param: str = ""
    size_param: str | None = None
    first: int | None = None
    cursor: str = ""
    url: str | None = None
    more: str | None = None
    total: str | None = None

    @property
    def first_number(self) -> int:
        if self.first is not None:
            return self.first
        return 1 if self.by == "page" else 0

    @property
    def counts(self) -> bool:
        """Whether the next page's number is worked out here."""
        return self.by in ("page", "offset")
