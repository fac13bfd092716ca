"""Vendors of maps."""

from __future__ import annotations

from tests.catalogs.vendor import Vendor, carries, refusal

VENDORS = {
    # lbs.amap.com/api/webservice/guide/create-project/get-key
    "amap": Vendor(
        proof=carries(query={"key": "${AMAP_KEY}"}),
        answer={
            "status": "1",
            "info": "OK",
            "infocode": "10000",
            "geocodes": [],
            "regeocode": {},
            "lives": [],
        },
        answers={
            "geocode": {
                "status": "1",
                "info": "OK",
                "infocode": "10000",
                "count": "1",
                "geocodes": [
                    {
                        "formatted_address": "北京市朝阳区阜通东大街6号",
                        "country": "中国",
                        "adcode": "110105",
                        "district": "朝阳区",
                        "township": [],
                        "location": "116.482086,39.990496",
                        "level": "门址",
                    }
                ],
            },
            "regeocode": {
                "status": "1",
                "info": "OK",
                "infocode": "10000",
                "regeocode": {
                    "formatted_address": "北京市海淀区",
                    "addressComponent": {"city": []},
                },
            },
            "weather": {
                "status": "1",
                "info": "OK",
                "infocode": "10000",
                "count": "1",
                "lives": [
                    {
                        "province": "北京",
                        "city": "东城区",
                        "adcode": "110101",
                        "weather": "晴",
                        "temperature": "15",
                        "humidity": "26",
                        "reporttime": "2026-11-21 10:00:00",
                    }
                ],
            },
        },
        failures={
            "downstream_quota": {
                "status": "0",
                "info": "DAILY_QUERY_OVER_LIMIT",
                "infocode": "10003",
            },
            "credential_error": {"status": "0", "info": "INVALID_USER_KEY", "infocode": "10001"},
        },
    ),
    # lbsyun.baidu.com/index.php?title=webapi/appendix
    "baidu_maps": Vendor(
        proof=carries(query={"ak": "${BAIDU_MAPS_AK}", "output": "json"}),
        answer={"status": 0, "message": "ok", "result": {}, "results": []},
        answers={
            "geocode": {
                "status": 0,
                "result": {
                    "location": {"lng": 116.3084202915042, "lat": 40.05703033345938},
                    "precise": 1,
                    "confidence": 80,
                    "comprehension": 100,
                    "level": "门址",
                },
            },
            "regeocode": {
                "status": 0,
                "result": {
                    "location": {"lng": 121.5, "lat": 31.2},
                    "formatted_address": "上海市浦东新区",
                    "business": "陆家嘴",
                    "addressComponent": {"country": "中国"},
                },
            },
            "drive": {
                "status": 0,
                "message": "ok",
                "result": {"routes": [{"distance": 13250, "duration": 2300}]},
            },
        },
        pages={
            "search_places": (
                {
                    "status": 0,
                    "message": "ok",
                    "results": [
                        {
                            "name": "a",
                            "location": {"lat": 40.2, "lng": 116.2},
                            "address": "b",
                            "uid": "c",
                        }
                    ],
                },
                {"page_num": 1},
            )
        },
        failures={
            "downstream_quota": {"status": 302, "message": "no"},
            "credential_error": {"status": 210, "message": "no"},
            "downstream_rejected": {"status": 2, "message": "Parameter Invalid"},
            "downstream_error": {"status": 1, "message": "no"},
        },
    ),
    # lbs.qq.com/service/webService/webServiceGuide/status
    "tencent_maps": Vendor(
        proof=carries(query={"key": "${TENCENT_MAPS_KEY}"}),
        answer={"status": 0, "message": "query ok", "result": {}, "data": []},
        answers={
            "geocode": {
                "status": 0,
                "message": "query ok",
                "result": {
                    "title": "海淀西大街74号",
                    "location": {"lng": 116.307015, "lat": 39.982915},
                    "ad_info": {"adcode": "110108"},
                    "reliability": 7,
                    "level": 9,
                },
            },
            "drive": {
                "status": 0,
                "message": "query ok",
                "result": {"routes": [{"mode": "DRIVING", "distance": 13850, "duration": 40}]},
            },
        },
        pages={
            "search_places": (
                {
                    "status": 0,
                    "message": "query ok",
                    "count": 2,
                    "data": [
                        {
                            "id": "1",
                            "title": "a",
                            "address": "b",
                            "location": {"lat": 39.9, "lng": 116.3},
                        }
                    ],
                },
                {"page_index": 2},
            )
        },
        failures={
            "downstream_quota": {"status": 120, "message": "no"},
            "credential_error": {"status": 190, "message": "no"},
            "downstream_rejected": {"status": 347, "message": "no"},
        },
    ),
    # developers.google.com/maps/documentation/geocoding/requests-geocoding#StatusCodes
    "google_maps": Vendor(
        proof=carries(query={"key": "${GOOGLE_MAPS_KEY}"}),
        answer={"status": "OK", "results": []},
        answers={
            "geocode": {
                "status": "OK",
                "results": [
                    {
                        "formatted_address": "277 Bedford Ave",
                        "place_id": "ChIJ",
                        "types": ["street_address"],
                        "geometry": {
                            "location": {"lat": 40.7142, "lng": -73.9613},
                            "location_type": "ROOFTOP",
                        },
                    }
                ],
            },
            "timezone": {
                "dstOffset": 0,
                "rawOffset": -28800,
                "status": "OK",
                "timeZoneId": "America/Los_Angeles",
                "timeZoneName": "Pacific Standard Time",
            },
            "elevation": {
                "status": "OK",
                "results": [
                    {
                        "elevation": 1608.6,
                        "location": {"lat": 39.7, "lng": -104.9},
                        "resolution": 4.77,
                    }
                ],
            },
        },
        failures={
            "downstream_quota": {"status": "OVER_QUERY_LIMIT", "results": []},
            "credential_error": {"status": "REQUEST_DENIED", "error_message": "no", "results": []},
            "downstream_rejected": {"status": "INVALID_REQUEST", "results": []},
        },
    ),
    # docs.mapbox.com/api/guides/#access-tokens-and-token-scopes
    "mapbox": Vendor(
        proof=carries(query={"access_token": "${MAPBOX_TOKEN}"}),
        answers={
            "geocode": {
                "type": "FeatureCollection",
                "features": [
                    {
                        "type": "Feature",
                        "id": "x",
                        "geometry": {"type": "Point", "coordinates": [-77.03, 38.89]},
                        "properties": {"name": "a"},
                    }
                ],
            },
            "directions": {
                "code": "Ok",
                "routes": [{"distance": 1886.3, "duration": 404.9, "geometry": {}}],
                "waypoints": [{"name": ""}],
            },
            "matrix": {"code": "Ok", "durations": [[0, 573], [573, None]]},
        },
        failures={
            "downstream_quota": refusal(429, {"message": "Too Many Requests"}),
            "credential_error": refusal(401, {"message": "Not Authorized - Invalid Token"}),
            "downstream_rejected": refusal(422, {"code": "InvalidInput", "message": "no"}),
        },
    ),
}
