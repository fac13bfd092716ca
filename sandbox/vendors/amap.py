"""Amap's geocoding and weather (restapi.amap.com): HTTP 200, with success told by `status` in the
body.

Follows https://lbs.amap.com/api/webservice/guide/api/georegeo (geo),
https://lbs.amap.com/api/webservice/guide/api/weatherinfo and, for infocodes,
https://lbs.amap.com/api/webservice/guide/tools/info
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.messages import Reply, Request, json_reply, not_found_reply, wrong_verb_reply

KEY = "sandbox-key"

_ERRORS = {
    "10001": "INVALID_USER_KEY",
    "10003": "DAILY_QUERY_OVER_LIMIT",
    "20001": "MISSING_REQUIRED_PARAMS",
}


@dataclass(frozen=True, slots=True)
class Place:
    """`location` is "longitude,latitude" in degrees, six decimals."""

    province: str
    city: str
    adcode: str
    location: str


_PLACES = (
    Place("北京市", "北京市", "110000", "116.407387,39.904179"),
    Place("上海市", "上海市", "310000", "121.473667,31.230525"),
    Place("广东省", "广州市", "440100", "113.264499,23.130061"),
    Place("广东省", "深圳市", "440300", "114.057939,22.543527"),
    Place("浙江省", "杭州市", "330100", "120.210792,30.246026"),
    Place("四川省", "成都市", "510100", "104.066301,30.572961"),
)
_SKIES = ("晴", "多云", "阴", "小雨")


class Amap:
    """Keeps nothing: one key, and answers that depend on the request alone."""

    def handle(self, request: Request) -> Reply:
        if request.path not in _CALLS:
            return not_found_reply(request)
        parameter, answer = _CALLS[request.path]
        subject = request.first(parameter)
        if request.verb != "GET":
            return wrong_verb_reply("GET")
        if request.first("key") != KEY:
            return _error("10001")
        if not subject:
            return _error("20001")
        if subject == "quota":
            return _error("10003")
        return answer(subject)


def find_place(text: str) -> Place:
    """Return the city that `text` names or whose adcode it is; else one made up, always alike for
    one text.
    """
    for place in _PLACES:
        if text == place.adcode or place.city.removesuffix("市") in text:
            return place
    seed = _seed(text)
    longitude = 73 + seed % 62_000_000 / 1e6
    latitude = 18 + seed // 62_000_000 % 35_000_000 / 1e6
    return Place("沙盒省", "沙盒市", "990100", f"{longitude:.6f},{latitude:.6f}")


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")


def _geocode(address: str) -> Reply:
    place = find_place(address)
    geocode = {
        "formatted_address": address,
        "country": "中国",
        "province": place.province,
        "city": place.city,
        "adcode": place.adcode,
        "location": place.location,
    }
    return _success(geocodes=[geocode])


def _weather(city: str) -> Reply:
    """Answer one report; its numbers are strings: degrees Celsius, percent of humidity."""
    place = find_place(city)
    seed = _seed(city)
    live = {
        "province": place.province,
        "city": place.city,
        "adcode": place.adcode,
        "weather": _SKIES[seed % len(_SKIES)],
        "temperature": str(seed % 35),
        "winddirection": "东南",
        "windpower": "≤3",
        "humidity": str(30 + seed % 60),
        "reporttime": "2024-05-01 08:00:00",
    }
    return _success(lives=[live])


def _success(**results: list[dict[str, str]]) -> Reply:
    count = str(sum(map(len, results.values())))
    return json_reply(
        200, {"status": "1", "info": "OK", "infocode": "10000", "count": count, **results}
    )


def _error(infocode: str) -> Reply:
    return json_reply(200, {"status": "0", "info": _ERRORS[infocode], "infocode": infocode})


_CALLS: dict[str, tuple[str, Callable[[str], Reply]]] = {
    "/v3/geocode/geo": ("address", _geocode),
    "/v3/weather/weatherInfo": ("city", _weather),
}
