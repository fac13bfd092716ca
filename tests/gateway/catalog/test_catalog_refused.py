"""A wrong catalog is refused whole, with file, line, key and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gateway.catalog.loader import CatalogError, load_catalog
from gateway.catalog.yaml import parser
from gateway.signers import SIGNERS
from sandbox.keys import MERCHANT_PRIVATE_KEY, MERCHANT_PUBLIC_KEY
from tests.gateway.certificates import certificate

TOP = "version: 1\nservices:\n  s:\n    base_url: http://a.example\n"
METHOD = TOP + "    methods:\n      m:\n        http: GET /a\n"


def problems(text: str, env: dict[str, str] | None = None) -> list[tuple[int, str, str]]:
    with pytest.raises(CatalogError) as caught:
        load_catalog(text, "services.yaml", env or {})
    return [problem[1:] for problem in caught.value.problems]


S = "services.s"
M = "services.s.methods.m"
ONE_OF_THE_AUTH_TYPES = f"must be one of: {', '.join(SIGNERS)}"
BASE_URL = "must be an http(s) URL without user, query or fragment, such as https://api.example.com"
RATE = "must be a number per second, minute, hour or day, such as 100/minute"
RETURNS = (
    "must be a schema, such as {type: array, items: {type: string}},"
    " or the answer's properties by name, each with a schema"
)
HTTP = "must be a verb and a path, such as: POST /cgi-bin/message/send"
HEADER = "must be one line of ASCII or Latin-1 text"
NAME = "must be a header's name, and not one such as Host"
NUMBER = "Not a valid number. Write seconds without a unit, such as 2.5."
SECONDS = "must be a positive number of seconds, such as 2.5"


@pytest.mark.parametrize(
    ("addition", "line", "key", "message"),
    [
        ("timeuot: {}", 5, f"{S}.timeuot", "unknown key; did you mean 'timeout'?"),
        ("timeout: {raed: 1}", 5, f"{S}.timeout.raed", "unknown key; did you mean 'read'?"),
        ("timeout: {zzz: 1}", 5, f"{S}.timeout.zzz", "unknown key; known here: connect, read"),
        ("timeout: 5", 5, f"{S}.timeout", "must be a mapping of keys to values, such as {read: 5}"),
        ("timeout: {read: fast}", 5, f"{S}.timeout.read", NUMBER),
        ("timeout: {read: 0}", 5, f"{S}.timeout.read", SECONDS),
        ("deadline: -1", 5, f"{S}.deadline", SECONDS),
        ("deadline: '5'", 5, f"{S}.deadline", NUMBER),
        ("deadline:", 5, f"{S}.deadline", "must have a value"),
        ("retry: {times: -1}", 5, f"{S}.retry.times", "must be a whole number of at least 0"),
        ("retry: {times: true}", 5, f"{S}.retry.times", "Not a valid integer."),
        ("retry: {on: [503, sometimes]}", 5, f"{S}.retry.on",
         "'sometimes' is no reason to retry; use connect, timeout or a status"),
        ("retry: {on: [200]}", 5, f"{S}.retry.on", "200 is no reason to retry; use connect, timeout or a status"),
        ("rate_limit: 100", 5, f"{S}.rate_limit",
         "Not a valid string. Write a number per second, minute, hour or day, such as 100/minute."),
        ("rate_limit: 0/minute", 5, f"{S}.rate_limit", RATE),
        ("rate_limit: 10/fortnight", 5, f"{S}.rate_limit", RATE),
        ('rate_limit: "10/minute\\n"', 5, f"{S}.rate_limit", RATE),
        ("envelope: wehcat", 5, f"{S}.envelope",
         "unknown envelope 'wehcat'; use one of plain, wechat, wechatpay_v2, wechatpay_v3, amap, aws, stripe, github, openai, soap, graphql, jsonapi, alipay, or describe it; did you mean 'wechat'?"),
        ("envelope: {code: a}", 5, f"{S}.envelope.ok", "missing; this key is required"),
        ("envelope: {ok: [1]}", 5, f"{S}.envelope.code", "missing; this key is required"),
        ("envelope: {code: a, ok: yes}", 5, f"{S}.envelope.ok",
         "must be a list of good codes, or http: its status decides"),
        ("envelope: {ok: http, messages: {'*slow*': downstream_quota}}", 5, f"{S}.envelope.message",
         "missing; this key is required"),
        ("envelope: {preset: plain}", 5, f"{S}.envelope.preset",
         "must be one of: wechat, wechatpay_v2, wechatpay_v3, amap, aws, stripe, github, openai, soap, graphql, jsonapi"),
        ("envelope: {code: a, ok: [1], errors: {'5': oops}}", 5, f"{S}.envelope.errors.5",
         "must be one of: downstream_error, downstream_timeout, downstream_unreachable, downstream_unhealthy, "
         "circuit_open, downstream_rejected, downstream_quota, downstream_bad_response, "
         "credential_error, credential_expired, invalid_signature"),
        ("auth: {type: magic}", 5, f"{S}.auth.type", ONE_OF_THE_AUTH_TYPES),
        ("auth: {type: [basic]}", 5, f"{S}.auth.type", ONE_OF_THE_AUTH_TYPES),
        ("auth: basic", 5, f"{S}.auth.type", f"{ONE_OF_THE_AUTH_TYPES}; write {{type: basic, ...}}"),
        ("auth: {type: basic, username: u}", 5, f"{S}.auth.password", "missing; this key is required"),
        ("auth: {type: api_key, in: cookie, name: k, value: v}", 5, f"{S}.auth.in", "must be one of: query, header, body, path"),
        ("auth: {type: api_key, in: query, value: v}", 5, f"{S}.auth.name", "missing; this key is required"),
        ("auth: {type: api_key, in: path, name: k, value: /v}", 5, f"{S}.auth.name",
         "a key in the path has no name; leave this out"),
        ("auth: {type: api_key, in: path, value: v?x}", 5, f"{S}.auth.value", "must be a path, such as /bot12:token"),
        ('auth: {type: api_key, in: header, name: k, value: "v\\r\\nX: y"}', 5, f"{S}.auth.value", HEADER),
        ("auth: {type: api_key, in: header, name: 'X Key', value: v}", 5, f"{S}.auth.name", NAME),
        ("auth: {type: api_key, in: header, name: HOST, value: v}", 5, f"{S}.auth.name", NAME),
        ("auth: {type: digest, in: header, name: Transfer-Encoding, secret: s, sign: '{params}'}", 5, f"{S}.auth.name", NAME),
        ("auth: {type: token, preset: [lark]}", 5, f"{S}.auth.preset", "Not a valid string."),
        ('auth: {type: bearer, token: "t\\n"}', 5, f"{S}.auth.token", HEADER),
        ("auth: {type: app_secret, app_id: a, secret: s, token_url: token}", 5, f"{S}.auth.token_url",
         "must be a path such as /cgi-bin/token, or a URL under base_url"),
        ("auth: {type: app_secret, app_id: a, secret: s, token_url: 'http://b.example/t'}", 5, f"{S}.auth.token_url",
         "must be a path, or a URL under http://a.example"),
        ("auth: {type: oauth2_client_credentials, client_id: i, client_secret: s, token_url: 'http://b/t?x=1'}", 5,
         f"{S}.auth.token_url", "must be a path, or a URL without query"),
        ("auth: {type: oauth2_client_credentials, client_id: i, client_secret: s, token_url: /t, client_auth: jwt}", 5,
         f"{S}.auth.client_auth", "must be one of: basic, body"),
        ("auth: {type: oauth2_client_credentials, client_id: i, client_secret: s, token_url: /t, extra: {a: 1}}", 5,
         f"{S}.auth.extra.a", "Not a valid string. Quote it."),
        ("auth: {type: oauth2, grant: authorization_code, client_id: i, token_url: /t}", 5,
         f"{S}.auth.authorization_url", "missing; this key is required"),
        ("auth: {type: oauth2, grant: authorization_code, client_id: i, token_url: /t, authorization_url: /login}", 5,
         f"{S}.auth.authorization_url", "must be the whole URL that a browser opens, without #"),
        ("auth: {type: oauth2, grant: authorization_code, client_id: i, token_url: /t, authorization_url: 'https://b/a', "
         "authorization_extra: {state: x}}", 5, f"{S}.auth.authorization_extra.state",
         "is set by Postern itself; leave it out"),
        ("auth: {type: oauth2, grant: refresh_token, token_url: /t}", 5,
         f"{S}.auth.refresh_token", "missing; this key is required"),
        ("auth: {type: oauth2, client_id: i, client_secret: s, token_url: /t, refresh_token: r}", 5,
         f"{S}.auth.refresh_token", "only with grant: refresh_token"),
        ("query: {method: 1}", 5, f"{S}.query.method", "Not a valid string. Quote it."),
        ("headers: {X-A: 中}", 5, f"{S}.headers.X-A", HEADER),
        ('headers: {X-A: "a\\n"}', 5, f"{S}.headers.X-A", HEADER),
        ("max_response: 1.5", 5, f"{S}.max_response",
         "Not a valid integer. Write bytes without a unit, such as 10485760 for 10 MiB."),
        ("roles: [root]", 5, f"{S}.roles.0", "must be one of: guest, user, admin"),
        ("tls: {ca: /nowhere.pem}", 5, f"{S}.tls.ca",
         "must name a PEM file of certificates that can be read"),
        ("tls: {key: /nowhere.pem}", 5, f"{S}.tls.key", "needs cert, too"),
        ("health: {path: up}", 5, f"{S}.health.path", "must be a path, such as /v1/health"),
        ("health: {path: /is it up}", 5, f"{S}.health.path", "must be a path, such as /v1/health"),
        ("breaker: {failure_rate: 1.5}", 5, f"{S}.breaker.failure_rate", "must be above 0, up to 1"),
        ("base_url: http://b.example", 5, f"{S}.base_url", "given twice (first on line 4); keep one of them"),
        ("backup_url: nowhere", 5, f"{S}.backup_url", BASE_URL),
        ("deadline: ${SECONDS}", 5, f"{S}.deadline",
         "${SECONDS} is not set; set it in the environment or in .env (did you mean ${SECOND}?)"),
        ("deadline: ${}", 5, f"{S}.deadline", "${} is not set; set it in the environment or in .env"),
        ("deadline: '${file:/nowhere/x}'", 5, f"{S}.deadline",
         "${file:/nowhere/x} cannot be read: No such file or directory"),
        ("<<: 5", 5, f"{S}.<<", "must name a mapping, or a list of them"),
        ("? [a, b]\n    : c", 5, f"{S}.?", "a key must be a text"),
    ],
)  # fmt: skip
def test_a_wrong_service_setting_is_named_with_its_line(
    addition: str, line: int, key: str, message: str
) -> None:
    assert problems(f"{TOP}    {addition}\n", {"SECOND": "x"}) == [(line, key, message)]


@pytest.mark.parametrize(
    ("addition", "line", "key", "message"),
    [
        ("params: {q: {type: text}}", 8, f"{M}.params.q.type",
         "must be one of: string, integer, number, boolean, array, object"),
        ("params: {q: {in: query}}", 8, f"{M}.params.q.type", "missing; this key is required"),
        ("params: {q: }", 8, f"{M}.params.q", "must be a mapping of keys to values, such as {type: string}"),
        ("params: [q]", 8, f"{M}.params",
         "must be a mapping of names to settings, and not a list; write NAME: in place of -"),
        ("params: {q: {type: string, maxlength: 3}}", 8, f"{M}.params.q.maxlength",
         "unknown key; did you mean 'maxLength'?"),
        ("params: {q: {type: string, in: path}}", 8, f"{M}.params.q.in", "in: path, but the path has no {q}"),
        ("params: {q: {type: string, in: cookie}}", 8, f"{M}.params.q.in",
         "must be one of: path, query, header, body"),
        ("params: {q: {type: string, required: yes}}", 8, f"{M}.params.q.required", "must be true or false"),
        ("params: {q: {type: string, required: [a]}}", 8, f"{M}.params.q.required", "must be true or false"),
        ("params: {q: {type: string, required: true, default: x}}", 8, f"{M}.params.q.required",
         "has a default, so it is never missing; drop required or default"),
        ("params: {q: {type: integer, default: five}}", 8, f"{M}.params.q.default",
         "does not fit its own declaration: Not a valid integer."),
        ("params: {q: {type: integer, minimum: 3, default: 2}}", 8, f"{M}.params.q.default",
         "does not fit its own declaration: Must be greater than or equal to 3."),
        ("params: {q: {type: string, pattern: '['}}", 8, f"{M}.params.q.pattern",
         "not a regular expression: unterminated character set at position 0"),
        ("params: {q: {type: string, enum: []}}", 8, f"{M}.params.q.enum", "Shorter than minimum length 1."),
        ("params: {q: {type: array, items: {type: thing}}}", 8, f"{M}.params.q.items.type",
         "must be one of: string, integer, number, boolean, array, object; did you mean 'string'?"),
        ("mask: [text]", 8, f"{M}.mask", "'text' is not one of the method's params"),
        ("body: soap", 8, f"{M}.body", "must be one of: json, form, multipart, xml, raw"),
        ("returns: [string]", 8, f"{M}.returns", RETURNS),
        ("returns: {}", 8, f"{M}.returns", RETURNS),
        ("returns: {a: string}", 8, f"{M}.returns", RETURNS),
        ("returns: {type: text}", 8, f"{M}.returns.type",
         "must be one of: string, integer, number, boolean, array, object"),
        ("returns: {a: {type: text}}", 8, f"{M}.returns.a.type",
         "must be one of: string, integer, number, boolean, array, object"),
        ("returns: {a: {type: string, in: query}}", 8, f"{M}.returns.a.in", "is for parameters; drop it in returns"),
        ("returns: {type: array, items: {type: string, default: a}}", 8, f"{M}.returns.items.default",
         "is for parameters; drop it in returns"),
        ("check_returns: log", 8, f"{M}.check_returns", "needs returns beside it, which says what to check for"),
        ("check_returns: warn", 8, f"{M}.check_returns", "must be one of: log, fail"),
        ("response_headers: Link", 8, f"{M}.response_headers",
         "must be a list of headers' names, such as [Link, X-Total-Count]"),
        ("response_headers: [a b]", 8, f"{M}.response_headers.0",
         "must be a header's name, such as Link or X-Total-Count"),
        ("response_headers: [Link, set-cookie]", 8, f"{M}.response_headers.1",
         "set-cookie is for the service and whoever speaks with it directly; callers cannot be given it, drop it"),
        ("response_headers: [Transfer-Encoding]", 8, f"{M}.response_headers.0",
         "Transfer-Encoding is meant for the next machine on the way; callers cannot be given it, drop it"),
        ("response_headers: [X-Request-ID]", 8, f"{M}.response_headers.0",
         "X-Request-ID is Postern's own in its answers; callers cannot be given it, drop it"),
        ("response_headers: [X_Accel_Redirect]", 8, f"{M}.response_headers.0",
         "X_Accel_Redirect is an order to a proxy before Postern; callers cannot be given it, drop it"),
        ("response_headers: [Link, link]", 8, f"{M}.response_headers.1", "link stands here twice; drop one"),
        ("paginate: true", 8, f"{M}.paginate.by", "must be one of: link, cursor, page, offset"),
        ("paginate: {by: pages}", 8, f"{M}.paginate.by", "must be one of: link, cursor, page, offset"),
        ("paginate: {by: link, cursor: a}", 8, f"{M}.paginate.cursor",
         "unknown key; known here: by, items, max_pages, url"),
        ("paginate: {by: link, max_pages: 1001}", 8, f"{M}.paginate.max_pages", "must be from 1 to 1000"),
        ("paginate: {by: link, url: ''}", 8, f"{M}.paginate.url",
         "must be a dotted path in the reply, or header:NAME"),
        ("paginate: {by: cursor, cursor: c}", 8, f"{M}.paginate.param", "missing; this key is required"),
        ("paginate: {by: cursor, cursor: c, param: c}", 8, f"{M}.paginate.param",
         "'c' is not one of the method's params; declare it there"),
        ("params: {v: {type: string}}\n        paginate: {by: cursor, cursor: c, param: v.c}", 9,
         f"{M}.paginate.param", "'v' is not one of the method's params of type: object"),
        ("params: {c: {type: string, required: true}}\n        paginate: {by: cursor, cursor: c, param: c}", 9,
         f"{M}.paginate.param", "'c' is required, so nobody could ask for the first page"),
        ("params: {p: {type: boolean}}\n        paginate: {by: page, param: p}", 9, f"{M}.paginate.param",
         "'p' counts, so its type must be integer or string"),
        ("params: {p: {type: integer}}\n        paginate: {by: offset, param: p, limit: n}", 9, f"{M}.paginate.limit",
         "'n' is not one of the method's params; declare it there"),
        ("stream: true\n        paginate: {by: link}", 9, f"{M}.paginate",
         "what is streamed has no pages; drop paginate or stream"),
        ("response: text\n        paginate: {by: link}", 9, f"{M}.paginate",
         "only a response of json or xml has pages"),
        ("response: csv", 8, f"{M}.response", "must be one of: json, xml, text, bytes"),
        ("body: {root: a}", 8, f"{M}.body.type", "missing; this key is required"),
        ("body: {type: json, root: a}", 8, f"{M}.body.root", "belongs to type: xml"),
        ("body: {type: xml, root: 'a b'}", 8, f"{M}.body.root", "must be an XML name"),
        ("body: {type: xml, content_type: text/xml}", 8, f"{M}.body.content_type", "belongs to type: raw"),
        ("body: xml\n        params: {a b: {type: string, in: body}}", 9, f"{M}.params.a b",
         "not a usable name; it must match \\S+"),
        ("body: xml\n        params: {a$: {type: string, in: body}}", 9, f"{M}.params.a$",
         "not an XML name; body: xml makes an element of each param"),
        ("body: raw\n        params: {a: {type: string, in: body}, b: {type: string, in: body}}", 8, f"{M}.body",
         "raw is one param and nothing else, but here are a, b"),
        ("response: {type: text, charset: rot13}", 8, f"{M}.response.charset",
         "must be a charset such as utf-8, gbk, big5, shift_jis, iso-8859-1 or windows-1252"),
        ("response: {type: json, lists: [a]}", 8, f"{M}.response.lists", "belongs to type: xml"),
        ("idempotency_header: 'X Key'", 8, f"{M}.idempotency_header", NAME),
        ("idempotency_header: content-length", 8, f"{M}.idempotency_header", NAME),
        ("fallback: {call: s}", 8, f"{M}.fallback.call", "must be service.method"),
        ("fallback: {call: s.n}", 8, f"{M}.fallback.call",
         "there is no method 's.n'; write service.method of this catalog"),
        ("fallback: {call: s.m}", 8, f"{M}.fallback", "goes in a circle: s.m -> s.m"),
        ("fallback: {}", 8, f"{M}.fallback", "must have exactly one of: call, static"),
        ("cache: {}", 8, f"{M}.cache.ttl", "missing; this key is required"),
        ("cache: {ttl: 0}", 8, f"{M}.cache.ttl", SECONDS),
        ("cache: {ttl: 1, vary: query}", 8, f"{M}.cache.vary", "must be one of: caller"),
        ("http: GET /b", 8, f"{M}.http", "given twice (first on line 7); keep one of them"),
    ],
)  # fmt: skip
def test_a_wrong_method_setting_is_named_with_its_line(
    addition: str, line: int, key: str, message: str
) -> None:
    assert problems(f"{METHOD}        {addition}\n") == [(line, key, message)]


@pytest.mark.parametrize(
    "http",
    [
        "FETCH /a",
        "GET",
        "GET  /a",
        "GET /a#b",
        "GET /é",
        '"GET /a\\n"',
    ],
)
def test_http_must_be_a_verb_and_a_path(http: str) -> None:
    assert problems(METHOD.replace("GET /a", http)) == [(7, f"{M}.http", HTTP)]


def test_a_method_without_http_is_told_what_to_write() -> None:
    text = TOP + "    methods:\n      m:\n        summary: x\n"
    assert problems(text) == [
        (6, f"{M}.http", "missing; say verb and path, such as: http: GET /v3/weather")
    ]


def test_a_placeholder_in_the_path_needs_a_parameter() -> None:
    text = METHOD.replace("GET /a", "GET /a/{id}")
    assert problems(text) == [(7, f"{M}.http", "the path has {id} but params declare no 'id'")]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example", "http://user:pw@a.example", "http://a.example?x=1", "http://a.example#x", "a.example",
        "http://a.example:99999", "http://a.example:0", "http://[:::]", "http://", '"http://a.example\\n"',
        "http://a.example/é", "'http://a b'",
    ],
)  # fmt: skip
def test_a_base_url_that_cannot_be_called_is_refused(url: str) -> None:
    assert problems(TOP.replace("http://a.example", url)) == [(4, f"{S}.base_url", BASE_URL)]


def test_a_refused_base_url_does_not_repeat_the_password_in_it() -> None:
    with pytest.raises(CatalogError) as caught:
        load_catalog(
            TOP.replace("http://a.example", "http://u:hunter22@a.example"), "services.yaml", {}
        )
    assert "hunter22" not in str(caught.value)


def test_an_empty_list_of_base_urls_is_refused() -> None:
    assert problems(TOP.replace("http://a.example", "[]")) == [
        (4, f"{S}.base_url", "Shorter than minimum length 1.")
    ]


def test_a_service_given_twice_is_refused() -> None:
    text = TOP + "  s:\n    base_url: http://b.example\n"
    assert problems(text) == [(5, "services.s", "given twice (first on line 3); keep one of them")]


def test_a_fallback_that_comes_back_after_two_steps_is_refused() -> None:
    text = (
        METHOD
        + "        fallback: {call: s.n}\n      n:\n        http: GET /b\n        fallback: {call: s.m}\n"
    )
    assert problems(text) == [
        (8, f"{M}.fallback", "goes in a circle: s.m -> s.n -> s.m"),
        (11, "services.s.methods.n.fallback", "goes in a circle: s.n -> s.m -> s.n"),
    ]


@pytest.mark.parametrize("version", ["2", "0"])
def test_another_version_is_refused(version: str) -> None:
    assert problems(TOP.replace("version: 1", f"version: {version}")) == [
        (1, "version", "must be 1")
    ]


def test_a_version_that_is_text_is_refused() -> None:
    assert problems(TOP.replace("version: 1", "version: '1'")) == [
        (1, "version", "Not a valid integer.")
    ]


def test_a_name_that_could_not_stand_in_a_url_is_refused() -> None:
    message = "not a usable name; it must match [A-Za-z0-9_-]{1,64}"
    assert problems(TOP.replace("  s:", "  a/b:")) == [(3, "services.a/b", message)]


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "just text", "5"])
def test_what_is_not_a_mapping_is_refused(text: str) -> None:
    assert problems(text) == [(1, "", "must be a mapping of keys to values")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [", 2),
        ("version: 1\n\tx: 2", 2),
        ("a: 'x", 2),
        ("a: 1\n---\nb: 2", 2),
        ("a: *b", 1),
        ("a: \x01", 1),
    ],
)
def test_what_is_not_yaml_is_refused_with_a_line(text: str, line: int) -> None:
    (problem,) = problems(text)
    assert problem[2].startswith("not YAML: ")
    assert problem[0] in (
        line,
        line - 1,
    )  # the two parsers of PyYAML count the end of the text differently


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    "text", ["a: &a [*a]", "a: &a\n  b: *a", BOMB, "a: " + "[" * 100 + "]" * 100]
)
def test_aliases_and_nesting_cannot_blow_up(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "MAX_NODES", 10_000)  # the real one takes seconds to reach
    (problem,) = problems(text)
    assert problem[2] == "too large or nested too deeply; aliases may not refer to themselves"


@pytest.mark.parametrize("text", ["a: " + "[" * 50_000, "a: " + '{"a":' * 50_000, "- " * 50_000])
def test_bottomless_nesting_does_not_end_the_process(text: str) -> None:
    assert problems(text) == [
        (1, "", "too large or nested too deeply; aliases may not refer to themselves")
    ]


def test_all_problems_are_listed_at_once_in_the_order_of_lines() -> None:
    text = (
        METHOD + "        mask: [a]\n        params:\n          q: {type: integer, default: x}\n"
        "          r: {type: integer, in: path}\n"
    )
    assert [(line, key) for line, key, _ in problems(text)] == [
        (8, f"{M}.mask"),
        (10, f"{M}.params.q.default"),
        (11, f"{M}.params.r.in"),
    ]
    text = "version: 3\nservcies: {}\nservices:\n  s: {base_url: x, deadline: 0}\n"
    assert [line for line, _, _ in problems(text)] == [1, 2, 4, 4]


def test_an_unset_variable_hides_no_other_problem_and_is_not_complained_of_twice() -> None:
    text = """\
