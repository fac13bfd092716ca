"""From a call's parameters to the unsigned request.

All that a method's declaration fixes is worked out at load.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from urllib.parse import quote

from gateway.bodies import BodyParams, PairWriter, make_writer, pair_writer, text_writer, to_text
from gateway.catalog.model import Method, Param
from gateway.catalog.params.place import IN_QUERY
from gateway.clock import Clock
from gateway.errors import fields_error
from gateway.http.paths import has_dot_segments, has_quoted_slash
from gateway.http_messages import HttpRequest
from gateway.messages import Call
from gateway.trace_context import new_span_id
from schemas.catalog.param_styles import list_separator

USER_AGENT = "postern"
# RFC 3986's delimiters that cannot end the value, add another or, as ``;`` on some servers, hide a
# ``..``: what ``allowReserved`` leaves as it is.
RESERVED_IN_PATH = "!$&'()*+,=:@"
RESERVED_IN_QUERY = "!$'()*,=:@/?"
NONCE_BYTES = 16


class RequestBuilder:
    """Turns a call's loaded parameters into a request.

    :param next_url: answers the base URL that the next one goes to.
    """

    def __init__(self, method: Method, next_url: Callable[[], str], clock: Clock) -> None:
        self._verb = method.verb
        self._wall = clock.wall
        self._next_url = next_url
        self._path = method.path
        self._path_params = [
            (param.name, f"{{{param.name}}}", _path_writer(param))
            for param in _params_in(method, "path")
        ]
        self._query_params: list[tuple[str, PairWriter]] = [
            (param.name, pair_writer(param.keywords)) for param in _params_in(method, "query")
        ]
        self._query_safe = _reserved_in_query(method)
        self._header_params = [
            (param.name, text_writer(param.name, param.keywords))
            for param in _params_in(method, "header")
        ]
        self._body_names = [param.name for param in _params_in(method, "body")]
        self._whole_body = method.body_param
        self._fixed_query = tuple(method.query.items())
        self._key_header = method.idempotency_header
        # Of a method that streams its body only the parameters beside it are written here.
        kind = "json" if method.streams_body else method.body
        content_type, self._write_body = make_writer(kind, _body_params(method))
        self._fixed_headers = {
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
            **method.headers,
        }
        if self._body_names:
            self._fixed_headers = {"Content-Type": content_type, **self._fixed_headers}
        self._writer = None
        if self._body_names or method.verb not in IN_QUERY:
            self._writer = content_type, self._write_body

    def build(self, call: Call) -> HttpRequest:
        """Return the request of one attempt, with a time and a nonce of its own.

        :raises InvalidParams: a parameter cannot stand where it belongs.
        :raises NoInstance: there is none of the service.
        """
        params = call.params
        fields = {}
        for name in self._body_names:
            if name in params:
                fields[name] = params[name]
        return HttpRequest(
            verb=self._verb,
            base_url=self._next_url(),
            path=self._write_path(params) if self._path_params else self._path,
            query=self._query(params) if self._query_params else self._fixed_query,
            query_safe=self._query_safe,
            headers=self._headers(call),
            body=self._write_body(fields) if self._body_names else b"",
            fields=fields,
            writer=self._writer,
            at=self._wall(),
            nonce=os.urandom(NONCE_BYTES).hex(),
        )

    def _write_path(self, params: Mapping[str, object]) -> str:
        path = self._path
        for name, placeholder, write in self._path_params:
            path = path.replace(placeholder, write(params[name]))
        return path

    def _query(self, params: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
        pairs: list[tuple[str, str]] = []
        for name, write in self._query_params:
            if name in params:
                pairs += write(name, params[name])
        return (*self._fixed_query, *pairs)

    def _headers(self, call: Call) -> dict[str, str]:
        attempts = call.trace.attempts
        span_id = attempts[-1].span_id if attempts else new_span_id()
        headers = {
            **self._fixed_headers,
            "X-Request-ID": call.request_id,
            **call.context.headers(span_id),
        }
        for name, write in self._header_params:
            if name in call.params:
                headers[name] = _header_text(name, write(call.params[name]))
        if self._whole_body and self._whole_body not in call.params:
            del headers["Content-Type"]  # as there is no body
        key_header = self._key_header
        if key_header and call.vendor_key:
            headers[key_header] = _header_text("Idempotency-Key", call.vendor_key)
        return headers


def binary_params(method: Method) -> frozenset[str]:
    """Return the parameters whose value is base64, or a list of such."""
    keywords = {param.name: param.keywords.get("items", param.keywords) for param in method.params}
    return frozenset(
        name for name, schema in keywords.items() if schema.get("format") in ("byte", "binary")
    )


def _params_in(method: Method, place: str) -> list[Param]:
    return [param for param in method.params if param.place == place]


def _body_params(method: Method) -> BodyParams:
    keywords = {param.name: param.keywords for param in _params_in(method, "body")}
    return BodyParams(binary_params(method), keywords, method.body_param)


def _reserved_in_query(method: Method) -> dict[str, str]:
    """Return what stays unquoted in the values of each parameter of which anything does."""
    safe = {}
    for param in _params_in(method, "query"):
        if param.keywords.get("allowReserved"):
            safe[param.name] = RESERVED_IN_QUERY
        elif list_separator(param.keywords) == ",":
            safe[param.name] = ","
    return safe


def _path_writer(param: Param) -> Callable[[object], str]:
    """Return what writes a parameter's values as one segment, or as several if it may."""
    name = param.name
    write = text_writer(name, param.keywords)
    safe = ",=" if param.keywords.get("style") == "simple" else ""
    if param.keywords.get("allowReserved"):
        return lambda value: _path_segments(name, write(value))
    if write is not to_text:
        return lambda value: _path_segment(name, write(value), safe)
    return lambda value: _path_segment(name, to_text(value))


def _path_segment(name: str, text: str, safe: str = "") -> str:
    """Quote a segment whole, so that a parameter adds none.

    :raises InvalidParams: it would climb once unquoted.
    """
    if not text or has_dot_segments(text):
        raise fields_error(name, ["Not usable in a path."])
    return quote(text, safe=safe)


def _path_segments(name: str, text: str) -> str:
    """Quote each segment of several.

    :raises InvalidParams: one is empty, would climb, or has a slash once unquoted.
    """
    if has_quoted_slash(text):
        raise fields_error(name, ["Not usable in a path."])
    segments = text.split("/")
    return "/".join(_path_segment(name, segment, RESERVED_IN_PATH) for segment in segments)


def _header_text(name: str, text: str) -> str:
    if any(character < " " or character > "\xff" or character == "\x7f" for character in text):
        raise fields_error(name, ["Not usable in a header."])
    return text
