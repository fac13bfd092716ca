"""Shapes of requests, good and bad, and what comes of each: asked of Postern itself, and of an nginx before it.

An outcome is a text: each answer's status with the code of its envelope, and whether the connection is kept, such as
``"200, 400 -3001 closed"``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

OK = "200 kept"
LAST = "200 closed"
BAD = "400 -3001 closed"
LARGE = "431 -3011 closed"
ABSENT = "404 -3004 kept"
INVALID = "400 -3003 kept"
VERB = "405 -3005 kept"
KEPT_BAD = "400 -3001 kept"  # nginx ends the connection to Postern, not that to its caller
KEPT_LARGE = "431 -3011 kept"
#: The start of a path that goes on to a vendor byte for byte, with the body.
ECHO = b"/api/v1/proxy/echo/anything"
TOKEN = b"%TOKEN%"  # stands for a header line that proves who calls
LIMIT_BYTES = 8190  # of the request line and of a header
HEAD_BYTES = 65536


Seen = dict[str, str | None]


@dataclass(frozen=True)
class Shape:
    """
    :ivar raw: all that is sent.
    :ivar outcome: of Postern itself.
    :ivar nginx: of an nginx before it; the same unless given.
    :ivar saw: what a vendor was sent: ``verb``, ``target``, ``body``, or headers in lower case, None for no such line.
    :ivar nginx_saw: where it differs.
    :ivar ends: nothing more comes from the caller, and it says so.
    """

    name: str
    raw: bytes
    outcome: str
    nginx: str = ""
    saw: Seen = field(default_factory=dict)
    nginx_saw: Seen | None = None
    ends: bool = False

    def expectation(self, front: str) -> tuple[str, Seen]:
        """Return the outcome and what a vendor was sent, of ``postern`` or of ``nginx``."""
        if front == "postern":
            return self.outcome, self.saw
        saw = self.saw if self.nginx_saw is None else self.nginx_saw
        return self.nginx or self.outcome, saw


def get(
    *lines: bytes, target: bytes = b"/healthz", verb: bytes = b"GET", version: bytes = b"HTTP/1.1"
) -> bytes:
    return head(b"Host: h", *lines, line=b"%b %b %b" % (verb, target, version))


def head(*lines: bytes, line: bytes = b"GET /healthz HTTP/1.1") -> bytes:
    return b"\r\n".join([line, *lines, b"", b""])


def post(*lines: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    """A body for the vendor; the lines say how it is framed."""
    return get(TOKEN, *lines, target=ECHO, verb=b"POST", version=version) + body


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=body)


def request_lines() -> Iterator[Shape]:
    def line(name: str, text: bytes, outcome: str, nginx: str = "") -> Shape:
        return Shape(f"request line: {name}", head(b"Host: h", line=text), outcome, nginx)

    yield line("plain", b"GET /healthz HTTP/1.1", OK)
    yield line("an empty line before", b"\r\nGET /healthz HTTP/1.1", OK)
    yield line("two empty lines before", b"\r\n\r\nGET /healthz HTTP/1.1", BAD, OK)
    yield line("a bare LF before", b"\nGET /healthz HTTP/1.1", BAD, OK)
    yield line("a space before", b" GET /healthz HTTP/1.1", BAD)
    yield line("two spaces", b"GET  /healthz HTTP/1.1", BAD, OK)
    yield line("two spaces before the version", b"GET /healthz  HTTP/1.1", BAD, OK)
    yield line("a tab", b"GET\t/healthz HTTP/1.1", BAD)
    yield line("a tab before the version", b"GET /healthz\tHTTP/1.1", BAD)
    yield line("a space after", b"GET /healthz HTTP/1.1 ", BAD, OK)
    yield line("a space in the target", b"GET /a b HTTP/1.1", BAD)
    yield line("a bare CR in the target", b"GET /a\rb HTTP/1.1", BAD)
    yield line("a NUL in the target", b"GET /a\0b HTTP/1.1", BAD)
    yield line("a DEL in the target", b"GET /a\x7fb HTTP/1.1", BAD)
    yield line("a NUL in the verb", b"G\0ET /healthz HTTP/1.1", BAD)
    yield line("a colon in the verb", b"GE:T /healthz HTTP/1.1", BAD)
    yield line("a verb alone", b"GET", BAD)
    yield line("no target", b"GET HTTP/1.1", BAD)
    yield line("no words", b"hello", BAD)
    yield line("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", BAD)
    yield line("the preface of HTTP/2", b"PRI * HTTP/2.0", BAD)
    yield line("an answer", b"HTTP/1.1 200 OK", BAD)
    for version in (b"HTTP/2.0", b"HTTP/11", b"HTTP/1", b"HTTP/1.", b"HTTP/01.1", b"http/1.1", b"HTTP/1.1x",
                    b"HTTP/0.9", b"HTTP/-1.1", b"HTTPS/1.1", b"HTTP 1.1"):  # fmt: skip
        yield line(f"version {version.decode()}", b"GET /healthz " + version, BAD)
    yield line("version HTTP/1.10", b"GET /healthz HTTP/1.10", BAD, OK)
    yield line("version HTTP/1.2", b"GET /healthz HTTP/1.2", OK)
    yield Shape("request line: a bare LF ends each line", b"GET /healthz HTTP/1.1\nHost: h\n\n", BAD, OK)  # fmt: skip
    yield Shape("request line: bare CRs end each line", b"GET /healthz HTTP/1.1\rHost: h\r\r\r\n\r\n", BAD)  # fmt: skip
    yield Shape("request line: only empty lines", b"\r\n\r\n\r\n\r\n", BAD, "closed", ends=True)
    yield Shape("request line: nothing at all", b"", "closed", ends=True)
    yield Shape("request line: it breaks off", b"GET /heal", "closed", ends=True)
    yield Shape("request line: the headers break off", b"GET /healthz HTTP/1.1\r\nHo", "closed", ends=True)  # fmt: skip


def verbs() -> Iterator[Shape]:
    for verb, outcome in (
        ("GET", OK), ("HEAD", OK), ("OPTIONS", OK), ("POST", VERB), ("PUT", VERB), ("DELETE", VERB), ("PATCH", VERB),
        ("PROPFIND", VERB), ("FOO", VERB), ("M-SEARCH", VERB),
    ):  # fmt: skip
        yield Shape(f"verb {verb}", get(verb=verb.encode()), outcome)
    yield Shape("verb TRACE", get(verb=b"TRACE"), VERB, "405 -3005 closed")
    yield Shape("verb CONNECT", head(b"Host: h", line=b"CONNECT h:443 HTTP/1.1"), "404 -3004 closed", BAD)  # fmt: skip
    yield Shape("verb HEAD of what cannot be read", get(b"X: \0", verb=b"HEAD"), "400 closed")
    yield Shape("verb of 20 letters", get(verb=b"A" * 20), VERB)
    yield Shape("verb 'GET'", get(verb=b"'GET'"), VERB, BAD)
    for verb in ("get", "Get", "G#T", "G\xe4T", "G/T"):
        yield Shape(f"verb {verb}", get(verb=verb.encode()), BAD)
    for verb in ("G", "GE", "A" * 21):
        yield Shape(f"verb {verb}", get(verb=verb.encode()), BAD, KEPT_BAD)


def targets() -> Iterator[Shape]:
    def target(text: bytes, outcome: str, nginx: str = "") -> Shape:
        return Shape(f"target {text!r}", get(target=text), outcome, nginx)

    yield target(b"/healthz?", OK)
    yield target(b"/healthz??a=b", OK)
    yield target(b"/healthz#part", OK)
    yield target(b"/healthz?a=b#part", OK)
    yield target(b"/%68ealthz", OK)
    yield target(b"/%2568ealthz", ABSENT)
    yield target(b"/healthz/", ABSENT)
    yield target(b"//healthz", OK)  # as Flask has it
    yield target(b"/./healthz", ABSENT)
    yield target(b"/x/../healthz", ABSENT)
    yield target(b"/../healthz", ABSENT, BAD)
    yield target(b"/%2e%2e/healthz", ABSENT, BAD)
    yield target(b"/x/%2e%2e%2fhealthz", ABSENT)
    yield target(b"/healthz%00", ABSENT, BAD)
    yield target(b"/healthz%0d%0aX:%20y", ABSENT)
    yield target(b"/healthz%zz", ABSENT, BAD)
    yield target(b"/healthz%", ABSENT, BAD)
    yield target(b"/healthz%ff", INVALID)
    yield target(b"/healthz\\", ABSENT)
    yield target(b'/<">{}|^`', ABSENT)
    yield target(b"/healthz?a=%zz&%&=&&", OK)
    yield target("/健康".encode(), ABSENT)
    yield target("/healthz?q=健康".encode(), OK)
    yield target(b"/healthz?q=\xff", BAD, KEPT_BAD)
    yield target(b"/healthz;a=b", ABSENT)


def other_targets() -> Iterator[Shape]:
    """A URL, an authority, or ``*``; and what is none of them."""

    def target(text: bytes, outcome: str) -> Shape:
        return Shape(f"target {text!r}", get(target=text), outcome)

    yield target(b"healthz", BAD)
    yield target(b"?a=b", BAD)
    yield target(b"#part", BAD)
    yield target(b"*", BAD)
    yield target(b"h:80", BAD)
    yield target(b"http://h/healthz", OK)
    yield target(b"HTTP://H/healthz?a=b", OK)
    yield target(b"https://h/healthz", OK)
    yield target(b"http://h:5000/healthz", OK)
    yield target(b"http://other/healthz", OK)
    yield target(b"http://[::1]:5000/healthz", OK)
    yield target(b"http://u:p@h/healthz", BAD)
    yield target(b"http://[::1/healthz", BAD)
    yield target(b"http:///healthz", BAD)
    yield target(b"http://h", OK)
    yield target(b"http://h?a=b", OK)
    yield target(b"http:/healthz", BAD)
    yield target(b"://h/healthz", BAD)
    yield Shape("target * for OPTIONS", get(target=b"*", verb=b"OPTIONS"), ABSENT, BAD)
    yield Shape("target h:443 for CONNECT", get(target=b"h:443", verb=b"CONNECT"), "404 -3004 closed", BAD)  # fmt: skip
    yield Shape("target as URL, without Host", head(line=b"GET http://h/healthz HTTP/1.1"), BAD)
    yield Shape("target as URL of HTTP/1.0, without Host", head(line=b"GET http://h/healthz HTTP/1.0"), LAST)  # fmt: skip


def vendor_targets() -> Iterator[Shape]:
    for rest in (b"/a//b/", b"/a%2Fb%2fc", b"/%41%7e", b"/a;b=c,d:e@f!$&'()*+", "/你%20好".encode(), b"?",
                 b"?a=b&a=c&&=&d", b"?q=%2B+%20", b"/a?x=/../y?z", b"?next=http://a/b%23c"):  # fmt: skip
        yield Shape(
            f"target for a vendor {rest!r}",
            get(TOKEN, target=ECHO + rest),
            OK,
            saw={"target": (b"/anything" + rest).decode("latin-1")},
        )
    yield Shape("target for a vendor with a broken escape", get(TOKEN, target=ECHO + b"/%zz%"), OK, BAD, saw={"target": "/anything/%zz%"}, nginx_saw={})  # fmt: skip
    for rest in (b"/a/../b", b"/./a", b"/%2e%2E/a", b"/a%2f..%2fb", b"/.."):
        yield Shape(f"target for a vendor {rest!r}", get(TOKEN, target=ECHO + rest), INVALID)
    yield Shape("target for a vendor as URL", get(TOKEN, target=b"http://h" + ECHO + b"/a?b"), OK, saw={"target": "/anything/a?b"})  # fmt: skip


def headers() -> Iterator[Shape]:
    def line(name: str, text: bytes, outcome: str, nginx: str = "") -> Shape:
        return Shape(f"header: {name}", get(text), outcome, nginx)

    def seen(name: str, *lines: bytes, nginx: Seen | None = None, **saw: str | None) -> Shape:
        expected = {key.replace("_", "-"): value for key, value in saw.items()}
        return Shape(f"header: {name}", get(TOKEN, *lines, target=ECHO), OK, saw=expected, nginx_saw=nginx)  # fmt: skip

    yield line("a space before the colon", b"X : y", BAD)
    yield line("a tab before the colon", b"X\t: y", BAD)
    yield line("folded", b"X: y\r\n z", BAD)
    yield line("folded by a tab", b"X: y\r\n\tz", BAD)
    yield line("a line of blanks", b"X: y\r\n \t", BAD)
    yield line("no name", b": y", BAD)
    yield line("no colon", b"X", BAD, OK)
    yield line("a bare CR in the value", b"X: y\rz", BAD)
    yield line("a bare CR in the name", b"X\rY: z", BAD)
    yield line("a bare LF in the value", b"X: y\nZ: z", BAD, OK)
    yield line("a NUL in the value", b"X: y\0z", BAD)
    yield line("a NUL in the name", b"X\0: y", BAD)
    yield line("an escape in the value", b"X: y\x1bz", BAD, KEPT_BAD)
    yield line("a DEL in the value", b"X: y\x7fz", BAD, KEPT_BAD)
    yield line("UTF-8 in the name", "Ä: y".encode(), BAD, OK)
    yield line("brackets in the name", b"X(y): z", BAD, OK)
    yield line("a comma in the name", b"X,Y: z", BAD, OK)
    yield Shape("header: the first one folded", head(b" Host: h"), BAD)
    yield Shape("header: a folded Host", head(b"Host: h\r\n :80"), BAD)
    yield seen("blanks around the value", b"X-A: \t y z\t ", x_a="y z")
    yield seen("no blank before the value", b"X-A:y", x_a="y")
    yield seen("a tab in the value", b"X-A: y\tz", x_a="y\tz")
    yield seen("no value", b"X-A:", x_a="")
    yield seen("UTF-8 in the value", "X-A: ä好".encode(), x_a="ä好".encode().decode("latin-1"))
    yield seen("bytes that are no UTF-8", b"X-A: \xff\x80", x_a="\xff\x80")
    marks = "x!#$%&'*+-.^`|~9"
    yield seen("marks in the name", marks.encode() + b": y", nginx={marks: None}, **{marks: "y"})
    yield seen("an underscore in the name", b"X_A: y", b"X-B: z", x_a=None, x_b="z")
    yield seen("an underscore where a hyphen would mean us", b"X_Forwarded_For: 203.0.113.9", **{"x-forwarded-for": None})  # fmt: skip
    yield seen("two lines of one name", b"X-A: 1", b"x-a: 2", x_a="1, 2")
    yield seen("two cookies", b"Cookie: a=1", b"Cookie: b=2", cookie="a=1; b=2")
    yield line("two types", b"Content-Type: a/b\r\nContent-Type: a/b", BAD, KEPT_BAD)
    for host in (b"", b" ", b"a b", b"a/b"):
        yield Shape(f"Host {host!r}", head(b"Host: " + host), BAD)
    for host in (b"u@a", b"[::1", b"a%zz", b"h\\"):
        yield Shape(f"Host {host!r}", head(b"Host: " + host), BAD, KEPT_BAD)
    for host in (b"a:b", b"a:80:80"):  # nginx takes what is before the colon
        yield Shape(f"Host {host!r}", head(b"Host: " + host), BAD, OK)
    for host in (b"h:80", b"a,b", b"H.example.", b"[::1]:80", b"127.0.0.1", b"a_b", b"h:"):
        yield Shape(f"Host {host!r}", head(b"host: " + host), OK)
    for first, second in product((b"h", b"i", b""), repeat=2):
        raw = head(b"Host: " + first, b"X: y", b"hOST: " + second)
        yield Shape(f"Host {first!r} and {second!r}", raw, BAD)
    yield Shape("Host: none", head(b"X: y"), BAD)
    yield Shape("Host: no headers at all", head(), BAD)
    yield Shape("Host: none in HTTP/1.0", head(line=b"GET /healthz HTTP/1.0"), LAST)


def framing() -> Iterator[Shape]:
    """All pairs of what Content-Length and Transfer-Encoding may say, once and twice."""
    lengths: dict[str, list[bytes]] = {"none": [], "5": [b"5"], "5 and 5": [b"5", b"5"], "5 and 6": [b"5", b"6"]}  # fmt: skip
    codings: dict[str, list[bytes]] = {
        "none": [], "chunked": [b"chunked"], "chunked twice": [b"chunked", b"chunked"],
        "identity": [b"identity"], "identity and chunked": [b"identity", b"chunked"],
    }  # fmt: skip
    good = {("none", "none"): "", ("5", "none"): "hello", ("none", "chunked"): "hello"}
    for (length, values), (coding, names) in product(lengths.items(), codings.items()):
        lines = [b"Content-Length: " + value for value in values]
        lines += [b"Transfer-Encoding: " + value for value in names]
        body = b"5\r\nhello\r\n0\r\n\r\n" if names else b"hello" if values else b""
        fine = (length, coding) in good
        yield Shape(
            f"Content-Length {length}, Transfer-Encoding {coding}",
            post(*lines, body=body),
            OK if fine else BAD,
            saw={"body": good[length, coding]} if fine else {},
        )
    for value in (
        b"+5",
        b"-5",
        b"-0",
        b"0x5",
        b"5.0",
        b"5e0",
        b"5,5",
        b"5, 5",
        b"5 5",
        b"",
        b"\xb2",
        b"five",
        b"9" * 5000,
    ):
        yield Shape(f"Content-Length {value[:9]!r}", post(b"Content-Length: " + value, body=b"hello"), BAD)  # fmt: skip
    for value in (b"5", b"005", b" 5 "):
        yield Shape(f"Content-Length {value!r}", post(b"Content-Length: " + value, body=b"hello"), OK, saw={"body": "hello"})  # fmt: skip
    for value in (b"Chunked", b" chunked "):
        raw = post(b"Transfer-Encoding: " + value, body=b"5\r\nhello\r\n0\r\n\r\n")
        yield Shape(f"Transfer-Encoding {value!r}", raw, OK, saw={"body": "hello"})
    for value in (b"", b"chunked, chunked", b"identity, chunked", b"gzip, chunked", b"chunked, gzip", b"gzip", b"xchunked", b"chunked;q=1", b"chunked,", b",chunked", b"\x0bchunked",
                  b"'chunked'", b"x, chunked", b"chunked identity"):  # fmt: skip
        raw = post(b"Transfer-Encoding: " + value, body=b"5\r\nhello\r\n0\r\n\r\n")
        yield Shape(f"Transfer-Encoding {value!r}", raw, BAD)
    raw = post(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n", version=b"HTTP/1.0")
    yield Shape("Transfer-Encoding in HTTP/1.0", raw, BAD)
    yield Shape("Transfer-Encoding with a space before the colon", post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"), BAD)  # fmt: skip
    yield Shape("Transfer-Encoding, folded", post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"), BAD)  # fmt: skip
    yield Shape("Transfer_Encoding", post(b"Transfer_Encoding: chunked", b"Content-Length: 5", body=b"hello"), OK, saw={"body": "hello"})  # fmt: skip
    yield Shape("a body that a GET has", get(b"Content-Length: 5") + b"hello", OK)
    yield Shape("a body that nobody reads", get(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n", LAST, OK)  # fmt: skip
    yield Shape("a body longer than said", post(b"Content-Length: 5", body=b"hello, world\r\n\r\n"), "200, 400 -3001 closed", saw={"body": "hello"})  # fmt: skip
    yield Shape("a body that breaks off", post(b"Content-Length: 9", body=b"hello"), BAD, "closed", ends=True)  # fmt: skip
    yield Shape("a body in HTTP/1.0", post(b"Content-Length: 5", body=b"hello", version=b"HTTP/1.0"), LAST, saw={"body": "hello"})  # fmt: skip


def chunks() -> Iterator[Shape]:
    end = b"0\r\n\r\n"
    for name, body in {
        "one": b"5\r\nhello\r\n", "two": b"2\r\nhe\r\n3\r\nllo\r\n", "leading zeros": b"0005\r\nhello\r\n",
        "an extension": b"5;a=b\r\nhello\r\n", "extensions": b"5;a;b=c\r\nhello\r\n", "a quoted extension": b'5;a="b;c"\r\nhello\r\n',
        "a blank before the extension": b"5 ;a=b\r\nhello\r\n",
    }.items():  # fmt: skip
        yield Shape(f"chunks: {name}", chunked(body + end), OK, saw={"body": "hello"})
    for size, text in ((b"A", "0123456789"), (b"a", "0123456789"), (b"0B", "01234567890")):
        yield Shape(f"chunks: size {size!r}", chunked(b"%b\r\n%b\r\n" % (size, text.encode()) + end), OK, saw={"body": text})  # fmt: skip
    for name, last in {"several zeros": b"000\r\n\r\n", "an extension": b"0;a=b\r\n\r\n", "a trailer": b"0\r\nX-A: y\r\n\r\n",
                       "two trailers": b"0\r\nX-A: y\r\nX-B: z\r\n\r\n"}.items():  # fmt: skip
        yield Shape(f"chunks: the last with {name}", chunked(b"5\r\nhello\r\n" + last), OK, saw={"body": "hello", "x-a": None})  # fmt: skip
    for name, body in {
        "no size": b"\r\nhello\r\n", "a word as size": b"ZZ\r\nhello\r\n", "a minus": b"-5\r\nhello\r\n", "a plus": b"+5\r\nhello\r\n",
        "a blank before": b" 5\r\nhello\r\n", "0x": b"0x5\r\nhello\r\n", "an underscore": b"0_5\r\nhello\r\n", "a bare CR after the size": b"5\rhello\r\n",
        "nothing after the data": b"5\r\nhello", "data longer than said": b"5\r\nhello!\r\n",

        "a bare LF in an extension": b"5;a\nb\r\nhello\r\n", "a bare CR in an extension": b"5;a\rb\r\nhello\r\n",
    }.items():  # fmt: skip
        yield Shape(f"chunks: {name}", chunked(body + end), BAD)
    for name, body in {
        "a blank after": b"5 \r\nhello\r\n", "a bare LF after the size": b"5\nhello\r\n", "a bare LF after the data": b"5\r\nhello\n",
        "a NUL in an extension": b"5;a=\0\r\nhello\r\n", "an extension of 20 KB": b"5;" + b"a" * 20_000 + b"\r\nhello\r\n",
    }.items():  # fmt: skip
        yield Shape(f"chunks: {name}", chunked(body + end), BAD, OK)  # nginx is lenient
    raw = chunked(b"F" * 17 + b"\r\nhello\r\n")
    yield Shape("chunks: a size beyond all", raw, BAD, ends=True)
    for name, trailer in {
        "Host": b"Host: i", "Content-Length": b"Content-Length: 9", "Transfer-Encoding": b"Transfer-Encoding: chunked",
        "Authorization": b"Authorization: Bearer x", "no colon": b"X", "no name": b": y", "a blank before the colon": b"X : y",
        "a fold": b"X: y\r\n z", "a NUL": b"X: \0", "a bare LF": b"X: y\nZ: z",
    }.items():  # fmt: skip
        yield Shape(f"chunks: a trailer with {name}", chunked(b"5\r\nhello\r\n0\r\n" + trailer + b"\r\n\r\n"), BAD, OK)  # fmt: skip
    yield Shape("chunks: they break off", chunked(b"5\r\nhel"), BAD, "closed", ends=True)
    yield Shape("chunks: no end", chunked(b"5\r\nhello\r\n"), BAD, "closed", ends=True)


def expectations() -> Iterator[Shape]:
    """Whose body came at once needs no 100 (RFC 9110, 10.1.1), which nginx says nevertheless."""
    body = [b"Content-Length: 5"]
    saw: Seen = {"body": "hello", "expect": None}
    for value in (b"100-continue", b"100-Continue"):
        yield Shape(f"Expect {value!r}", post(b"Expect: " + value, *body, body=b"hello"), OK, "100, 200 kept", saw)  # fmt: skip
    for value in (b"100-continue, 100-continue", b""):
        yield Shape(
            f"Expect {value!r}", post(b"Expect: " + value, *body, body=b"hello"), OK, saw=saw
        )
    for value in (b"200-ok", b"100-continue, x", b"100"):
        yield Shape(f"Expect {value!r}", post(b"Expect: " + value, *body, body=b"hello"), BAD, OK)
    yield Shape("Expect without a body", get(b"Expect: 100-continue"), OK, "100, 200 kept")
    yield Shape("Expect of HTTP/1.0", post(b"Expect: 100-continue", *body, body=b"hello", version=b"HTTP/1.0"), LAST, saw=saw)  # fmt: skip
    yield Shape("Expect with chunks", post(b"Expect: 100-continue", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"), OK, "100, 200 kept", saw)  # fmt: skip
    yield Shape("Expect, and the body never comes", post(b"Expect: 100-continue", *body), "100, 400 -3001 closed", "100 closed", ends=True)  # fmt: skip
    yield Shape("Expect of who may not call", get(b"Expect: 100-continue", *body, target=ECHO, verb=b"POST"), "401 -2001 closed", "100 closed", ends=True)  # fmt: skip


def connections() -> Iterator[Shape]:
    for value, outcome in {
        b"close": LAST, b"Close": LAST, b"keep-alive": OK, b"close, keep-alive": LAST, b"x, close": LAST, b" ,close": LAST,
        b"x": OK, b"": OK, b"upgrade": OK,
    }.items():  # fmt: skip
        yield Shape(f"Connection {value!r}", get(b"Connection: " + value), outcome)
    yield Shape("Connection b'closed'", get(b"Connection: closed"), OK, LAST)
    yield Shape("Connection close in a second line", get(b"Connection: x", b"Connection: close"), LAST)  # fmt: skip
    yield Shape("Connection: upgrade to a WebSocket", get(b"Connection: Upgrade", b"Upgrade: websocket"), KEPT_BAD, OK)  # fmt: skip
    yield Shape("Connection: upgrade to HTTP/2", get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AA"), OK)  # fmt: skip
    yield Shape("Connection names a header", get(TOKEN, b"Connection: X-A", b"X-A: y", b"X-B: z", target=ECHO), OK, saw={"x-a": None, "x-b": "z"}, nginx_saw={"x-b": "z"})  # fmt: skip
    yield Shape("HTTP/1.0", get(version=b"HTTP/1.0"), LAST)
    yield Shape("HTTP/1.0 that stays", get(b"Connection: keep-alive", version=b"HTTP/1.0"), OK)
    yield Shape("HTTP/1.0 that closes", get(b"Connection: keep-alive, close", version=b"HTTP/1.0"), LAST)  # fmt: skip


def pipelines() -> Iterator[Shape]:
    yield Shape("pipeline: two", get() * 2, "200, 200 kept")
    yield Shape("pipeline: ten", get() * 10, ", ".join(["200"] * 10) + " kept")
    yield Shape("pipeline: an empty line between", get() + b"\r\n" + get(), "200, 200 kept")
    yield Shape("pipeline: after a body", post(b"Content-Length: 5", body=b"hello") + get(), "200, 200 kept", saw={"body": "hello"})  # fmt: skip
    yield Shape("pipeline: after chunks", chunked(b"5\r\nhello\r\n0\r\n\r\n") + get(), "200, 200 kept", saw={"body": "hello"})  # fmt: skip
    yield Shape("pipeline: after chunks with a trailer", chunked(b"0\r\nX-A: y\r\n\r\n") + get(), "200, 200 kept")  # fmt: skip
    yield Shape("pipeline: after what is not there", get(target=b"/nothing") + get(), "404 -3004, 200 kept")  # fmt: skip
    yield Shape("pipeline: after a body that nobody reads", get(b"Content-Length: 5") + b"hello" + get(), "200, 200 kept")  # fmt: skip
    yield Shape("pipeline: a body that is a request", post(b"Content-Length: %d" % len(get()), body=get()) + get(), "200, 200 kept", saw={"body": get().decode()})  # fmt: skip
    yield Shape("pipeline: after a close", get(b"Connection: close") + get(), LAST)
    yield Shape("pipeline: after what cannot be read", get(b"X:\0") + get(), BAD)
    yield Shape("pipeline: what cannot be read, second", get() + b"hello\r\n\r\n", "200, 400 -3001 closed")  # fmt: skip
    yield Shape("pipeline: after HTTP/1.0", get(version=b"HTTP/1.0") + get(), LAST)


def sizes() -> Iterator[Shape]:
    frame = len(b"GET / HTTP/1.1")
    yield Shape("size: the longest request line", get(target=b"/" + b"a" * (LIMIT_BYTES - frame)), ABSENT)  # fmt: skip
    yield Shape("size: a longer request line", get(target=b"/" + b"a" * (LIMIT_BYTES - frame + 1)), LARGE)  # fmt: skip
    yield Shape("size: a request line of 20 KB", get(target=b"/" + b"a" * 20_000), LARGE)
    yield Shape("size: the longest header", get(b"X: " + b"a" * (LIMIT_BYTES - len(b"X: \r\n"))), OK)  # fmt: skip
    yield Shape("size: a longer header", get(b"X: " + b"a" * (LIMIT_BYTES - len(b"X: \r\n") + 1)), LARGE, KEPT_LARGE)  # fmt: skip
    yield Shape("size: a header of 20 KB", get(b"X: " + b"a" * 20_000), LARGE)
    yield Shape("size: a name of 9 KB", get(b"X" * 9_000 + b": y"), LARGE)
    yield Shape(
        "size: a hundred headers", get(*(b"X-%d: y" % n for n in range(99))), OK, KEPT_LARGE
    )
    yield Shape(
        "size: one header more", get(*(b"X-%d: y" % n for n in range(100))), LARGE, KEPT_LARGE
    )
    yield Shape("size: headers of 70 KB", get(*(b"X-%d: %b" % (n, b"a" * 7_000) for n in range(10))), LARGE)  # fmt: skip
    yield Shape("size: no end of headers", get()[:-2] + b"X: y\r\n" * 20_000, LARGE)
    yield Shape("size: a query of 8 KB", get(target=b"/healthz?" + b"a=b&" * 2_000), OK)
    yield Shape("size: a path of 2000 parts", get(target=b"/a" * 2_000), ABSENT)
    yield Shape("size: 4000 dots", get(target=b"/" + b"../" * 1_300), ABSENT, BAD)


SHAPES = (
    *request_lines(), *verbs(), *targets(), *other_targets(), *vendor_targets(), *headers(), *framing(), *chunks(),
    *expectations(), *connections(), *pipelines(), *sizes(),
)  # fmt: skip
