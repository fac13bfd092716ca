"""What people write who know another tool: each slip is refused, or noted, with what to write."""

from __future__ import annotations

import pytest

from gateway.catalog.loader import CatalogError, load_catalog

CATALOG = """version: 1
services:
  shop:
    base_url: https://api.example.com
    methods:
      get:
        http: GET /things
"""
ENV = {"SHOP_KEY": "hunter22", "EMPTY": ""}
MAPPING = "must be a mapping of keys to values, such as "
ONE_OF_TYPES = "must be one of: string, integer, number, boolean, array, object"
SENT = (
    "would be sent as it is written; a variable is ${NAME}, with braces"
    " (${NAME:-TEXT} if the text is meant)"
)
TAG = (
    "begins with a tag (!...), which means nothing here; quote a text that begins with !,"
    " and write a variable as ${NAME}"
)
INSIDE_ANOTHER = "a variable inside another is not filled in; write one, with a text as default"
LONE_BRACE = "{ and } in a path stand around a name, as in {name}; write %7B and %7D for themselves"
HTTP = "must be a verb and a path, such as: POST /cgi-bin/message/send"


def message(catalog: str) -> str:
    with pytest.raises(CatalogError) as caught:
        load_catalog(catalog, "services.yaml", ENV)
    return caught.value.problems[0].message


def noted(catalog: str) -> list[tuple[int, str]]:
    notes = load_catalog(catalog, "services.yaml", ENV).notes
    return [(note.line, str(note)) for note in notes]


@pytest.mark.parametrize(
    ("http", "say"),
    [
        ("GET /things/:id", ":id would be sent as it is; write {id} (%3A for the characters themselves)"),
        ("GET /things/<id>", "<id> would be sent as it is; write {id} (%3C%3E for the characters themselves)"),
        ("GET /things/<int:id>", "<int:id> would be sent as it is; write {id} (%3C%3A%3E for the characters themselves)"),
        ("GET /things/{{id}}", "{{id}} would be sent as it is; write {id} (%7B%7B%7D%7D for the characters themselves)"),
        ("GET /things/$id", "$id would be sent as it is; write {id}"),
        ("GET /things/%s", "% in a path begins an escape such as %20; write %25 for itself"),
        ("GET /things/{id", LONE_BRACE),
        ("GET /things/id}", LONE_BRACE),
        ("GET /things/{}", LONE_BRACE),
        ("GET /things/{{id}/x", LONE_BRACE),
        ("GET /things/{i}", "the path has {i} but params declare no 'i'"),
        ("GET /things/{ids}", "the path has {ids} but params declare no 'ids'; did you mean 'id'?"),
        ("get /things", f"{HTTP}; write GET in capitals"),
        ("GET things", f"{HTTP}; write GET /things"),
        ("GET https://api.example.com/things", f"{HTTP}; the host belongs into base_url"),
        ("GET /things?q=x", f"{HTTP}; what follows ? belongs into params, or into query if it is always the same"),
    ],
)  # fmt: skip
def test_a_path_as_another_router_writes_it_is_refused(http: str, say: str) -> None:
    catalog = CATALOG.replace("GET /things", f"'{http}'")
    assert message(f"{catalog}        params: {{id: {{type: string}}}}\n") == say


@pytest.mark.parametrize("http", ["GET /things:search", "GET /$batch", "GET /a%20b", "GET /a:b/c"])
def test_a_path_that_looks_like_a_slip_and_is_none_is_taken(http: str) -> None:
    catalog = load_catalog(CATALOG.replace("GET /things", http), "services.yaml", ENV)
    assert catalog.services["shop"].methods["get"].path == http.split()[1]


