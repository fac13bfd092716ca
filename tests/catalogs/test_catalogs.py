"""``examples/catalogs``: each passes the check, says what it needs, and proves itself to its vendor.

How to add one:

- The file. Its head is ``# VENDOR: WHAT FOR.``, ``# Manual: https://...`` and a line for each variable:
  three blanks, its name, where the vendor's console has it (``flask catalog presets`` reads all of this).
  Each method has a ``summary``; a parameter with a ``pattern`` has an ``example``, too.
- Its ``Vendor`` in a module beside this one (``vendor.py`` says how), whose table stands in ``VENDORS``.

``pytest tests/catalogs -k NAME`` runs it alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway import Gateway
from gateway.catalog.loader import CatalogError, load_catalog
from gateway.catalog.model import Catalog, Method
from gateway.clock import SystemClock
from gateway.errors import GatewayError
from gateway.messages import Result
from gateway.streams import PassthroughRequest, ResponseStream
from sandbox.messages import Request
from schemas.catalog.returns import compile_check
from tests.catalogs import (
    ai,
    chat,
    chat_china,
    clouds,
    customers,
    mail,
    maps,
    office,
    operations,
    pay,
)
from tests.catalogs.account import Account
from tests.catalogs.internet import Internet
from tests.catalogs.params import make_env, make_params
from tests.catalogs.vendor import Vendor, reply, variables
from tests.gateway.fakes import make_call, make_runtime

FOLDER = Path(__file__).parents[2] / "examples" / "catalogs"
VENDORS = {
    **ai.VENDORS,
    **chat.VENDORS,
    **chat_china.VENDORS,
    **clouds.VENDORS,
    **customers.VENDORS,
    **mail.VENDORS,
    **maps.VENDORS,
    **office.VENDORS,
    **operations.VENDORS,
    **pay.VENDORS,
}
NAMES = sorted(VENDORS)
#: A variable that the head of a file explains: its name, and where its value is found.
EXPLAINED = re.compile(r"^#   ([A-Z][A-Z0-9_]*) +\S", re.MULTILINE)
MAX_METHODS = 8
MAX_TITLE = 90  # a line of ``flask catalog presets``


class Hurried(SystemClock):
    """Waits for nothing before it sends again."""

    def sleep(self, seconds: float) -> None:
        pass


@dataclass
class Played:
    """A catalog at its vendor."""

    vendor: Vendor
    env: dict[str, str]
    catalog: Catalog
    gateway: Gateway
    internet: Internet

    def call(self, method: Method, *answers: Any) -> Result:
        """Return what a call answers where the vendor gives these answers."""
        self.internet.answers[:] = [reply(answer) for answer in answers]
        inbound = PassthroughRequest() if method.stream else None
        params = self.params(method)
        call = make_call(method.name, params, service=method.service.name, inbound=inbound)
        result = self.gateway.call(call)
        if isinstance(result.data, ResponseStream):
            b"".join(result.data)
        return result

    def params(self, method: Method) -> dict[str, Any]:
        return make_params(method) | dict(self.vendor.params.get(method.name, {}))

    def answer(self, method: Method) -> Any:
        """Return the vendor's yes to a method."""
        if method.name in self.vendor.pages:
            return self.vendor.pages[method.name][0]
        return self.vendor.answers.get(method.name, self.vendor.answer)

    def has_sample(self, method: Method) -> bool:
        """Return whether the answer is what the vendor documents for this very method."""
        return method.name in {*self.vendor.pages, *self.vendor.answers}

    def sent(self) -> list[tuple[str, Request]]:
        """Return URL and request of all but token requests."""
        fixed = self.internet.fixed
        return [(url, at) for url, at in self.internet.received if f"{at.verb} {url}" not in fixed]


@contextmanager
def played(name: str, folder: Path) -> Iterator[Played]:
    vendor = VENDORS[name]
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    env = make_env(text, vendor.env)
    catalog = load_catalog(text, name, env)
    hosts = {certified_host(url) for service in catalog.services.values() for url in service.urls}
    fixed = {token.http: reply(token.answer) for token in vendor.tokens}
    hosts |= {urlsplit(http.split(" ")[1]).hostname or "" for http in fixed}
    with Internet(folder, hosts, fixed) as internet:
        runtime = make_runtime(clock=Hurried(), outbound=internet.outbound)
        gateway = Gateway(catalog, replace(runtime, connections=Account()))
        try:
            yield Played(vendor, env, catalog, gateway, internet)
        finally:
            gateway.close()


def certified_host(url: str) -> str:
    """Return the host of a base URL, any where it is a parameter of the call."""
    return re.sub(r"^\{[^}]*\}", "*", url.removeprefix("https://").partition("/")[0])


def test_every_catalog_has_its_vendor() -> None:
    assert {file.stem for file in FOLDER.glob("*.yaml")} == {*VENDORS}


