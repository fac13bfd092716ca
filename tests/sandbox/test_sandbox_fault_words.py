"""How faults are asked for, counted and refused."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.faults import parse

Call = Callable[..., Any]


def statuses(call: Call, target: str, count: int, **headers: str) -> list[int]:
    return [call(target, **headers).status for _ in range(count)]


def test_a_fault_in_a_header_is_carried_out(call: Call) -> None:
    answer = call("/v1/health", X_Sandbox_Fault="status=503")
    assert (answer.status, answer.json) == (503, {"error": "postern-sandbox was asked for 503"})


def test_a_fault_in_the_path_is_carried_out_and_the_rest_served(box: Sandbox, call: Call) -> None:
    assert call("/fault/status=502;retry-after=3/items").headers["Retry-After"] == "3"
    assert call("/fault/chunked/anything/a%20b?to=/x").json["path"] == "/anything/a b"
    assert call("/fault/chunked?to=/x").json["query"] == {"to": ["/x"]}
    assert [request.path for request in box.requests] == ["/items", "/anything/a b", "/anything"]
    assert box.requests[0].target == "/fault/status=502;retry-after=3/items"


def test_a_fault_set_for_a_path_holds_there_only_until_it_is_taken_away(
    box: Sandbox, call: Call
) -> None:
    box.fault("/items", "status=503")
    assert statuses(call, "/items", 3) == [503] * 3
    assert call("/v1/health").status == 200
    box.fault("/items", "")
    assert call("/items").status == 200


def test_a_fault_set_for_two_times_holds_twice(box: Sandbox, call: Call) -> None:
    box.fault("/items", "status=503", times=2)
    assert statuses(call, "/items", 3) == [503, 503, 200]


def test_a_fault_set_for_a_star_holds_below_and_the_nearest_wins(box: Sandbox, call: Call) -> None:
    box.fault("*", "status=500")
    box.fault("/status/*", "status=501")
    box.fault("/status/200", "status=502")
    assert [call(path).status for path in ("/items", "/status/201", "/status/200")] == [
        500,
        501,
        502,
    ]


def test_the_header_goes_before_the_path_and_the_path_before_what_was_set(
    box: Sandbox, call: Call
) -> None:
    box.fault("/items", "status=500", times=1)
    assert call("/fault/status=501/items", X_Sandbox_Fault="status=502").status == 502
    assert call("/fault/status=501/items").status == 501
    assert statuses(call, "/items", 2) == [500, 200]


def test_a_503x2_fault_answers_503_twice_and_then_the_real_answer(call: Call) -> None:
    assert statuses(call, "/v1/health", 4, X_Sandbox_Fault="status=503x2") == [503, 503, 200, 200]


def test_a_count_is_kept_apart_by_path_by_id_word_and_by_id_in_the_query(call: Call) -> None:
    spec = "status=503x1"
    for target, fault in [
        ("/v1/health", spec),
        ("/anything", spec),
        ("/anything?id=1", spec),
        ("/anything?id=2", spec),
        ("/anything", f"{spec};id=abc"),
    ]:
        assert statuses(call, target, 2, X_Sandbox_Fault=fault) == [503, 200]


def test_a_count_begins_anew_when_the_fault_is_set_again(box: Sandbox, call: Call) -> None:
    for _ in range(2):
        box.fault("/items", "status=503x1")
        assert statuses(call, "/items", 2) == [503, 200]


def test_times_bounds_a_whole_spec(call: Call) -> None:
    answers = [
        call("/v1/health", X_Sandbox_Fault="html;times=2").headers["Content-Type"] for _ in range(3)
    ]
    assert answers == ["text/html; charset=utf-8"] * 2 + ["application/json"]


def test_a_vendor_whose_answer_is_replaced_does_not_act(call: Call) -> None:
    assert call("/items", "POST", {"name": "pen"}, X_Sandbox_Fault="status=500").status == 500
    assert call("/items").json["total"] == 0


@pytest.mark.parametrize(
    "spec",
    [
        "nonsense",
        "hang=1",
        "delay",
        "delay=x",
        "delay=nan",
        "delay=-1",
        "status=99",
        "status=503x",
        "huge=1",
        "times=0",
        "short;long",
        "hang;reset",
        "html;nan",
        "status=503;html=502",
        "huge=10;gzip",
    ],
)
def test_a_senseless_spec_is_refused_with_a_sentence(box: Sandbox, call: Call, spec: str) -> None:
    with pytest.raises(ValueError, match=r"fault word|huge"):
        box.fault("/items", spec)
    assert call("/v1/health", X_Sandbox_Fault=spec).status == 400


def test_words_may_be_parted_by_commas_semicolons_and_spaces() -> None:
    assert parse("delay=1,status=503 ; retry-after=2") == parse("retry-after=2;delay=1;status=503")