@pytest.mark.parametrize(
    ("addition", "say"),
    [
        ("auth: {type: bearer, token: $SHOP_KEY}", SENT),
        ("auth: {type: bearer, token: '$(SHOP_KEY)'}", SENT),
        ("auth: {type: bearer, token: '{{ SHOP_KEY }}'}", SENT),
        ("auth: {type: bearer, token: '%SHOP_KEY%'}", SENT),
        ("headers: {Authorization: Bearer $SHOP_KEY}", SENT),
        ("headers: {X-Key: '{SHOP_KEY}'}", SENT),
        ("auth: {type: bearer, token: '<SHOP_KEY>'}", SENT),
        ("auth: {type: bearer, token: '${NO_KEY-abc}'}",
         "${NO_KEY} is not set; set it in the environment or in .env (a default is written ${NO_KEY:-TEXT})"),
        ("deadline: '${NO_KEY:5}'",
         "${NO_KEY:5} is not set; set it in the environment or in .env (a default is written ${NO_KEY:-5})"),
        ("query: {key: $SHOP_KEY}", SENT),
        ("auth: {type: bearer, token: '${EMPTY}'}", "${EMPTY} is set, but to nothing; give it a value (${EMPTY:-} may be empty)"),
        ("headers: {Authorization: 'Bearer ${EMPTY}'}", "${EMPTY} is set, but to nothing; give it a value (${EMPTY:-} may be empty)"),
        ("auth: {type: bearer, token: !env SHOP_KEY}", TAG),
        ("headers:\n      X-Key: !hunter2", TAG),
        ("headers: !secret headers", TAG),
        ("auth: {type: bearer, token: '${SHOP_KEY:-${EMPTY}}'}", INSIDE_ANOTHER),
        ("auth: {type: bearer, token: '${NO_KEY:-${SHOP_KEY}}'}", INSIDE_ANOTHER),
        ("deadline: '${NO_KEY:-${file:/run/secrets/deadline}}'", INSIDE_ANOTHER),
        ("auth: {type: bearer, token: '${file:${SHOP_KEY}/token}'}", INSIDE_ANOTHER),
        ("auth: {type: bearer, token: '${SHOP_KEY'}", SENT),
        ("headers: {X-Key: '${file:/run/secrets/key'}", SENT),
        ("auth: {type: bearer, token: '${SHOP_KYE}'}",
         "${SHOP_KYE} is not set; set it in the environment or in .env (did you mean ${SHOP_KEY}?)"),
        ("auth: {type: bearer, token: Bearer abc}", '"Bearer " is written before it anyway; leave it out here'),
        ("auth: {type: Bearer, token: abc}", "did you mean 'bearer'?"),
        ("auth: {type: apikey, in: header, name: X-Key, value: abc}", "did you mean 'api_key'?"),
        ("auth: {type: aws}", "did you mean 'aws_sigv4'?"),
        ("auth: bearer", "write {type: bearer, ...}"),
        ("timeout: 5", f"{MAPPING}{{read: 5}}"),
        ("timeout: {read: 5s}", "Not a valid number. Write seconds without a unit, such as 2.5."),
        ("retry: false", f"{MAPPING}{{times: 2}}, or {{times: 0}} for none"),
        ("retry: {attempts: 3}", "unknown key; did you mean 'times'?"),
        ("breaker: false", f"{MAPPING}{{failure_rate: 0.5}}"),
        ("health: /health", f"{MAPPING}{{path: /health}}"),
        ("rate_limit: 100", "Not a valid string. Write a number per second, minute, hour or day, such as 100/minute."),
        ("headers: ['X-A: b']",
         "must be a mapping of names to settings, and not a list; write NAME: in place of -"),
        ("headers: {Host: b}", "not a usable name; it must be a header's name, and not one such as Host"),
        ("roles: admin", "must be a list, such as [a, b]"),
        ("roles: [Admin]", "must be one of: guest, user, admin; did you mean 'admin'?"),
        ("envelope: wehcat", "did you mean 'wechat'?"),
        ("url: https://api.example.com", "unknown key; did you mean 'base_url'?"),
        ("max_response: 10MB", "Not a valid integer. Write bytes without a unit, such as 10485760 for 10 MiB."),
        ("allow_private: 'true'", "Not a valid boolean. Write true or false, without quotes."),
        ("proxy: /v3/*", "must be true, or a list of paths, such as [/v3/*]"),
        ("retry: {on: timeout}", "must be a list, such as [connect, timeout, 503]"),
        ("retry: {on: [timeuot]}",
         "'timeuot' is no reason to retry; use connect, timeout or a status; did you mean 'timeout'?"),
    ],
)  # fmt: skip
def test_a_services_slip_is_refused(addition: str, say: str) -> None:
    catalog = CATALOG.replace("    methods:", f"    {addition}\n    methods:")
    assert message(catalog).endswith(say)


