"""Secrets that a catalog spells out, in any way that YAML has for it, and where they are named."""

from __future__ import annotations

import time

import pytest

from gateway.sources.literals import find_literals
from gateway.sources.text_diff import diff_catalogs

SPELLINGS = {
    "in a comment outside of blocks": """\
# it was hunter2 before
services: {a: {auth: {type: bearer, token: hunter2}}}
""",
    "in a comment of the other text": "# it was hunter1-old before\n",
    "in a quoted text that goes on in another line": """\
services:
  a:
    auth: {type: bearer, token: "hunter2,
      pass: hunter3

 hunter4"}
    timeout: 5
""",
    "in a quoted text with escapes, and whole in another": """\
services:
  a: {auth: {type: bearer, token: "hun\\x74er2"}}
  hunter2: {base_url: https://x.example/hunter2}
""",
    "in a quoted text with escapes that is no secret itself": """\
services: {a: {auth: {token: hunter2, type: bearer}, methods: {m: {http: GET /, summary: "hun\\x74er2"}}}}
""",
    "in a literal block": """\
services:
  a:
    auth:
      private_key: |+
        hunter2
          pass: hunter3

        hunter4

    timeout: 5
""",
    "in a folded block": "auth:\n  token: >-\n\n   hunter2\n   hunter3\ntimeout: 5\n",
    "in a plain text over lines": "auth:\n  token: hunter2\n   hunter3\n   hunter4\ntimeout: 5\n",
    "in a flow mapping over lines": """\
services: {a: {headers: {
X-A:
hunter2,
? X-B
: hunter3, 'X-C':hunter4 }, query: {
  a: [hunter5,
hunter6]}}}
""",
    "without a colon": "services: {a: {auth: {hunter2}, headers: {X-A=hunter3}, query: {a:hunter4}}}\n",
    "as what a parameter may be": """\
services:
  a:
    methods:
      m:
        params:
          token: {type: string, default: hunter2, example: "hunter3"}
          pwd:
            type: string
            enum:
            - hunter4
            - "hunter5"
          secret: {type: object, properties: {a: {const: hunter6}}}
        returns: {api_key: {type: string, example: hunter7}}
""",
    "as what a parameter may be, in a list": """\
services:
  a:
    methods:
      m: {params: [{name: token, default: hunter2}]}
      n:
        parameters:
        - name: api_key
          schema: {type: string, example: hunter3}
""",
    "behind an alias": """\
x-text: &text hunter2
x-list: &list [hunter3]
x-auth: &auth
  type: api_key
  extra: hunter4
  more: *list
x-headers: &headers
  X-A: hunter5
services:
  a: {auth: {type: bearer, token: *text}}
  b: {auth: *auth}
  c: {auth: {<<: *auth, name: X}, headers: {<<: [*headers]}}
""",
    "behind an alias of what is harmless where it stands": """\
services:
  a: {params: {token: &a {type: hunter2}}, methods: {m: &b {default: hunter3}}}
  b: {auth: {x: *a}, methods: {n: {http: GET /, params: {secret: *b}}}}
""",
    "under a key that is escaped": """\
services: {a: {"a\\x75th": {type: bearer, ? "to\\
  ken" : hunter2}, ? "passw\\x6frd" : hunter3}}
""",
    "in a URL over lines": 'services: {a: {base_url: "https://bob:hun\\\n  ter2@x.example"}}\n',
    "with a tag, an anchor, a scheme": """\
services:
  a: {auth: {type: bearer, token: !!str hunter2}, headers: {Authorization: &x Bearer hunter3}}
# hunter3
""",
    "as what a variable is by default": """\
services:
  a: {auth: {type: bearer, token: "${A_TOKEN:-hunter2}"}}
  b: {headers: {X-A: "a ${A_TOKEN-hunter3}", X-B: "${A_TOKEN:hunter4}"}}
# hunter2 hunter3 hunter4
""",
    "behind what no program sees": "\ufeff# 北😀\nauth: {type: bearer, token: 😀北-hunter2}\n",
    "in a second document": "version: 1\n---\nauth: {token: hunter2\n }\n--- # hunter2\n",
    "before the text is no YAML": """\
auth: {type: bearer, token: 'hunter2
  pass: hunter3'}
# hunter2
timeout: : 5
""",
    "in a key over lines, which is no YAML": 'services: {"a\\x75th": {"to\\\n  ken":\nhunter2}}\n',
    "where the text is no YAML any more": """\
timeout: : 5
x-text: &text hunter2
services:
  a:
    headers: {
X-A: hunter2,
 X-B: {a: hunter3},
 X-C: hunter4
    }
    methods:
      m:
        params: {token: {type: string, default: hunter5}}
        summary: "some text
  hunter6"  # hunter7
# hunter8
""",
}  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_hidden(spelling: str) -> None:
    text = SPELLINGS[spelling]
    other = "services: {o: {auth: {type: bearer, token: hunter1-old}}}\n"
    for diff in (diff_catalogs(other, text, "c.yaml"), diff_catalogs(text, other, "c.yaml")):
        shown = [word for word in ("hunter", "hun\\x", "hun\\", "ter2") if word in diff]
        assert not shown, diff
        assert len(diff.splitlines()) == len(text.splitlines()) + 4