version: 1
services:
  s:
    base_url: "${HOST}"
    auth: {type: "${KIND}", token: "${file:/nowhere/x}"}
    deadlin: 5
    methods:
      m: {http: GET /, retry: {times: "${MANY}${MORE}"}, fallback: {call: "${OTHER}"}}
      n: {http: GET /, mask: [a]}
      n: {http: GET /, tiemout: 5}
"""
    assert [(line, key) for line, key, _ in problems(text)] == [
        (4, f"{S}.base_url"),
        (5, f"{S}.auth.token"),
        (5, f"{S}.auth.type"),
        (6, f"{S}.deadlin"),
        (8, f"{M}.fallback.call"),
        (8, f"{M}.retry.times"),
        (8, f"{M}.retry.times"),
        (10, f"{S}.methods.n"),
        (10, f"{S}.methods.n.tiemout"),
    ]


def test_beside_an_unset_variable_what_spans_several_keys_is_checked_too() -> None:
    text = (
        TOP
        + '    auth: {type: bearer, token: "${TOKEN}"}\n    methods: {m: {http: GET /, mask: [a]}}\n'
    )
    assert [key for _, key, _ in problems(text)] == [f"{S}.auth.token", f"{M}.mask"]


def test_a_problem_reads_as_file_line_key_and_advice() -> None:
    with pytest.raises(CatalogError) as caught:
        load_catalog(
            TOP.replace("version: 1", "version: 2") + "    deadlin: 5\n", "etc/services.yaml", {}
        )
    assert str(caught.value).splitlines() == [
        "etc/services.yaml:1: version: must be 1",
        "etc/services.yaml:5: services.s.deadlin: unknown key; did you mean 'deadline'?",
    ]


def test_a_tls_file_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "not.pem"
    file.write_text("hello")
    assert [key for _, key, _ in problems(f"{TOP}    tls: {{ca: {file}, cert: {file}}}\n")] == [
        f"{S}.tls.ca",
        f"{S}.tls.cert",
    ]


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_cache_before_what_must_be_sent_is_refused(verb: str) -> None:
    text = METHOD.replace("GET", verb) + "        cache: {ttl: 1}\n"
    message = f"a call that is answered from the cache is not sent; for {verb} that needs idempotent: true beside it"
    assert problems(text) == [(8, f"{M}.cache", message)]
    load_catalog(text + "        idempotent: true\n", "services.yaml", {})


def test_a_cache_of_what_is_streamed_is_refused() -> None:
    text = METHOD + "        cache: {ttl: 1}\n        stream: true\n"
    assert problems(text) == [
        (8, f"{M}.cache", "what is streamed cannot be kept; drop cache or stream")
    ]


def test_a_fallback_that_needs_what_the_method_does_not_have_is_refused() -> None:
    params = "        params: {q: {type: string}, r: {type: string, required: true}, s: {type: string, default: x}}\n"
    text = METHOD + "        fallback: {call: s.n}\n      n:\n        http: GET /b\n" + params
    assert problems(text) == [
        (8, f"{M}.fallback.call", "s.n needs 'r', which is not one of this method's params")
    ]
    load_catalog(
        text.replace("fallback", "params: {r: {type: string}}\n        fallback"),
        "services.yaml",
        {},
    )


def test_a_long_line_of_fallbacks_is_refused() -> None:
    lines = [
        f"      m{n}:\n        http: GET /a\n        fallback: {{call: s.m{n + 1}}}\n"
        for n in range(2000)
    ]
    text = TOP + "    methods:\n" + "".join(lines) + "      m2000: {http: GET /a}\n"
    found_problems = problems(text)
    assert found_problems[0] == (
        8,
        f"{S}.methods.m0.fallback",
        "leads on through more than 8 methods",
    )
    assert len(found_problems) == 1992


ALIPAY = f"{TOP}    auth:\n      type: alipay\n      app_id: a\n"
PRIVATE_KEY = "must be an unencrypted RSA private key, PEM or bare base64, such as ${file:/run/secrets/key.pem}"
PUBLIC_KEY = "must be an RSA public key, PEM (BEGIN PUBLIC KEY) or bare base64"
RSA_CERTIFICATES = "must be RSA certificates in PEM, such as ${file:/etc/postern/cert.pem}"
VERIFIED_WITH = "missing; replies are verified with "
ALIPAYS = VERIFIED_WITH + "alipay_public_key or app_cert, alipay_cert, alipay_root_cert"
WECHATS = VERIFIED_WITH + "public_key, public_key_id or platform_certs"


@pytest.fixture
def keys() -> dict[str, str]:
    curve = ec.generate_private_key(ec.SECP256R1())
    forms = Encoding.PEM, PrivateFormat.PKCS8
    locked = load_pem_private_key(MERCHANT_PRIVATE_KEY.encode(), None).private_bytes(
        *forms, BestAvailableEncryption(b"x")
    )
    return {
        "GOOD": MERCHANT_PRIVATE_KEY,
        "PUBLIC": MERCHANT_PUBLIC_KEY,
        "CUT": MERCHANT_PRIVATE_KEY[:600],
        "LOCKED": locked.decode(),
        "CURVE": curve.private_bytes(*forms, NoEncryption()).decode(),
        "CURVE_PUBLIC": curve.public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode(),
    }


@pytest.mark.parametrize("key", ["CUT", "LOCKED", "CURVE", "PUBLIC", "NOTHING"])
def test_a_private_key_that_cannot_sign_is_named_with_its_line_and_not_shown(
    keys: dict[str, str], key: str
) -> None:
    text = f"{ALIPAY}      alipay_public_key: ${{PUBLIC}}\n      private_key: ${{{key}}}\n"
    assert problems(text, keys | {"NOTHING": "bm90aGluZw=="}) == [
        (9, f"{S}.auth.private_key", PRIVATE_KEY)
    ]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("alipay_public_key", "CURVE_PUBLIC", PUBLIC_KEY),
        ("alipay_public_key", "GOOD", PUBLIC_KEY),
        ("alipay_cert", "PUBLIC", RSA_CERTIFICATES),
        (
            "alipay_root_cert",
            "PUBLIC",
            "must be certificates in PEM, at least one signed by RSA: alipayRootCert.crt",
        ),
    ],
)
def test_a_key_that_cannot_verify_is_named_with_its_line(
    keys: dict[str, str], key: str, value: str, message: str
) -> None:
    found_problems = problems(
        f"{ALIPAY}      private_key: ${{GOOD}}\n      {key}: ${{{value}}}\n", keys
    )
    assert (9, f"{S}.auth.{key}", message) in found_problems


@pytest.mark.parametrize(
    ("auth", "key", "message"),
    [
        ("alipay, app_id: a", "alipay_public_key", ALIPAYS),
        ("alipay, app_id: a, alipay_public_key: '${PUBLIC}', app_cert: '${CERT}', alipay_cert: '${CERT}'",
         "alipay_root_cert", ALIPAYS),
        ("wechatpay_v3, mch_id: a, serial_no: b", "public_key", WECHATS),
        ("wechatpay_v3, mch_id: a, serial_no: b, public_key: '${PUBLIC}'", "public_key_id", WECHATS),
        ("wechatpay_v3, mch_id: 'a\"b', serial_no: b, platform_certs: '${CERT}'", "mch_id",
         "must be letters, digits, - and _"),
    ],
)  # fmt: skip
def test_a_signer_without_what_replies_are_verified_with_is_refused(
    keys: dict[str, str], auth: str, key: str, message: str
) -> None:
    env = keys | {"CERT": certificate(MERCHANT_PUBLIC_KEY, 7)}
    found_problems = problems(f"{TOP}    auth: {{type: {auth}, private_key: '${{GOOD}}'}}\n", env)
    assert [(line, where, text) for line, where, text in found_problems if where.endswith(key)] == [
        (5, f"{S}.auth.{key}", message)
    ]


def test_returns_of_what_is_streamed_is_refused() -> None:
    text = METHOD + "        returns: {type: string}\n        stream: true\n"
    message = "what is streamed goes on as it comes; drop returns or stream"
    assert problems(text) == [(8, f"{M}.returns", message)]
    load_catalog(text + "        body: raw\n", "services.yaml", {})


def test_a_fixed_answer_of_another_shape_than_returns_is_noted() -> None:
    text = METHOD + "        returns: {type: array}\n        fallback: {static: null}\n"
    (note,) = load_catalog(text, "services.yaml", {}).notes
    assert str(note) == f"{M}.fallback.static: not as returns says: data: Field may not be null."


@pytest.mark.parametrize(
    ("addition", "key"),
    [
        ("auth: {type: bearer, token:hunter2}", f"{S}.auth.token:****"),
        ("headers: {X-A:hunter2}", f"{S}.headers.X-A:****"),
        ("query: {a=hunter2: }", f"{S}.query.a=****"),
        ("password:hunter2: 1", f"{S}.password:****"),
        ("note:5: 1", f"{S}.note:5"),
    ],
)
def test_a_secret_that_its_key_took_in_is_not_told(addition: str, key: str) -> None:
    with pytest.raises(CatalogError) as caught:
        load_catalog(TOP + "    " + addition, "services.yaml", {})
    assert key in [problem.key for problem in caught.value.problems]
    assert "hunter2" not in str(caught.value)