@pytest.mark.parametrize(
    ("addition", "say"),
    [
        ("params: {n: {type: int}}", f"{ONE_OF_TYPES}; did you mean 'integer'?"),
        ("params: {n: {type: str}}", f"{ONE_OF_TYPES}; did you mean 'string'?"),
        ("params: {n: {type: bool}}", f"{ONE_OF_TYPES}; did you mean 'boolean'?"),
        ("params: {n: {type: float}}", f"{ONE_OF_TYPES}; did you mean 'number'?"),
        ("params: {n: {type: list}}", f"{ONE_OF_TYPES}; did you mean 'array'?"),
        ("params: {n: {type: dict}}", f"{ONE_OF_TYPES}; did you mean 'object'?"),
        ("params: {n: {type: String}}", f"{ONE_OF_TYPES}; did you mean 'string'?"),
        ("params: {n: {type: string, in: headers}}", "did you mean 'header'?"),
        ("params: {n: {type: string, place: query}}", "unknown key; did you mean 'in'?"),
        ("params: {n: {type: string, max_length: 3}}", "unknown key; did you mean 'maxLength'?"),
        ("params: {n: {type: integer, min: 3}}", "unknown key; did you mean 'minimum'?"),
        ("params: {n: {type: string, format: datetime}}", "did you mean 'date-time'?"),
        ("params: {n: string}", f"{MAPPING}{{type: string}}"),
        ("params: [{name: n, in: query}]",
         "must be a mapping of names to settings, and not a list; write NAME: in place of -"),
        ("params: {name: {type: string}}\n        mask: [nmae]",
         "'nmae' is not one of the method's params; did you mean 'name'?"),
        ("cache: 60", f"{MAPPING}{{ttl: 60}}"),
        ("fallback: shop.get", f"{MAPPING}{{call: service.method}}"),
        ("fallback: {call: shop.gte}",
         "there is no method 'shop.gte'; write service.method of this catalog; did you mean 'shop.get'?"),
        ("body: application/json", "did you mean 'json'?"),
        ("body: multipart/form-data", "did you mean 'multipart'?"),
        ("response: txt", "did you mean 'text'?"),
        ("body: form-data", "did you mean 'multipart'?"),
        ("body: x-www-form-urlencoded", "did you mean 'form'?"),
        ("params: {n: {type: integer, minimum: 5, maximum: 1}}",
         "is over maximum (1), so no value would do; swap the two"),
        ("params: {n: {type: string, minLength: 5, maxLength: 1}}",
         "is over maxLength (1), so no value would do; swap the two"),
        ("params: {n: {type: array, items: {type: string}, minItems: 2, maxItems: 1}}",
         "is over maxItems (1), so no value would do; swap the two"),
        ("params: {n: {type: object, properties: {a: {type: number, minimum: 2, maximum: 1.5}}}}",
         "is over maximum (1.5), so no value would do; swap the two"),
        ("params: {n: {type: integer, enum: [one, two]}}",
         "has no integer, so no value would do; quote texts, and no numbers"),
        ("params: {n: {type: string, enum: [1, 2]}}",
         "has no string, so no value would do; quote texts, and no numbers"),
    ],
)  # fmt: skip
def test_a_methods_slip_is_refused(addition: str, say: str) -> None:
    assert message(f"{CATALOG}        {addition}\n").endswith(say)


