"""Vendors of mail and SMS."""

from __future__ import annotations

from sandbox.messages import Reply, Request, json_reply
from tests.catalogs.vendor import Vendor, basic, bearer, next_url, refusal


def twilio_no(status: int, code: int) -> Reply:
    return refusal(status, {"code": code, "message": "no", "status": status})


def twilio_page(request: Request) -> Reply:
    """www.twilio.com/docs/usage/twilios-response#pagination: a path"""
    following = next_url(request, Page=1, PageToken="PASM7").partition(".com")[2]
    return json_reply(200, {"messages": [{}], "next_page_uri": following})


def sendgrid_no(status: int, message: str) -> Reply:
    return refusal(status, {"errors": [{"message": message, "field": None, "help": None}]})


VENDORS = {
    "twilio": Vendor(
        proof=basic("${TWILIO_ACCOUNT_SID}", "${TWILIO_AUTH_TOKEN}"),
        pages={
            "list_messages": (twilio_page, {"Page": 1, "PageToken": "PASM7"}),
        },
        failures={
            "downstream_rejected": twilio_no(400, 21211),
            "downstream_quota": twilio_no(429, 20429),
            "credential_error": twilio_no(401, 20003),
        },
    ),
    "sendgrid": Vendor(
        proof=bearer("${SENDGRID_API_KEY}"),
        answers={"send_mail": Reply(202, b""), "delete_bounce": Reply(204, b"")},
        pages={
            "list_templates": (
                {
                    "result": [{}],
                    "_metadata": {
                        "next": "https://api.sendgrid.com/v3/templates"
                        "?page_token=g6LZaS&page_size=50&generations=dynamic"
                    },
                },
                {"page_token": "g6LZaS"},
            ),
            "list_bounces": ([{}], {"offset": 1}),
        },
        failures={
            "downstream_rejected": sendgrid_no(400, "The from address is not verified"),
            "downstream_quota": sendgrid_no(401, "Maximum credits exceeded"),
            "credential_error": sendgrid_no(403, "access forbidden"),
        },
    ),
    "mailgun": Vendor(
        proof=basic("api", "${MAILGUN_API_KEY}"),
        failures={
            "downstream_rejected": refusal(400, {"message": "to parameter is not a valid address"}),
            "downstream_quota": refusal(429, {"message": "Too many requests"}),
            "credential_error": Reply(401, b"Forbidden"),
        },
    ),
}
