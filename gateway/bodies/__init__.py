"""Bodies both ways: a caller's JSON as the service wants it, its answers as JSON values.

A new format is a function here and a line in ``WRITERS`` or ``READERS``::

    content_type, write = make_writer({"type": "xml", "root": "order"})
    data = make_reader("json")(response.body, response.headers["content-type"])

XML is imported where a body is XML: its parsers take a megabyte, and few catalogs need them.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from gateway.bodies.json import MAX_DEPTH as MAX_DEPTH
from gateway.bodies.json import digest as digest
from gateway.bodies.json import dump_json as dump_json
from gateway.bodies.json import load_json as load_json
from gateway.bodies.json import to_text as to_text
from gateway.bodies.multipart import make_multipart_writer
from gateway.bodies.pairs import PairWriter as PairWriter
from gateway.bodies.pairs import nested_writer
from gateway.bodies.pairs import pair_writer as pair_writer
from gateway.bodies.pairs import text_writer as text_writer
from gateway.bodies.pairs import to_pairs as to_pairs
from gateway.bodies.text import decode_text, from_base64, json_to_utf8
from gateway.clock import Pause, SystemClock

FORM_TYPE = "application/x-www-form-urlencoded"
Options = Mapping[str, Any]
Write = Callable[[Mapping[str, object]], bytes]
#: Content type, and what writes the body parameters; it raises ``InvalidParams`` where it cannot.
Writer = tuple[str, Write]


@dataclass(frozen=True, slots=True)
class BodyParams:
    """What is declared of the parameters in a body.

    :param binary: those whose format is ``byte`` or ``binary``: base64 in the caller's JSON.
    :param keywords: by name.
    :param whole: the one that is the whole body; None where they are its members.
    """

    binary: frozenset[str] = frozenset()
    keywords: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    whole: str | None = None


def _json(options: Options, declared: BodyParams) -> Writer:
    if declared.whole is None:
        return "application/json", dump_json
    whole = declared.whole

    def write(params: Mapping[str, object]) -> bytes:
        return dump_json(params[whole]) if whole in params else b""

    return "application/json", write


def _form(options: Options, declared: BodyParams) -> Writer:
    writers = {name: pair_writer(keywords, options) for name, keywords in declared.keywords.items()}
    write_other = nested_writer(options)  # of what a signer adds

    def write(params: Mapping[str, object]) -> bytes:
        pairs = []
        for name, value in params.items():
            pairs += writers.get(name, write_other)(name, value)
        return urlencode(pairs, quote_via=quote).encode()

    return FORM_TYPE, write


def _multipart(options: Options, declared: BodyParams) -> Writer:
    return make_multipart_writer(declared.binary)


def _xml(options: Options, declared: BodyParams) -> Writer:
    from gateway.bodies.xml import make_xml_writer

    write = make_xml_writer(options.get("root", "xml"), options.get("attributes", {}))
    return "application/xml; charset=utf-8", write


def _raw(options: Options, declared: BodyParams) -> Writer:
    binary = declared.binary

    def write(params: Mapping[str, object]) -> bytes:
        """Return the one parameter as it is."""
        for name, value in params.items():
            if name in binary:
                return from_base64(name, value)
            return to_text(value).encode()
        return b""

    default = "application/octet-stream" if binary else "text/plain; charset=utf-8"
    return options.get("content_type", default), write


#: By ``body:``; each is given its options and what is declared of the parameters.
WRITERS: Mapping[str, Callable[[Options, BodyParams], Writer]] = {
    "json": _json,
    "form": _form,
    "multipart": _multipart,
    "xml": _xml,
    "raw": _raw,
}


def make_writer(declared: str | Options, params: BodyParams | None = None) -> Writer:
    """Return the writer of a method's ``body``.

    :param declared: a name in ``WRITERS``, or ``{type, ...}`` with its options.
    """
    options = _options(declared)
    return WRITERS[options["type"]](options, params or BodyParams())


def _options(declared: str | Options) -> Options:
    return {"type": declared} if isinstance(declared, str) else declared


Read = Callable[[bytes, str, Options], Any]


def _read_json(body: bytes, content_type: str, options: Options) -> Any:
    if not body or body.isspace():
        return None
    return load_json(json_to_utf8(body, content_type, options.get("charset")))


def _read_xml(body: bytes, content_type: str, options: Options) -> Any:
    if not body or body.isspace():
        return None
    from gateway.bodies.xml import read_xml

    lists = options.get("lists", ())
    return read_xml(body, content_type, options.get("charset"), lists, Pause(SystemClock()))


def _read_text(body: bytes, content_type: str, options: Options) -> str:
    return decode_text(body, content_type, options.get("charset"))


def _read_bytes(body: bytes, content_type: str, options: Options) -> dict[str, str]:
    return {
        "content_type": content_type or "application/octet-stream",
        "base64": b64encode(body).decode(),
    }


#: By ``response:``; each reads body, content type and options, and raises ``ValueError`` for what
#: it cannot read.
READERS: Mapping[str, Read] = {
    "json": _read_json,
    "xml": _read_xml,
    "text": _read_text,
    "bytes": _read_bytes,
}


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads a reply's body. An empty one of JSON or XML, or blanks alone, is None.

    :param structured: the body has parts that have names, as JSON and XML have.
    """

    structured: bool
    read: Read
    options: Options

    def __call__(self, body: bytes, content_type: str = "") -> Any:
        """:raises ValueError: with a short reason, never a part of the body."""
        return self.read(body, content_type, self.options)

    def read_error(self, body: bytes, content_type: str) -> Any:
        """Read JSON or XML, whichever it begins like; return None if it is neither.

        A failure need not come in the declared format.
        """
        read = _read_xml if body.lstrip().startswith(b"<") else _read_json
        try:
            return read(body, content_type, self.options)
        except ValueError:
            return None


def make_reader(declared: str | Options) -> Reader:
    """Return the reader of a method's ``response``.

    :param declared: a name in ``READERS``, or ``{type, ...}`` with its options.
    """
    options = _options(declared)
    kind = options["type"]
    return Reader(kind in ("json", "xml"), READERS[kind], options)
