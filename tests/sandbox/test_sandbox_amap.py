import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

Call = Callable[..., Any]
GEO, WEATHER = "/v3/geocode/geo", "/v3/weather/weatherInfo"


def geocode(call: Call, address: str) -> Any:
    return call(f"{GEO}?key=sandbox-key&address={quote(address)}").json


def test_a_known_city_is_found_at_its_place(call: Call) -> None:
    answer = geocode(call, "广州市天河区")
    assert (answer["status"], answer["infocode"], answer["count"]) == ("1", "10000", "1")
    [place] = answer["geocodes"]
    assert place["formatted_address"] == "广州市天河区"
    assert (place["city"], place["adcode"], place["location"]) == (
        "广州市",
        "440100",
        "113.264499,23.130061",
    )


def test_an_unknown_address_gets_a_made_up_place_that_is_always_the_same(call: Call) -> None:
    [first] = geocode(call, "Nowhere 1")["geocodes"]
    [second] = geocode(call, "Nowhere 1")["geocodes"]
    [other] = geocode(call, "Nowhere 2")["geocodes"]
    assert first == second
    assert first["location"] != other["location"]
    assert re.fullmatch(r"\d+\.\d{6},\d+\.\d{6}", first["location"])


@pytest.mark.parametrize("subject", [f"{GEO}?address=x", f"{WEATHER}?city=110000"])
@pytest.mark.parametrize("key", ["", "&key=", "&key=wrong"])
def test_a_wrong_or_missing_key_gets_10001(call: Call, subject: str, key: str) -> None:
    answer = call(subject + key)
    assert answer.status == 200
    assert answer.json == {"status": "0", "info": "INVALID_USER_KEY", "infocode": "10001"}


@pytest.mark.parametrize("target", [f"{GEO}?key=sandbox-key", f"{WEATHER}?key=sandbox-key"])
def test_a_missing_parameter_gets_20001(call: Call, target: str) -> None:
    assert call(target).json == {
        "status": "0",
        "info": "MISSING_REQUIRED_PARAMS",
        "infocode": "20001",
    }


@pytest.mark.parametrize("subject", [f"{GEO}?address=quota", f"{WEATHER}?city=quota"])
def test_quota_gets_10003(call: Call, subject: str) -> None:
    answer = call(f"{subject}&key=sandbox-key").json
    assert (answer["status"], answer["info"], answer["infocode"]) == (
        "0",
        "DAILY_QUERY_OVER_LIMIT",
        "10003",
    )


def test_the_weather_of_a_city_is_one_live_report(call: Call) -> None:
    answer = call(f"{WEATHER}?key=sandbox-key&city=310000").json
    [live] = answer["lives"]
    assert (answer["status"], live["city"], live["adcode"]) == ("1", "上海市", "310000")
    assert live["temperature"].isdigit()


def test_an_unknown_amap_path_gets_404(call: Call) -> None:
    assert call("/v3/other").status == 404
