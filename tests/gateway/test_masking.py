"""What a log line may say."""

from __future__ import annotations

import copy
import json
from itertools import zip_longest
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.bodies import dump_json
from gateway.masking import (
    MAX_DEPTH,
    MAX_HIDDEN_TEXTS,
    MAX_MEMBERS,
    MAX_PARAM_CHARACTERS,
    MAX_TEMPORARY_SECRETS,
    STARS,
    Masker,
    Secret,
    mask_path,
)
from schemas.numbers import ExactNumber

HIDDEN = "correct horse/battery+staple"


@pytest.fixture
def masker() -> Masker:
    masker = Masker()
    masker.register(Secret(HIDDEN))
    return masker


def mask(params: dict[str, Any], *hidden: str) -> dict[str, object]:
    return Masker().mask_params(params, frozenset(hidden))


@pytest.mark.parametrize(
    "show",
    [
        repr, str, "{}".format, "{!r:>40}".format, "%s".__mod__, "%r".__mod__, lambda s: f"{s}",
        lambda s: f"{[s]} {s!s}",
        lambda s: str({"k": s}), lambda s: str(ValueError(s)), lambda s: repr(copy.deepcopy(s)), lambda s: str(dir(s)),
    ],
)  # fmt: skip
def test_a_secret_does_not_print(show: Any) -> None:
    text = show(Secret(HIDDEN))
    assert "horse" not in text


def test_a_secret_reveals_itself_only_when_asked() -> None:
    assert Secret(HIDDEN).reveal() == HIDDEN


@pytest.mark.parametrize("dump", [json.dumps, dump_json, lambda s: dump_json({"k": [s]})])
def test_a_secret_has_no_json_form(dump: Any) -> None:
    with pytest.raises(TypeError) as caught:
        dump(Secret(HIDDEN))
    assert "horse" not in str(caught.value)


def test_secrets_are_equal_when_their_texts_are_and_never_equal_to_text() -> None:
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


@pytest.mark.parametrize(
    "form",
    [
        HIDDEN,
        quote(HIDDEN, safe=""),
        urlencode({"k": HIDDEN}, quote_via=quote),
        json.dumps({"k": HIDDEN}),
    ],
)
def test_a_registered_secret_is_taken_out_of_a_line(masker: Masker, form: str) -> None:
    line = masker.mask_line(f"GET /x?{form} {form}".encode())
    assert b"horse" not in line
    assert line.startswith(b"GET /x?")
    assert line.count(b"****") == 2


@pytest.mark.parametrize(
    "secret",
    ['say "friend"', "back\\slash", "tab\there", "new\nline", "naïve-schlüssel", '中"文-key'],
)
@pytest.mark.parametrize(
    "dump",
    [dump_json, lambda value: json.dumps(value).encode(), lambda v: dump_json({**v, "n": 2**70})],
)
def test_a_secret_is_found_inside_json_whatever_it_is_made_of(secret: str, dump: Any) -> None:
    masker = Masker()
    masker.register(Secret(secret))
    line = masker.mask_line(dump({"event": f"before {secret} after"}))
    assert json.loads(line)["event"] == "before **** after"


def test_a_secret_that_holds_another_is_taken_out_whole() -> None:
    masker = Masker()
    for text in ("abcdef", "abcdef-ghijkl"):
        masker.register(Secret(text))
    assert masker.mask_line(b"x abcdef-ghijkl y abcdef z") == b"x **** y **** z"


def test_a_very_short_secret_does_not_blank_out_ordinary_words() -> None:
    masker = Masker()
    masker.register(Secret("the"))
    assert masker.mask_line(b"in the log") == b"in the log"


def test_registering_twice_is_registering_once(masker: Masker) -> None:
    masker.register(Secret(HIDDEN))
    assert masker.mask_text(HIDDEN) == "****"


def test_so_many_passing_secrets_are_remembered_and_lasting_ones_always() -> None:
    masker = Masker()
    masker.register(Secret("lasting-secret"))
    for number in range(MAX_TEMPORARY_SECRETS + 1):
        masker.register(Secret(f"passing-{number:06}"), temporary=True)
    assert (
        masker.mask_line(b"lasting-secret passing-000000 passing-000001")
        == b"**** passing-000000 ****"
    )


