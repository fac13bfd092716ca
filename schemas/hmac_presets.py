"""Vendors' keyed signatures, described as a catalog would describe them; ``preset:`` names one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CANONICAL = "{method}\n{path}\n%s\n{canonical_headers}\n{signed_headers}\n{body|sha256}"

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # cloud.tencent.com/document/api/213/30654; needs values.service, and X-TC-Action and X-TC-Version as headers
    "tencent_tc3": {
        "derive": ["TC3{secret}", "{date}", "{service}", "tc3_request"],
        "signed_headers": ["content-type", "host"],
        "values": {"canonical": CANONICAL % "{query}", "scope": "{date}/{service}/tc3_request"},
        "sign": "TC3-HMAC-SHA256\n{unix}\n{scope}\n{canonical|sha256}",
        "headers": {
            "X-TC-Timestamp": "{unix}",
            "Authorization": "TC3-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={signed_headers}, "
            "Signature={signature}",
        },
    },
    # help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature; needs x-acs-action and x-acs-version
    "alibaba_acs3": {
        "signed_headers": ["content-type", "host", "x-acs-*"],
        "values": {"canonical": CANONICAL % "{sorted_query}"},
        "sign": "ACS3-HMAC-SHA256\n{canonical|sha256}",
        "headers": {
            "x-acs-date": "{iso8601}",
            "x-acs-signature-nonce": "{nonce}",
            "x-acs-content-sha256": "{body|sha256}",
            "Authorization": "ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={signed_headers},"
            "Signature={signature}",
        },
    },
}


def filled(auth: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with those of their preset under them; of mappings, each entry."""
    given = {key: value for key, value in auth.items() if key != "preset"}
    below = PRESETS.get(auth.get("preset", ""), {})
    return {
        **below,
        **given,
        **{key: {**each, **given[key]} for key, each in below.items() if isinstance(each, Mapping) and key in given},
    }