def test_a_keys_name_is_the_one_that_a_catalog_has() -> None:
    hint = message(f"{CATALOG}        params: {{n: {{type: string, zzz: 1}}}}\n")
    assert hint.startswith("unknown key; known here: type, in, required")


@pytest.mark.parametrize("key", ["auth: {type: bearer, token: pa$WORD}", "query: {$filter: $top}"])
def test_a_dollar_that_is_part_of_a_text_is_taken(key: str) -> None:
    catalog = CATALOG.replace("    methods:", f"    {key}\n    methods:")
    assert load_catalog(catalog, "services.yaml", ENV).services["shop"]


@pytest.mark.parametrize("text", ["!!str 123", "! 123", "'123'", '"123"', "!!str '123'"])
def test_a_number_that_is_said_to_be_a_text_is_one(text: str) -> None:
    catalog = CATALOG.replace("    methods:", f"    query: {{a: {text}}}\n    methods:")
    service = load_catalog(catalog, "services.yaml", ENV).services["shop"]
    assert service.methods["get"].query["a"] == "123"


def test_a_text_of_a_variables_form_may_be_meant() -> None:
    catalog = CATALOG.replace("    methods:", "    query: {a: '${A:-$SHOP_KEY}'}\n    methods:")
    service = load_catalog(catalog, "services.yaml", ENV).services["shop"]
    assert service.methods["get"].query["a"] == "$SHOP_KEY"


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "10.1.2.3", "[::1]:8080"])
def test_an_address_inside_is_noted_with_what_to_write(host: str) -> None:
    catalog = load_catalog(
        CATALOG.replace("https://api.example.com", f"http://{host}"), "services.yaml", ENV
    )
    assert "write allow_private: true if it is meant" in catalog.notes[0].message


@pytest.mark.parametrize(
    ("addition", "say"),
    [
        ("deadline: 5000", "deadline: 5000 seconds; write 5 if milliseconds are meant"),
        ("timeout: {connect: 3000}", "timeout.connect: 3000 seconds; write 3 if milliseconds are meant"),
        ("retry: {backoff: 200}", "retry.backoff: 200 seconds; write 0.2 if milliseconds are meant"),
        ("breaker: {open_for: 10000}", "breaker.open_for: 10000 seconds; write 10 if milliseconds are meant"),
        ("breaker: {window: 60000}", "breaker.window: 60000 seconds; write 60 if milliseconds are meant"),
        ("retry: {times: 100}",
         "retry.times: 100 retries of one call, which ends after 10 seconds; few calls need more than 3"),
        ("auth: {type: bearer, token: abc}\n    headers: {authorization: Bearer abc}",
         "headers.authorization: never sent, as auth: bearer writes this header; drop one of the two"),
        ("auth: {type: api_key, in: header, name: X-Key, value: abc}\n    headers: {X-KEY: abc}",
         "headers.X-KEY: never sent, as auth: api_key writes this header; drop one of the two"),
        ("health: {path: /, interval: 5000}",
         "health.interval: 5000 seconds; write 5 if milliseconds are meant"),
        ("timeout: {read: 30}",
         "timeout.read: 30 seconds, but the whole call ends after 10; raise deadline"),
    ],
)  # fmt: skip
def test_a_duration_that_is_hardly_meant_is_noted(addition: str, say: str) -> None:
    catalog = CATALOG.replace("    methods:", f"    {addition}\n    methods:")
    assert noted(catalog) == [(5 + addition.count("\n"), f"services.shop.{say}")]


@pytest.mark.parametrize(
    ("addition", "say"),
    [
        ("cache: {ttl: 30000}", "cache.ttl: 30000 seconds; write 30 if milliseconds are meant"),
        ("cache: {ttl: 3600000}", "cache.ttl: 3600000 seconds; write 3600 if milliseconds are meant"),
        ("cache: {ttl: 5, stale_if_error: 300000}",
         "cache.stale_if_error: 300000 seconds; write 300 if milliseconds are meant"),
        ("retry: {times: 11}",
         "retry.times: 11 retries of one call, which ends after 10 seconds; few calls need more than 3"),
        ("headers: {Authorization: Bearer abc}",
         "headers.Authorization: never sent, as auth: basic writes this header; drop one of the two"),
    ],
)  # fmt: skip
def test_what_a_method_hardly_means_is_noted(addition: str, say: str) -> None:
    auth = "    auth: {type: basic, username: a, password: b}\n    methods:"
    catalog = CATALOG.replace("    methods:", auth) + f"        {addition}\n"
    assert noted(catalog) == [(9, f"services.shop.methods.get.{say}")]