TEXTS = st.text("abc", min_size=6, max_size=30)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(secrets=st.lists(TEXTS, max_size=20), filler=st.lists(st.text("abc ", max_size=30)))
def test_of_few_secrets_as_of_many_none_is_left_and_nothing_else_is_lost(
    secrets: list[str], filler: list[str]
) -> None:
    masker = Masker()
    for secret in secrets:
        masker.register(Secret(secret))
    clean = " ".join(filler)
    line = "".join(f"{text}{secret}" for text, secret in zip_longest(filler, secrets, fillvalue=""))
    masked = masker.mask_line(line.encode()).decode()
    assert not [secret for secret in secrets if secret in masked]
    if not [secret for secret in secrets if secret in clean]:
        assert masker.mask_line(clean.encode()) == clean.encode()


def test_hidden_parameters_are_stars_whatever_they_hold_and_however_deep() -> None:
    params = {
        "text": {"a": 1},
        "n": 5,
        "deep": {"text": "x", "list": [{"text": "y", "ok": 1}]},
        "list": ["x"],
    }
    assert mask(params, "text", "n", "list") == {
        "text": "****", "n": "****", "deep": {"text": "****", "list": "****"}, "list": "****",
    }  # fmt: skip
    assert mask(params, "text")["deep"] == {"text": "****", "list": [{"text": "****", "ok": 1}]}


@pytest.mark.parametrize(
    "name",
    ["password", "passwd", "Password2", "old_password", "passphrase", "pwd", "secret", "client_secret", "appSecret",
     "token", "access_token", "refreshToken", "authorization", "Authorization", "api_key", "apikey", "apiKey",
     "private_key", "signature", "sign", "sig"],
)  # fmt: skip
def test_parameters_named_like_secrets_are_stars(name: str) -> None:
    assert mask({name: "hunter22", "in": {name: ["hunter22"]}}) == {
        name: "****",
        "in": {name: "****"},
    }


@pytest.mark.parametrize("name", ["name", "text", "key", "signal", "design", "id", "design_id"])
def test_ordinary_names_are_shown(name: str) -> None:
    assert mask({name: "hunter22"}) == {name: "hunter22"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("13812345678", "1381234****"), ("call 13812345678 now", "call 1381234**** now"),
        ("+8613812345678", "+861381234****"), ("+44 20 7946 0958", "+44 20 7946 ****"),
        ("(13812345678)", "(1381234****)"),
        ("13812345678,13912345678", "1381234****,1391234****"), ("电话13812345678。", "电话1381234****。"),
        ("order 913812345678901", "order 913812345678901"), ("10.13812345678", "10.13812345678"), ("12345", "12345"),
        ("2026-11-21T03:40:00", "2026-11-21T03:40:00"),
    ],
)  # fmt: skip
def test_a_phone_number_loses_its_last_four_digits(text: str, masked: str) -> None:
    assert mask({"text": text}) == {"text": masked}
    assert Masker().mask_text(text) == masked


@pytest.mark.parametrize("name", ["phone", "mobile", "Phone_Number", "user_mobile", "tel"])
def test_what_is_named_a_phone_loses_its_last_four_characters_in_any_form(name: str) -> None:
    assert mask({name: "020-7946-0958"}) == {name: "020-7946-****"}


def test_a_phone_number_given_as_a_number_is_masked() -> None:
    assert mask({"n": 13812345678, "m": 5, "big": 2**70, "yes": True}) == {
        "n": "1381234****", "m": 5, "big": 2**70, "yes": True,
    }  # fmt: skip


def test_long_values_are_cut_and_no_half_of_a_secret_survives_the_cut(masker: Masker) -> None:
    text = "x" * (MAX_PARAM_CHARACTERS - 10) + HIDDEN + "y" * 500
    masked = masker.mask_params({"t": text}, frozenset())["t"]
    assert isinstance(masked, str)
    assert len(masked) == MAX_PARAM_CHARACTERS + 1
    assert masked.endswith("…")
    assert HIDDEN[:8] not in masked


def test_a_long_list_is_cut() -> None:
    assert mask({"l": list(range(100))}) == {"l": list(range(20))}


def test_an_object_of_many_members_is_cut() -> None:
    members = dict.fromkeys(map(str, range(MAX_MEMBERS + 1)), 1)
    shown = Masker().mask_params({"prices": members}, frozenset())["prices"]
    assert list(shown) == list(members)[:MAX_MEMBERS]


def test_values_that_are_not_text_stay_as_they_are() -> None:
    params = {"a": None, "b": False, "c": 1.5, "d": [], "e": {}}
    assert mask(params) == params


def test_the_callers_own_parameters_are_not_changed() -> None:
    params = {"password": "p", "deep": {"token": "t"}, "list": [{"token": "t"}]}
    before = copy.deepcopy(params)
    mask(params)
    assert params == before


