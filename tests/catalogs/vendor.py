"""How a vendor of ``examples/catalogs`` is played: what must reach it, and what it answers.

Each file of catalogs has its ``Vendor`` in a module here, in a table by the catalog's name. All values
are written as the vendor's own documentation has them; ``${NAME}`` is the variable's value::

    VENDORS = {
        "lark": Vendor(
            tokens=[Token("POST https://open.feishu.cn/open-apis/auth/v3/tenant_access_token/internal",
                          json={"app_id": "${LARK_APP_ID}", "app_secret": "${LARK_APP_SECRET}"},
                          answer={"code": 0, "tenant_access_token": TOKEN, "expire": 7200})],
            proof=carries(headers={"authorization": f"Bearer {TOKEN}"}),
            answer={"code": 0, "data": {}},
            failures={"credential_expired": {"code": 99991663, "msg": "invalid token"}},
        ),
    }

``test_catalogs.py`` calls every method of the catalog, exactly as the file is, through a real proxy and
TLS (``internet.py``), with parameters made from their declarations: ``example``, ``default`` or the first
of ``enum``, else something of the type. What these cannot say stands in ``params``, by method.
"""

from __future__ import annotations

import json as json_
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sandbox.messages import Reply, Request, json_reply

Env = Mapping[str, str]
#: Checks what arrived; raises AssertionError.
Check = Callable[[Request, Env], None]
Answer = Callable[[Request], Reply]
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: What token endpoints give out, unless a vendor says otherwise.
TOKEN = "token-of-the-vendor"


@dataclass(frozen=True)
class Token:
    """A request for a token, as the vendor documents it.

    :param http: verb and URL, without query.
    :param query: exactly this; so are ``json`` and ``form``. ``headers``, in lower case, are among
        those sent.
    :param check: what else has to be right, such as an assertion's signature.
    :param answer: JSON, or a whole reply.
    """

    http: str
    answer: Any
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None
    check: Check | None = None

    def verify(self, request: Request, env: Env) -> None:
        """:raises AssertionError: it is not what the vendor documents."""
        query = {name: values[0] for name, values in request.query.items()}
        assert query == fill(self.query, env), (self.http, query)
        carries(headers=self.headers)(request, env)
        if self.json is not None:
            assert json_.loads(request.body) == fill(self.json, env), request.body
        if self.form is not None:
            assert dict(parse_qsl(request.text())) == fill(self.form, env), request.body
        if self.check:
            self.check(request, env)


@dataclass(frozen=True)
class Vendor:
    """One vendor.

    :param proof: what has to be in every request, the credential above all.
    :param answer: the vendor's yes: JSON, a whole reply, or what makes one of the request, such as
        a signed one; ``answers`` are what it documents for a method, which fit its ``returns``.
    :param failures: what the vendor says, by the type of error that it has to become. After
        ``credential_expired`` a new token is fetched and the call sent again.
    :param pages: of methods whose lists go on, the vendor's first page, and the parameters that then
        differ in what asks for the next one; None where nothing follows.
    :param params: parameters that cannot be made from their declarations, by method.
    :param env: values of variables for which any text will not do, such as keys.
    """

    proof: Check
    tokens: Sequence[Token] = ()
    answer: Any = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, Any] = field(default_factory=dict)
    pages: Mapping[str, tuple[Any, Mapping[str, Any] | None]] = field(default_factory=dict)
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    env: Env = field(default_factory=dict)


def variables(text: str) -> set[str]:
    """Return the variables that a catalog needs; what its comments name it does not."""
    return {*VARIABLE.findall(re.sub(r"(?m)^ *#.*", "", text))}


def carries(
    *, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> Check:
    """Return a check that a request has these, names of headers in lower case."""

    def check(request: Request, env: Env) -> None:
        for name, value in (query or {}).items():
            assert request.query.get(name) == [fill(value, env)], (name, request.target)
        for name, value in (headers or {}).items():
            assert request.headers.get(name) == fill(value, env), (name, request.headers)

    return check


def basic(username: str, password: str) -> Check:
    """Return a check of HTTP Basic's header (RFC 7617)."""

    def check(request: Request, env: Env) -> None:
        pair = f"{fill(username, env)}:{fill(password, env)}".encode()
        carries(headers={"authorization": f"Basic {b64encode(pair).decode()}"})(request, env)

    return check


def bearer(token: str = TOKEN) -> Check:
    return carries(headers={"authorization": f"Bearer {token}"})


def fill(value: Any, env: Env) -> Any:
    """Return a JSON value with the variables in its texts filled in."""
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: env[match[1]], value)
    if isinstance(value, Mapping):
        return {name: fill(inner, env) for name, inner in value.items()}
    if isinstance(value, list):
        return [fill(inner, env) for inner in value]
    return value


def next_url(request: Request, **change: object) -> str:
    """Return the URL of a request with other parameters in its query, as vendors give the next page's."""
    pairs = [pair for pair in parse_qsl(request.target.partition("?")[2]) if pair[0] not in change]
    query = urlencode([*pairs, *change.items()])
    return f"https://{request.headers['host']}{request.path}?{query}"


def reply(answer: Any, status: int = 200) -> Answer:
    """Return what answers a request; what is no reply yet is written as JSON."""
    if isinstance(answer, Reply):
        return lambda request: answer
    if callable(answer):
        return answer  # type: ignore[no-any-return]
    written = Reply(status, json_.dumps(answer).encode())
    return lambda request: written


def refusal(status: int, answer: Any = None, *headers: tuple[str, str]) -> Reply:
    """Return a vendor's no: a status, and JSON."""
    return json_reply(status, {} if answer is None else answer, *headers)
