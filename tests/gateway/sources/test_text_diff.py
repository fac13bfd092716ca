"""The difference between two catalogs: readable, and without the secrets that they spell out."""

from __future__ import annotations

import time

from gateway.catalog.yaml.folder import join_files
from gateway.sources.masked_text import mask_lines
from gateway.sources.text_diff import MAX_DIFF_LINES, MORE, diff_catalogs

SECRET = "hunter2"
WITH_SECRETS = f"""\
services:
  a:
    base_url: https://bob:{SECRET}@x.example/?key={SECRET}&a=b
    auth: {{type: bearer, token: {SECRET}}}
  b:
    auth:
      type: app_secret
      app_id: nobody
      secret: wrong,{SECRET}
      token_url: /cgi-bin/token
      private_key: |
        -----BEGIN
        MII{SECRET}
      extra:
        - {SECRET}
    headers:
      X-A: {SECRET}
      X-B: ${{X_B}}
      X-C: ${{X_C}}{SECRET}
      - {SECRET}
    query: {{a: {SECRET}, b: c}}
    methods:
      get_token: {{http: GET /token, params: {{access_token: {{type: string}}}}}}
      passw: {SECRET}
      "token":"{SECRET}"
      token:{SECRET}
      api_key = {SECRET}
      # password: {SECRET}
      x: AKIAIOSFODNN7EXAMPLE1234567
    egress_proxy: http://bob:{SECRET}/@{SECRET}@proxy.example
    b: {{x: ${{X}}, token: ${{TOKEN}}#{SECRET}}}
    access_token: ${{TOKEN}}  # was {SECRET}
    password\uff1a{SECRET}
    timeout: 5
    auth: {SECRET}
    headers: [{SECRET}]
    auht: {{type: api_key, value: {SECRET}}}
    tls:
      key: |
-----BEGIN RSA PRIVATE KEY-----
{SECRET}
-----END RSA PRIVATE KEY-----
      ca: /etc/ca.pem
"""


def test_no_secret_that_is_spelled_out_is_shown_in_a_right_text_or_a_wrong_one() -> None:
    masked = "\n".join(mask_lines(WITH_SECRETS.splitlines()))
    assert SECRET not in masked
    assert "AKIA" not in masked


def test_what_is_no_secret_stays_readable() -> None:
    masked = [line.strip() for line in mask_lines(WITH_SECRETS.splitlines())]
    for line in (
        "type: app_secret", "app_id: nobody", "token_url: /cgi-bin/token", "X-B: ${X_B}", "timeout: 5", "ca: /etc/ca.pem",
        "get_token: {http: GET /token, params: {access_token: {type: string}}}",
    ):  # fmt: skip
        assert line in masked


def test_changed_lines_stand_between_those_around_them_with_their_numbers() -> None:
    old = "".join(f"line: {number}\n" for number in range(1, 10))
    new = old.replace("line: 5\n", "line: five\nmore: 6\n")
    assert diff_catalogs(old, new, "services.yaml").splitlines() == [
        "--- services.yaml (serving)",
        "+++ services.yaml",
        "@@ -2,7 +2,8 @@",
        *(f" line: {number}" for number in (2, 3, 4)),
        "-line: 5",
        "+line: five",
        "+more: 6",
        *(f" line: {number}" for number in (6, 7, 8)),
    ]


def test_a_secret_that_changes_shows_as_a_change_of_stars() -> None:
    diff = diff_catalogs("auth: {token: one-one}\n", "auth: {token: two-two}\n", "c.yaml")
    assert diff.splitlines()[3:] == ["-auth: {token: ****", "+auth: {token: ****"]


def test_files_of_a_folder_are_compared_one_by_one() -> None:
    old = join_files({"a.yaml": "a: 1", "b.yaml": "b: 1"})
    new = join_files({"a.yaml": "a: 1", "b.yaml": "b: 2", "c.yaml": "c: 3"})
    assert [line for line in diff_catalogs(old, new, "folder").splitlines() if line[0] != "@"] == [
        "--- b.yaml (serving)", "+++ b.yaml", "-b: 1", "+b: 2",
        "--- c.yaml (serving)", "+++ c.yaml", "+c: 3",
    ]  # fmt: skip


def test_a_long_line_takes_no_time() -> None:
    began = time.process_time()
    mask_lines(["x: " + "a" * 100_000, "x " + "=" * 100_000, "x: " + "://a" * 25_000])
    assert time.process_time() - began < 30  # and minutes if each character were a beginning


def test_a_difference_is_bounded() -> None:
    old = "".join(f"a{number}: 1\n" for number in range(20_000))
    lines = diff_catalogs(old, old.replace(": 1", ": 2"), "services.yaml").splitlines()
    assert (len(lines), lines[-1]) == (MAX_DIFF_LINES + 1, MORE)


def test_lines_that_stand_everywhere_take_no_time() -> None:
    old = "".join(f"a{number}: 1\ntype: string\n" for number in range(5000))
    began = time.process_time()
    diff_catalogs(old, old.replace("a", "b"), "services.yaml")
    assert time.process_time() - began < 30  # and minutes if each were paired with each


def test_lines_that_one_has_more_at_its_beginning_are_not_missing_where_the_other_is_cut() -> None:
    old = "".join(f"a{number}: 1\n" for number in range(10_000))
    new = "b: 1\n" * 5 + old
    for changed, end in ((new, []), (new.replace("a9000:", "c:"), [MORE])):
        lines = diff_catalogs(old, changed, "services.yaml").splitlines()[2:]
        assert lines == ["@@ -1,3 +1,8 @@", *["+b: 1"] * 5, " a0: 1", " a1: 1", " a2: 1", *end]


def test_a_secret_in_use_is_masked_before_a_long_line_is_cut_through_it() -> None:
    new = "x: " + "a " * 145 + "hunter2-hunter2-hunter2\n"
    diff = diff_catalogs(
        "", new, "c.yaml", lambda line: line.replace("hunter2-hunter2-hunter2", "****")
    )
    assert "hunter2" not in diff
