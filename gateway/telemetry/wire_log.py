"""What went over the wire, for the log at its debug level: masked first, then cut."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from gateway.bodies import dump_json, load_json
from gateway.catalog.model import Method
from gateway.http_messages import HttpRequest, HttpResponse
from gateway.masking import SECRET_NAMES, STARS, Masker
from gateway.messages import Call
from gateway.streams import Pairs

MAX_TEXT_CHARACTERS = 4096  # of a body, or of one header
MAX_READ_BYTES = 65536  # of a longer body only the length is shown

SendFor = Callable[[HttpRequest, Call], HttpResponse]

_COOKIES = frozenset({"cookie", "set-cookie"})
_XML_OPENING_TAG = re.compile(r"<([\w:.-]+)(?:[\s/][^<>]*)?>")
#: A secret's name and value in text that has no structure we know, or in a text inside of JSON.
_SECRET_IN_TEXT = re.compile(
    rf"((?:{SECRET_NAMES})[\w-]{{0,40}}\\*[\"']?\s*[:=]\s*\\*[\"']?)([^\s\"'&,;<>\\]+)",
    re.IGNORECASE,
)


class WireLog:
    """Writes one line for each exchange of a method.

    :param debug: writes a log line, ``debug(event, **fields)``.
    """

    def __init__(self, method: Method, masker: Masker, debug: Callable[..., Any]) -> None:
        self._debug = debug
        self._masker = masker
        self._hidden = method.mask
        self._names = {"service": method.service.name, "method": method.name}

    def wrap(self, send: SendFor, *, fetches_token: bool = False) -> SendFor:
        """Return ``send`` with a line about each exchange.

        :param fetches_token: the answer has a secret that nobody knows yet, so it is not shown.
        """

        def send_and_log(request: HttpRequest, call: Call) -> HttpResponse:
            try:
                response = send(request, call)
            except BaseException:
                self.write(request, call, None, None, None)
                raise
            body: bytes | None = response.body
            headers = tuple(response.headers.items())
            if fetches_token:
                body = None
                headers = tuple((name, STARS) for name, _ in headers)
            self.write(request, call, response.status, headers, body)
            return response

        return send_and_log

    def write(
        self,
        request: HttpRequest,
        call: Call,
        status: int | None,
        headers: Pairs | None,
        body: bytes | None,
    ) -> None:
        """Write the line about one exchange.

        :param status: the answer's, as ``headers`` and ``body``; None where it is not to be shown.
        """
        answer: dict[str, object] = {}
        if headers is not None:
            answer["answer_headers"] = self._headers(headers, call)
        if body is not None:
            answer["answer_body"] = self._body(body, dict(headers or ()), call)
        self._debug(
            "exchange",
            request_id=call.request_id,
            trace_id=call.context.trace_id,
            **self._names,
            to=request.host.rpartition("@")[2],
            request=f"{request.verb} {self._target(request, call)} HTTP/1.1",
            headers=self._headers(request.headers.items(), call),
            body="streamed" if request.upload else self._body(request.body, request.headers, call),
            status=status,
            **answer,
        )

    def _target(self, request: HttpRequest, call: Call) -> str:
        path, _, query = request.target.partition("?")
        path = self._mask(unquote(path), call)
        return f"{path}?{self._pairs(query, call)}" if query else path

    def _headers(self, pairs: Iterable[tuple[str, str]], call: Call) -> dict[str, str]:
        headers: dict[str, str] = {}
        for name, value in pairs:
            if name.lower() in _COOKIES:
                text = STARS
            else:
                text = self._value(name.replace("-", "_"), value, call)
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
        return headers

    def _body(self, body: bytes, headers: Mapping[str, str], call: Call) -> str:
        if not body:
            return ""
        content_type = _content_type(headers)
        length = f"{len(body)} bytes {content_type}".strip()
        if len(body) > MAX_READ_BYTES:
            return length
        try:
            text = body.decode()
            if "json" in content_type:
                return self._json(body, call)
        except ValueError:
            return length
        if "form-urlencoded" in content_type:
            return self._pairs(text, call)
        if "xml" in content_type:
            return self._mask(self._xml(text), call)
        return self._mask(text, call) if content_type.startswith("text/") else length

    def _json(self, body: bytes, call: Call) -> str:
        """:raises ValueError: it is not JSON."""
        masked = self._masker.mask_params({"": load_json(body)}, self._hidden)[""]
        return self._mask(dump_json(masked).decode(), call)

    def _xml(self, text: str) -> str:
        """Return XML with stars in the elements that are hidden or named like secrets."""
        masked = ""
        position = 0
        for tag in _XML_OPENING_TAG.finditer(text):
            name = tag[1].rpartition(":")[2]
            if tag.start() >= position and self._masker.mask_params({name: ""}, self._hidden)[name]:
                masked += text[position : tag.end()] + STARS
                end = text.find(f"</{tag[1]}", tag.end())
                position = end if end >= 0 else len(text)
        return masked + text[position:]

    def _pairs(self, text: str, call: Call) -> str:
        pairs = parse_qsl(text, keep_blank_values=True)
        masked = "&".join(f"{name}={self._value(name, value, call)}" for name, value in pairs)
        return masked[:MAX_TEXT_CHARACTERS]

    def _value(self, name: str, value: str, call: Call) -> str:
        masked = self._masker.mask_params({name: value}, self._hidden)[name]
        return self._mask(str(masked), call)

    def _mask(self, text: str, call: Call) -> str:
        text = self._masker.mask_call_text(text, call.params, self._hidden, MAX_READ_BYTES)
        text = _SECRET_IN_TEXT.sub(rf"\1{STARS}", text)
        if len(text) > MAX_TEXT_CHARACTERS:
            return text[:MAX_TEXT_CHARACTERS] + "…"
        return text


def _content_type(headers: Mapping[str, str]) -> str:
    for name, value in headers.items():
        if name.lower() == "content-type":
            return value.lower()
    return ""
