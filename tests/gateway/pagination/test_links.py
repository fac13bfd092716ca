"""The Link header, as RFC 8288 lets servers write it."""

from __future__ import annotations

import pytest

from gateway.pagination.links import link_target


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('</a?page=2>; rel="next"', "/a?page=2"),
        ("</a>; rel=next", "/a"),
        ('</a>;rel="prev", </b>;rel="next"', "/b"),
        ('</a> ; REL = "Last NEXT"', "/a"),
        ('<http://h/a,b;c>; title="x, <y>; rel=\\"next\\""; rel=prev, </n>; rel=next', "/n"),
        ('</a>; rel="prev"; rel="next"', None),
        ('</a>; rel="next"; anchor="/other", </b>; rel="next"', "/b"),
        ('</a>; rel="next"; results="false"; cursor="0:100:0"', None),
        ('</a>; rel="next"; results="true"', "/a"),
        ('</a>; rel="nextish"', None),
        ('</a>; title="next"', None),
        ("</a>; rel", None),
        ("", None),
        ("no link", None),
        ("<a; rel=next", None),
        ("<" * 20_000, None),
        ('</a>; x="' + '\\"' * 20_000, None),
    ],
)
def test_the_next_page_is_the_first_link_that_says_so(header: str, target: str | None) -> None:
    assert link_target(header, "next") == target
