"""Vendors of mail and SMS."""

from __future__ import annotations

from sandbox.messages import Reply
from tests.catalogs.vendor import Vendor, basic, bearer, refusal


def twilio_no(status: int, code: int) -> Reply:
    return refusal(status, {"code": code, "message": "no", "status": status})


def sendgrid_no(status: int, message: str) -> Reply:
    return refusal(status, {"errors": [{"message": message, "field": None, "help": None}]})


VENDORS = {
    "twilio": Vendor(
        proof=basic("${TWILIO_ACCOUNT_SID}", "${TWILIO_AUTH_TOKEN}"),
        failures={
            "downstream_rejected": twilio_no(400, 21211),
            "downstream_quota": twilio_no(429, 20429),
            "credential_error": twilio_no(401, 20003),
        },
    ),
    "sendgrid": Vendor(
        proof=bearer("${SENDGRID_API_KEY}"),
        answers={"send_mail": Reply(202, b""), "delete_bounce": Reply(204, b"")},
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