def test_a_default_that_is_hardly_meant_is_noted_once() -> None:
    defaults = "defaults: {breaker: {open_for: 10000}}\nservices:"
    catalog = CATALOG.replace("services:", defaults) + CATALOG.partition("services:\n")[2].replace(
        "shop", "till"
    )
    say = "defaults.breaker.open_for: 10000 seconds; write 10 if milliseconds are meant"
    assert noted(catalog) == [(2, say)]


@pytest.mark.parametrize(
    "addition",
    ["timeout: {read: 300}\n    deadline: 600", "breaker: {window: 3600, open_for: 3600}",
     "health: {path: /, interval: 3600}", "retry: {times: 10}",
     "auth: {type: api_key, in: query, name: authorization, value: abc}\n"
     "    headers: {Authorization: Bearer abc}",
     "auth: {type: aws_sigv4, access_key_id: A, secret_access_key: b, region: c, service: d,"
     " in: query}\n    headers: {Authorization: Bearer abc}"],
)  # fmt: skip
def test_a_long_time_that_is_meant_is_not_noted(addition: str) -> None:
    assert noted(CATALOG.replace("    methods:", f"    {addition}\n    methods:")) == []


@pytest.mark.parametrize("seconds", [60, 3600, 36000, 43200, 86400, 604_800, 2_592_000, 0.5])
def test_an_answer_that_is_kept_for_long_is_not_noted(seconds: float) -> None:
    assert noted(CATALOG + f"        cache: {{ttl: {seconds}, stale_if_error: {seconds}}}\n") == []


@pytest.mark.parametrize(
    ("pattern", "inner"),
    [("/^a$/", "^a$"), (r"/[0-9]+\.[0-9]/i", r"[0-9]+\.[0-9]"), ("/a|b/", "a|b")],
)
@pytest.mark.parametrize(
    ("around", "place"), [("%s", ""), ("{type: object, properties: {b: %s}}", "properties.b.")]
)
def test_a_pattern_between_slashes_is_noted(
    pattern: str, inner: str, around: str, place: str
) -> None:
    param = around % f"{{type: string, pattern: '{pattern}'}}"
    say = f"its slashes are a part of it, which a value would need, too; write {inner}"
    key = f"services.shop.methods.get.params.a.{place}pattern"
    assert noted(CATALOG + f"        params: {{a: {param}}}\n") == [(8, f"{key}: {say}")]


@pytest.mark.parametrize("pattern", ["/orders/", "^/a/$", "/a", "[/]"])
def test_a_slash_that_a_pattern_means_is_not_noted(pattern: str) -> None:
    param = f"{{type: string, pattern: '{pattern}'}}"
    assert noted(CATALOG + f"        params: {{a: {param}}}\n") == []


@pytest.mark.parametrize(
    ("param", "key", "say"),
    [
        ("{type: string, example: 13800138000}", "example", "Not a valid string. Quote it."),
        ("{type: integer, example: many}", "example", "Not a valid integer."),
        ("{type: boolean, example: 'yes'}", "example", "Not a valid boolean."),
        ("{type: array, items: {type: string}, example: a}", "example", "Not a valid list."),
        ("{type: array, items: {type: integer, example: a}}", "items.example", "Not a valid integer."),
        ("{type: object, properties: {a: {type: string, example: 1}}}",
         "properties.a.example", "Not a valid string. Quote it."),
        ("{type: string, enum: [a, b], example: c}", "example", "Must be one of: a, b."),
    ],
)  # fmt: skip
def test_an_example_that_a_call_would_be_refused_with_is_noted(
    param: str, key: str, say: str
) -> None:
    [(line, note)] = noted(f"{CATALOG}        params:\n          n: {param}\n")
    place = f"services.shop.methods.get.params.n.{key}"
    assert (line, note) == (9, f"{place}: does not fit its own declaration: {say}")


