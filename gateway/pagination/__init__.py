"""Pages of a service's lists: where the next one is, read off an answer.

A method's ``paginate`` says how; ``gateway.middleware.paginate`` gathers them::

    read_page = make_page_reader(method)
    page = read_page(call.params, PageSource(request, response, reply, data))
"""

from gateway.pagination.next_page import PageSource, ReadPage, make_page_reader
from gateway.pagination.places import ReplyReader, items_at

__all__ = ["PageSource", "ReadPage", "ReplyReader", "items_at", "make_page_reader"]
