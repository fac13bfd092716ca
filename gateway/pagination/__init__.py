"""Pages of a service's lists: where the next one is, read off an answer.

A method's ``paginate`` says how; ``gateway.middleware.paginate`` gathers them::

    read_page = make_page_reader(method)
    page = read_page(call.params, PageSource(request, response, reply, data))
"""

from gateway.pagination.next_page import PageSource as PageSource
from gateway.pagination.next_page import ReadPage as ReadPage
from gateway.pagination.next_page import make_page_reader as make_page_reader
from gateway.pagination.places import ReplyReader as ReplyReader
from gateway.pagination.places import items_at as items_at
