"""Vendors of mail and SMS."""

from __future__ import annotations

from sandbox.messages import Reply, Request, json_reply
from tests.catalogs.vendor import Vendor, basic, bearer, next_url, refusal

#: www.twilio.com/docs/messaging/api/message-resource
TWILIO_MESSAGE = {
    "sid": "SMXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
    "status": "sent",
    "to": "+15558675310",
    "from": "+15552223214",
    "body": "Hi there",
    "error_code": None,
    "error_message": None,
    "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
    "num_segments": "1",
}


def twilio_no(status: int, code: int) -> Reply:
    return refusal(status, {"code": code, "message": "no", "status": status})


def twilio_page(request: Request) -> Reply:
    """www.twilio.com/docs/usage/twilios-response#pagination: a path"""
    following = next_url(request, Page=1, PageToken="PASM7").partition(".com")[2]
    return json_reply(200, {"messages": [TWILIO_MESSAGE], "next_page_uri": following})


def sendgrid_no(status: int, message: str) -> Reply:
    return refusal(status, {"errors": [{"message": message, "field": None, "help": None}]})


VENDORS = {
    "twilio": Vendor(
        proof=basic("${TWILIO_API_KEY}", "${TWILIO_API_SECRET}"),
        answers={
            "send_message": TWILIO_MESSAGE,
            "get_message": TWILIO_MESSAGE,
            "check_code": {"sid": "VE1", "status": "approved", "valid": True, "to": "+15017122661"},
        },
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
        answers={
            "send_mail": Reply(202, b""),
            "delete_bounce": Reply(204, b""),
            "stats": [{"date": "2026-11-21", "stats": [{"metrics": {"delivered": 7}}]}],
        },
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
            "list_bounces": (
                [
                    {
                        "created": 1250337600,
                        "email": "example@example.com",
                        "reason": "550 5.1.1 The email account does not exist.",
                        "status": "5.1.1",
                    }
                ],
                {"offset": 1},
            ),
        },
        failures={
            "downstream_rejected": sendgrid_no(400, "The from address is not verified"),
            "downstream_quota": sendgrid_no(401, "Maximum credits exceeded"),
            "credential_error": sendgrid_no(403, "access forbidden"),
        },
    ),
    "mailgun": Vendor(
        proof=basic("api", "${MAILGUN_API_KEY}"),
        answers={
            "send_mail": {"id": "<2026.1@mg.example.com>", "message": "Queued. Thank you."},
            "list_events": {
                "items": [{"id": "Ase7i2zsRYeDXztHGENqRA", "event": "failed", "timestamp": 1521.7}]
            },
            "list_bounces": {"items": [{"address": "a@b.c", "code": "550", "error": "no"}]},
        },
        failures={
            "downstream_rejected": refusal(400, {"message": "to parameter is not a valid address"}),
            "downstream_quota": refusal(429, {"message": "Too many requests"}),
            "credential_error": Reply(401, b"Forbidden"),
        },
    ),
}
