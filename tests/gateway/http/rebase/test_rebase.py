"""Whatever a proxied answer calls the service by, its caller comes back to the gate; and nobody else is renamed."""

from __future__ import annotations

import time

import pytest

from gateway.http.rebase import Rebaser

GATE = "https://gate.example/p/api/v1/proxy/s"
HOME = "/p/api/v1/proxy/s"
BASE, PATH = "https://api.example.com/v1", "/a/b"
OURS = Rebaser([BASE, "http://backup.example"])

REFERENCES = [
    ("https://API.example.com:443/v1/x?y=/&z#f", f"{GATE}/x?y=/&z#f"),
    ("HTTPS://api.example.com./v1", GATE),
    ("https://user:pw@api.example.com/v1/x?", f"{GATE}/x?"),
    ("http://backup.example:80/q//r", f"{GATE}/q//r"),
    ("//api.example.com/v1/x", f"{GATE}/x"),
    ("/v1/x", f"{HOME}/x"),
    ("\\v1\\x?a\\b", f"{HOME}/x?a\\b"),
    ("next?page=2", "next?page=2"),
    ("?page=2", "?page=2"),
    ("", ""),
    ("https://api.example.com/v10/x", "https://api.example.com/v10/x"),
    ("http://api.example.com/v1/x", f"{GATE}/x"),
    ("https://backup.example/q", "https://backup.example/q"),
    ("https://api.example.com:8443/v1/x", "https://api.example.com:8443/v1/x"),
    ("https://elsewhere.example/v1/x", "https://elsewhere.example/v1/x"),
    ("https://api.example.com@elsewhere.example/v1", "https://api.example.com@elsewhere.example/v1"),
    ("//elsewhere.example/v1", "//elsewhere.example/v1"),
    ("mailto:a@api.example.com", "mailto:a@api.example.com"),
    ("https://[v1", "https://[v1"),
    ("https://api.example.com:99999/v1", "https://api.example.com:99999/v1"),
]  # fmt: skip


@pytest.mark.parametrize(("vendors", "callers"), REFERENCES)
def test_the_services_own_address_becomes_the_gates_and_any_other_stays(
    vendors: str, callers: str
) -> None:
    assert OURS.reference(vendors, BASE + PATH, GATE) == callers


CLIMBING = [
    ("/api/v1/users", f"{HOME}/api/v1/users"),
    ("../../../other/x", f"{HOME}/other/x"),
    ("/v1/../../other", f"{HOME}/other"),
    ("/v1/./a/../b", f"{HOME}/b"),
    ("https://api.example.com/v1/x/../y", f"{GATE}/y"),
    ("/v1/%2e%2e/other/x", f"{HOME}/%252e%252e/other/x"),
    ("%2e%2e/%2E%2e/other", f"{HOME}/a/%252e%252e/%252E%252e/other"),
]


@pytest.mark.parametrize(("vendors", "callers"), CLIMBING)
def test_no_service_leads_its_callers_to_another_or_to_the_gate_itself(
    vendors: str, callers: str
) -> None:
    assert OURS.reference(vendors, BASE + PATH, GATE) == callers


def test_every_target_of_a_link_header_is_the_gates_and_nothing_beside_it() -> None:
    link = '<https://api.example.com/v1/x?page=2>; rel="next"; title="</v1/x>", </v1/y>; rel=last, <https://o.example/>'
    headers = OURS.headers(
        (("Link", link), ("X-Other", "/v1/x"), ("Content-Location", "/v1/z")), BASE, PATH, GATE
    )
    assert headers == (
        (
            "Link",
            f'<{GATE}/x?page=2>; rel="next"; title="</v1/x>", <{HOME}/y>; rel=last, <https://o.example/>',
        ),
        ("X-Other", "/v1/x"),
        ("Content-Location", f"{HOME}/z"),
    )


@pytest.mark.parametrize("unclosed", ["<" * 64_000, '"' + '\\"' * 32_000])
def test_a_link_header_that_nothing_closes_costs_linear_time(unclosed: str) -> None:
    started = time.process_time()
    assert OURS.headers((("Link", unclosed),), BASE, PATH, GATE) == (("Link", unclosed),)
    assert time.process_time() - started < 10  # where each quote is scanned for anew, it is 30


COOKIES = [
    ("a=1; Path=/; Domain=.example.com; Secure", f"a=1; Secure; Path={HOME}"),
    ("a=1; domain=example.com; path=/v1/foo/; HttpOnly", f"a=1; HttpOnly; Path={HOME}/foo/"),
    ("a=1; Path=/x; Path=/v1", f"a=1; Path={HOME}"),
    ("a=1; Path=", f"a=1; Path={HOME}/a"),
    ("a=1", f"a=1; Path={HOME}/a"),
    ("a=1; Path=/v2", f"a=1; Path={HOME}/v2"),
    ("a=1; Path=/v1/../../x/./y", f"a=1; Path={HOME}/x/y"),
]


@pytest.mark.parametrize(("vendors", "callers"), COOKIES)
def test_a_cookie_is_for_this_service_at_the_gate_alone(vendors: str, callers: str) -> None:
    assert OURS.headers((("set-cookie", vendors),), BASE, PATH, GATE) == (("set-cookie", callers),)
