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
        failures={
            "downstream_quota": {"status": "OVER_QUERY_LIMIT", "results": []},
            "credential_error": {"status": "REQUEST_DENIED", "error_message": "no", "results": []},
            "downstream_rejected": {"status": "INVALID_REQUEST", "results": []},
        },
    ),
    # docs.mapbox.com/api/guides/#access-tokens-and-token-scopes
    "mapbox": Vendor(
        proof=carries(query={"access_token": "${MAPBOX_TOKEN}"}),
        failures={
            "downstream_quota": refusal(429, {"message": "Too Many Requests"}),
            "credential_error": refusal(401, {"message": "Not Authorized - Invalid Token"}),
            "downstream_rejected": refusal(422, {"code": "InvalidInput", "message": "no"}),
        },
    ),
}
