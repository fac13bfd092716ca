"""What went over the wire, for the log at its debug level: masked first, then cut."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qsl, unquote

from gateway.bodies import dump_json, load_json
from gateway.catalog.model import Method
from gateway.masking import SECRET_NAMES, STARS
from gateway.messages import Call, HttpRequest, HttpResponse
from gateway.runtime import Runtime
from gateway.streams import Pairs

LONGEST = 4096  # characters of a body, or of one header, that are shown
READ = 65536  # bytes of a body that is looked into; a longer one is told by its length

Send = Callable[[HttpRequest, Call], HttpResponse]

_COOKIES = frozenset({"cookie", "set-cookie"})
_OPENING = re.compile(r"<([\w:.-]+)(?:[\s/][^<>]*)?>")
#: A secret's name and value in text that has no structure we know, or in a text inside of JSON.
_SAID = re.compile(
    rf"((?:{SECRET_NAMES})[\w-]{{0,40}}\\*[\"']?\s*[:=]\s*\\*[\"']?)([^\s\"'&,;<>\\]+)",
    re.IGNORECASE,
)


class Dump:
    """Writes one line for each exchange of a method."""

    def __init__(self, method: Method, parts: Runtime) -> None:
        self._log, self._masker, self._hidden = parts.log, parts.masker, method.mask
        self._names = {"service": method.service.name, "method": method.name}

    def around(self, send: Send, *, granting: bool = False) -> Send:
        """``send``, and a line about it.

        :param granting: the answer is a token, which nobody knows yet as a secret; its body is not shown.
        """

        def sent(request: HttpRequest, call: Call) -> HttpResponse:
            answer = None
            try:
                answer = send(request, call)
                return answer
            finally:
                if answer is None:
                    self.tell(request, call, None, None, None)
                else:
                    body = None if granting else answer.body
                    self.tell(request, call, answer.status, tuple(answer.headers.items()), body)

        return sent

    def tell(
        self,
        request: HttpRequest,
        call: Call,
        status: int | None,
        headers: Pairs | None,
        body: bytes | None,
    ) -> None:
        """:param body: the answer's, as ``headers`` are; None where it is not there to be shown."""
        answered: dict[str, object] = (
            {} if headers is None else {"answer_headers": self._headers(headers, call)}
        )
        if body is not None:
            answered["answer_body"] = self._body(body, dict(headers or ()), call)
        self._log.debug(
            "exchange",
            request_id=call.request_id,
            trace_id=call.context.trace_id,
            **self._names,
            to=request.host.rpartition("@")[2],
            request=f"{request.verb} {self._target(request, call)} HTTP/1.1",
            headers=self._headers(request.headers.items(), call),
            body="streamed" if request.upload else self._body(request.body, request.headers, call),
            status=status,
            **answered,
        )

    def _target(self, request: HttpRequest, call: Call) -> str:
        path, _, query = request.target.partition("?")
        shown = self._said(unquote(path), call)
        return f"{shown}?{self._pairs(query, call)}" if query else shown

    def _headers(self, pairs: Iterable[tuple[str, str]], call: Call) -> dict[str, str]:
        shown: dict[str, str] = {}
        for name, value in pairs:
            text = (
                STARS
                if name.lower() in _COOKIES
                else self._named(name.replace("-", "_"), value, call)
            )
            shown[name] = f"{shown[name]}, {text}" if name in shown else text
        return shown

    def _body(self, body: bytes, headers: Mapping[str, str], call: Call) -> str:
        kind = next(
            (text for name, text in headers.items() if name.lower() == "content-type"), ""
        ).lower()
        length = f"{len(body)} bytes {kind}".strip()
        if not body or len(body) > READ:
            return length if body else ""
        try:
            text = body.decode()
            if "json" in kind:
                shown = self._masker.params({"": load_json(body)}, self._hidden)[""]
                return self._said(dump_json(shown).decode(), call)
        except ValueError:
            return length
        if "form-urlencoded" in kind:
            return self._pairs(text, call)
        if "xml" in kind:
            return self._said(self._elements(text), call)
        return self._said(text, call) if kind.startswith("text/") else length

    def _elements(self, text: str) -> str:
        """XML with stars in the elements that are hidden or named like secrets."""
        shown, at = "", 0
        for opening in _OPENING.finditer(text):
            name = opening[1].rpartition(":")[2]
            if opening.start() >= at and self._masker.params({name: ""}, self._hidden)[name]:
                shown += text[at : opening.end()] + STARS
                end = text.find(f"</{opening[1]}", opening.end())
                at = end if end >= 0 else len(text)
        return shown + text[at:]

    def _pairs(self, text: str, call: Call) -> str:
        return "&".join(
            f"{name}={self._named(name, value, call)}"
            for name, value in parse_qsl(text, keep_blank_values=True)
        )[:LONGEST]

    def _named(self, name: str, value: str, call: Call) -> str:
        return self._said(str(self._masker.params({name: value}, self._hidden)[name]), call)

    def _said(self, text: str, call: Call) -> str:
        text = _SAID.sub(rf"\1{STARS}", self._masker.said(text, call.params, self._hidden, READ))
        return text if len(text) <= LONGEST else text[:LONGEST] + "…"