@pytest.mark.parametrize(
    "param",
    ["{type: string, example: '13800138000'}", "{type: number, example: 5}",
     "{type: string, nullable: true, example: null}", "{oneOf: [{type: string}, {type: integer}], example: 5}",
     "{type: string, format: date, example: 2026-11-28}", "{type: object, required: [a], properties: {a: {type: string}}, example: {a: b}}"],
)  # fmt: skip
def test_an_example_that_fits_is_not_noted(param: str) -> None:
    assert noted(f"{CATALOG}        params:\n          n: {param}\n") == []


def test_a_service_that_nobody_can_call_is_noted() -> None:
    catalog = CATALOG.partition("    methods:")[0]
    say = (
        "services.shop: has no methods, so nobody can call it; write methods: {NAME: {http: GET"
        " /PATH}} (or proxy: true)"
    )
    assert noted(catalog) == [(3, say)]
    assert noted(f"{catalog}    methods: {{}}\n") == [(3, say)]
    assert noted(f"{catalog}    proxy: true\n") == []


AGGREGATE = """        params: {a: {type: string}, b: {type: object}}
aggregates:
  page:
    first: {call: shop.get, params: {a: "$query.a"}}
    second:
      call: shop.get
      params:
"""


@pytest.mark.parametrize(
    ("param", "say"),
    [
        ("a: query.a", "a: 'query.a' is sent as it is written; write $query.a if its value is meant"),
        ("a: body.a.b", "a: 'body.a.b' is sent as it is written; write $body.a.b if its value is meant"),
        ("a: first.0.id", "a: 'first.0.id' is sent as it is written; write $first.0.id if its value is meant"),
        ("a: '{{ query.a }}'",
         "a: '{{ query.a }}' is sent as it is written; write $query.a if its value is meant"),
        ("b: {c: [query.a]}",
         "b.c.0: 'query.a' is sent as it is written; write $query.a if its value is meant"),
    ],
)  # fmt: skip
def test_a_reference_without_its_dollar_is_noted(param: str, say: str) -> None:
    assert noted(f"{CATALOG}{AGGREGATE}        {param}\n") == [
        (15, f"aggregates.page.second.params.{say}")
    ]


def test_a_part_without_what_its_method_needs_is_noted() -> None:
    catalog = f"{CATALOG}{AGGREGATE}        b: {{}}\n"
    needed = catalog.replace("{a: {type: string}", "{a: {type: string, required: true}")
    say = "aggregates.page.second.params: shop.get needs 'a', so every call is refused"
    assert noted(needed) == [(14, say)]
    assert noted(catalog) == []


@pytest.mark.parametrize(
    "param",
    ["a: $query.a", "a: query", "a: a query.a", "a: second.0", "a: other.a", "a: first.", "a: $$query.a",
     "a: 'query.a, body.b'", "b: {query.a: 1}"],
)  # fmt: skip
def test_a_text_that_is_no_reference_is_not_noted(param: str) -> None:
    assert noted(f"{CATALOG}{AGGREGATE}        {param}\n") == []


@pytest.mark.parametrize("key", ["x-common", "common"])
def test_a_place_for_anchors_at_the_top_is_told_where_they_belong(key: str) -> None:
    assert message(f"{CATALOG}{key}: &c {{timeout: {{read: 5}}}}\n").endswith(
        "known here: version, defaults, services, aggregates; what all services share belongs into"
        " defaults, and an anchor (&NAME) stands where it is used first"
    )


def test_a_tab_is_told() -> None:
    assert message(CATALOG.replace("    base_url", "\tbase_url")).endswith(
        "; indent with spaces, and not with a tab"
    )