@pytest.mark.parametrize("name", NAMES)
def test_a_catalog_calls_its_vendor_as_the_vendor_documents(name: str, tmp_path: Path) -> None:
    with played(name, tmp_path) as at:
        methods = list(at.catalog.methods())
        for method in methods:
            result = at.call(method, at.answer(method))
            if method.returns and at.has_sample(method):
                problem = compile_check(method.returns)(result.data)
                assert not problem, f"{method.full_name} returns: data{problem}"
        sent = at.sent()
        assert len(sent) == len(methods), "each call is sent once"
        for url, request in sent:
            assert not re.search(r"[{}]|%7B|%7D", request.target), f"not filled in: {url}"
            at.vendor.proof(request, at.env)
        tokens = {token.http: token for token in at.vendor.tokens}
        received = [(f"{request.verb} {url}", request) for url, request in at.internet.received]
        fetched = [(http, request) for http, request in received if http in tokens]
        assert sorted(http for http, _ in fetched) == sorted(tokens), "a token is fetched once"
        for http, request in fetched:
            tokens[http].verify(request, at.env)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_vendor_says_is_told_as_what_it_means(name: str, tmp_path: Path) -> None:
    with played(name, tmp_path) as at:
        method = next(at.catalog.methods())
        for error_type, answer in at.vendor.failures.items():
            before = len(at.internet.received)
            if error_type == "credential_expired":
                at.call(method, answer, at.answer(method))
                renewed = len(at.internet.received) - before
                assert renewed >= 2 + len(at.vendor.tokens), "a new token, and the call once more"
                continue
            with pytest.raises(GatewayError) as caught:
                at.call(method, answer)
            assert caught.value.type == error_type, (answer, caught.value.detail)


@pytest.mark.parametrize("name", [name for name in NAMES if VENDORS[name].pages])
def test_a_list_goes_on_as_its_vendor_says(name: str, tmp_path: Path) -> None:
    with played(name, tmp_path) as at:
        methods = [method for method in at.catalog.methods() if method.paginate]
        assert {method.name for method in methods} == at.vendor.pages.keys()
        for method in methods:
            first_page, change = at.vendor.pages[method.name]
            page = at.call(method, first_page).extras.page
            assert page is not None
            expected = None if change is None else at.params(method) | dict(change)
            assert page.next == expected, method.full_name


@pytest.mark.parametrize("name", NAMES)
def test_a_list_that_goes_on_is_a_list_in_what_its_method_returns(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    for method in load_catalog(text, name, make_env(text, VENDORS[name].env)).methods():
        if method.paginate is None or method.returns is None:
            continue
        schema = method.returns
        for key in filter(None, method.paginate.items.split(".")):
            schema = schema["properties"][key]
        assert schema["type"] == "array", method.full_name


@pytest.mark.parametrize("name", NAMES)
def test_a_catalog_explains_its_variables_and_its_methods(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    head = text.partition("\nversion: 1\n")[0]
    title = head.partition("\n")[0]
    assert re.fullmatch(r"# \S[^:]*: \S.*\.", title), "first the vendor, then what it is for"
    assert len(title) <= MAX_TITLE
    assert "\n# Manual: https://" in head
    assert sorted(EXPLAINED.findall(head)) == sorted(variables(text))
    catalog = load_catalog(text, name, make_env(text, VENDORS[name].env))
    methods = list(catalog.methods())
    assert 3 <= len(methods) <= MAX_METHODS
    assert [method.full_name for method in methods if not method.summary] == []
    assert catalog.notes == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_catalog_types_an_answer_that_its_vendor_documents(name: str, tmp_path: Path) -> None:
    with played(name, tmp_path) as at:
        methods = [method.name for method in at.catalog.methods() if method.returns]
        samples = {*at.vendor.answers, *at.vendor.pages}
        assert samples & {*methods}


@pytest.mark.parametrize("name", NAMES)
def test_a_catalog_holds_no_secret(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    with pytest.raises(CatalogError, match="is not set; set it in the environment"):
        load_catalog(text, name, {})


def test_the_catalogs_fit_into_one_folder_together() -> None:
    services: list[str] = []
    for name in NAMES:
        text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
        services += load_catalog(text, name, make_env(text, VENDORS[name].env)).services
    assert len(services) == len(set(services))


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("aws", "AWS_SECRET_ACCESS_KEY"),
        ("tencent_cloud", "TENCENT_SECRET_KEY"),
        ("alibaba_cloud", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
    ],
)
def test_a_vendor_notices_a_signature_by_another_key(
    name: str, secret: str, tmp_path: Path
) -> None:
    with played(name, tmp_path) as at:
        method = next(at.catalog.methods())
        at.call(method, at.answer(method))
        _, request = at.sent()[0]
        at.vendor.proof(request, at.env)
        with pytest.raises(AssertionError):
            at.vendor.proof(request, at.env | {secret: "another"})
