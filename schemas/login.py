"""What logging in takes and gives."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from schemas.bounded import Bounded

USERNAME = validate.And(
    validate.Length(1, 150), validate.ContainsNoneOf("\0", error="Must not contain a NUL character.")
)
NO_NUL = {"pattern": "^[^\\x00]*$"}
PASSWORD = validate.Length(1, 1024)


class LoginIn(Bounded):
    username = fields.String(
        required=True, validate=USERNAME.validators, metadata=NO_NUL
    )  # one by one, so that OpenAPI sees the length
    password = fields.String(required=True, validate=PASSWORD)


class RefreshIn(Bounded):
    refresh_token = fields.String(required=True, validate=validate.Length(1, 256))


class TokensOut(Schema):
    access_token = fields.String(metadata={"description": "Send it as Authorization: Bearer ..."})
    token_type = fields.Constant("bearer", metadata={"type": "string"})
    expires_in = fields.Integer(metadata={"description": "Seconds the access token is good for."})
    refresh_token = fields.String(metadata={"description": "Good once, for the next pair."})
