"""A caller's own request, as a service gets it."""

from __future__ import annotations

import os
from urllib.parse import parse_qsl, urlsplit

from gateway.catalog.model import Method
from gateway.errors import fields_error
from gateway.http.headers import group_by_name, join_values
from gateway.http_messages import HttpRequest, without_headers
from gateway.messages import Call
from gateway.passthrough.sender import NO_REQUEST
from gateway.streams import Pairs


class ProxiedRequestBuilder:
    """Turns a caller's request into the same one to another URL, with what a declaration adds.

    :param signed: the credential depends on the query, and on header lines as one.
    """

    def __init__(self, method: Method, *, signed: bool) -> None:
        self._reads_body = method.service.rewrites_body
        self._headers = {name.lower(): (name, value) for name, value in method.headers.items()}
        self._query = tuple(method.query.items())
        self._signed = signed

    def build(self, call: Call, base_url: str, at: float) -> HttpRequest:
        """Return the request of one attempt, with a nonce of its own.

        :param at: Unix seconds.
        """
        inbound = call.inbound or NO_REQUEST
        headers, lines = self._join_headers(inbound.headers)
        headers["X-Request-ID"] = call.request_id
        headers |= call.context.headers(call.trace.attempts[-1].span_id)
        if self._reads_body:
            headers = without_headers(headers, ("accept-encoding",))
            headers["Accept-Encoding"] = "identity"
        query = self._query
        raw_query = inbound.query
        if self._signed:
            query = _pairs(inbound.query or "") + query
            raw_query = None
            lines = {}
        return HttpRequest(
            inbound.verb,
            base_url,
            inbound.path or ("" if urlsplit(base_url).path else "/"),
            query,
            headers,
            at=at,
            nonce=os.urandom(16).hex(),
            upload=inbound.body,
            raw_query=raw_query,
            lines=lines,
        )

    def _join_headers(
        self, pairs: Pairs
    ) -> tuple[dict[str, str], dict[tuple[str, str], tuple[str, ...]]]:
        """Return the declared headers and the caller's own, and the lines of those in several."""
        groups = group_by_name(pairs)
        headers = dict([pair for lower, pair in self._headers.items() if lower not in groups])
        lines = {}
        for lower, (name, *values) in groups.items():
            headers[name] = values[0]
            if len(values) > 1:
                headers[name] = join_values(name, values)
                if lower != "cookie":  # of which there is one line (RFC 6265, 5.4)
                    lines[name, headers[name]] = tuple(values)
        return headers, lines


def _pairs(query: str) -> Pairs:
    try:
        return tuple(parse_qsl(query, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError as error:
        raise fields_error("query", ["Must be UTF-8 where it is signed."]) from error
