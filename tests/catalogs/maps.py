"""Vendors of maps."""

from __future__ import annotations

from tests.catalogs.vendor import Vendor, carries

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
}