def test_what_stands_beside_a_secret_is_shown() -> None:
    text = """\
x: &x {type: bearer, token: "hunter2,
  hunter3"}  # a comment
services:
  tokens:
    auth: *x
    headers: {X-A: "Bearer ${A_TOKEN}", X-B: "${file:/run/b}"}
    methods:
      get_token:
        http: GET /token
        params: {query: {type: string, default: all}}
  b: {auth: {type: api_key, in: header, name: X-Key, value: hunter4}, timeout: 5}
"""
    masked = find_literals(text).mask(str).splitlines()
    assert masked[:2] == ["x: &x {type: bearer, token: ****", "  ****}  # a comment"]
    assert masked[2:-1] == text.splitlines()[2:-1]
    assert masked[-1] == text.splitlines()[-1].replace("hunter4", "****")


def test_the_words_of_a_described_auth_are_shown_elsewhere_and_its_secrets_are_not() -> None:
    auth = """\
services:
  a:
    auth:
      type: token
      request: {http: POST /token, body: {grant_type: client_credentials, key: hunter2}}
      response: {token: access_token, expires_in: expires_in}
      send: {in: header, name: X-Token, value: "Token {token}"}
"""
    method = "    methods: {m: {http: POST /token, params: {access_token: {in: header}}}}"
    diff = diff_catalogs("", f"{auth}{method}\n    headers: {{}}\n", "c.yaml").splitlines()
    assert diff[-2:] == [f"+{method}", "+    headers: {}"]
    assert "hunter2" not in diff_catalogs("", f"{auth}# hunter2", "c.yaml")


def test_a_short_secret_is_hidden_where_it_stands_and_no_word_elsewhere() -> None:
    text = "auth: {type: basic, username: a, password: api\n }\nservices: {api: {timeout: 5}}\n"
    assert find_literals(text).mask(str).splitlines()[0].endswith("password: ****")
    assert "services: {api: " in diff_catalogs("", text, "c.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "auth: {token: x}\n" * 3 + "".join(f"a{n}: {{auth: &a{n} {{x: *a{n - 1}}}}}\n" for n in range(5000)),
        "a: &a0 [x, x]\n" + "".join(f"auth{n}: &a{n + 1} {{auth: [*a{n}, *a{n}, *a{n}]}}\n" for n in range(5000)),
        "auth: " + "".join(f"&a{n} [" for n in range(20_000)),
        "a: &a {auth: *a, headers: [*a, *a]}\n",
        "auth: {token: '" + "a " * 200_000 + "'}\n",
        "a: https://" + "a" * 200_000 + "\nb: " + "://a" * 50_000,
        "auth: {" + "".join(f"a{n}: secret-{n}, " for n in range(20_000)) + "}\n",
    ],
    ids=["chained", "growing", "deep", "round", "long", "urls", "many"],
)  # fmt: skip
def test_it_takes_no_time_whatever_the_text_is(text: str) -> None:
    began = time.process_time()
    diff_catalogs("", text, "c.yaml")
    assert time.process_time() - began < 10