def test_what_a_service_says_does_not_repeat_what_is_hidden() -> None:
    masker = Masker()
    params = {"text": "meet at 9", "to": "ann", "card": {"pin": 9999}, "password": "pw", "n": ["x"]}
    masked = masker.mask_call_text(
        "ann: 'meet at 9' pw=pw pin=9999 13812345678", params, frozenset({"text", "card", "n"})
    )
    assert masked == "ann: '****' ****=**** pin=**** 1381234****"


def test_what_a_service_says_is_not_told_where_too_much_is_hidden_to_be_looked_for() -> None:
    texts = [f"text{number}" for number in range(MAX_HIDDEN_TEXTS - 1)]

    def mask(values: list[str]) -> str:
        return Masker().mask_call_text("no to last", {"texts": values}, frozenset({"texts"}))

    assert mask(["text0"] * MAX_HIDDEN_TEXTS + texts[1:] + ["last"]) == f"no to {STARS}"
    assert mask([*texts, "last", "more"]) == STARS


def test_what_a_service_says_is_cut_after_it_is_masked() -> None:
    text = "a" * (MAX_PARAM_CHARACTERS - 4) + "hunter22" + "b" * 100
    assert "hunt" not in Masker().mask_call_text(text, {"text": "hunter22"}, frozenset({"text"}))
    assert len(Masker().mask_call_text(text, {}, frozenset())) == MAX_PARAM_CHARACTERS + 1


def test_text_that_is_not_quite_text_does_not_break_a_log_line(masker: Masker) -> None:
    assert masker.mask_text(f"\ud800 {HIDDEN}") == "? ****"


@pytest.mark.parametrize(
    ("params", "masked"),
    [
        ({"pin": 1234}, {"pin": STARS}),
        ({"pin": 0.5}, {"pin": STARS}),
        ({"a": [{"pin": [1, {"b": 2}]}]}, {"a": [{"pin": STARS}]}),
        ({"a": {"password": 1234567}}, {"a": {"password": STARS}}),
        ({"phone": 4155550123}, {"phone": f"415555{STARS}"}),
        ({"n": 13812345678.0}, {"n": f"1381234{STARS}.0"}),
        (
            {"filter": '{"a": [{"pin": 5, "b": 6}]}'},
            {"filter": f'{{"a": [{{"pin": "{STARS}", "b": 6}}]}}'},
        ),
        ({"filter": '[{"secret": "x"}]'}, {"filter": f'[{{"secret": "{STARS}"}}]'}),
        ({"filter": '{"a":  1}'}, {"filter": '{"a":  1}'}),
        ({"filter": "{no json"}, {"filter": "{no json"}),
    ],
)
def test_numbers_and_what_is_nested_are_hidden_too_as_json_in_a_text_is(
    params: dict[str, Any], masked: Any
) -> None:
    assert mask(params, "pin") == masked


def test_what_is_nested_very_deeply_is_not_shown_and_breaks_nothing() -> None:
    deep: Any = "at the bottom"
    for _ in range(5000):
        deep = {"a": [deep]}
    text = dump_json(mask({"deep": deep, "text": "[" * 5000 + "]" * 5000})).decode()
    assert "bottom" not in text
    assert text.count('"a"') <= MAX_DEPTH


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        (f"/api/v1/{JWT}", f"/api/v1/{STARS}"),
        (f"/api/v1/data/{JWT}", f"/api/v1/data/{STARS}"),
        (f"/x/{'aB3_-' * 9}"[:46], f"/x/{STARS}"),
        ("/api/v1/data/13812345678", f"/api/v1/data/1381234{STARS}"),
        (
            "/api/v1/calls/0f8fad5bd9cb469fa16570867728950e",
            "/api/v1/calls/0f8fad5bd9cb469fa16570867728950e",
        ),
        ("/api/v1/call/maps/geocode", "/api/v1/call/maps/geocode"),
    ],
)
def test_a_token_put_into_a_path_is_not_shown(path: str, masked: str) -> None:
    assert mask_path(path) == masked


@pytest.mark.parametrize("digits", ["13812345678.10", "13812345678.0", "13812345678.5e0"])
def test_a_phone_number_with_a_fraction_loses_its_last_four_digits_all_the_same(
    digits: str,
) -> None:
    masked = Masker().mask_params({"phone": ExactNumber(digits)}, frozenset())
    assert masked == {"phone": "1381234****"}
