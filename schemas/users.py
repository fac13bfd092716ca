"""Schemas of users, logins and apps. None has the password's hash."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from schemas.bounded import Bounded, Many
from schemas.catalog import fields as shapes
from schemas.fields import ROLES, Flag, ListArgs, Text, Whole, list_of, search_field, sort_field
from schemas.names import Username

# --- users

MIN_PASSWORD_CHARACTERS = 8
MAX_PASSWORD_CHARACTERS = 1024
PASSWORD = validate.Length(
    MIN_PASSWORD_CHARACTERS,
    MAX_PASSWORD_CHARACTERS,
    error="Must be {min} to {max} characters long.",
)
PRESENT_PASSWORD = validate.Length(1, MAX_PASSWORD_CHARACTERS)  # which is only compared
NO_NUL = validate.ContainsNoneOf("\0", error="Must not contain a NUL character.")


class UserIn(Bounded):
    username = Username(required=True)
    password = fields.String(
        required=True, validate=[PASSWORD, NO_NUL], metadata={"pattern": "^[^\\x00]*$"}
    )
    name = Text(150, 1, load_default=None, allow_none=True)
    age = Whole(0, 150, load_default=None, allow_none=True)
    email = fields.Email(load_default=None, allow_none=True, validate=validate.Length(max=254))
    role = fields.String(load_default="user", validate=validate.OneOf(ROLES))


class UserChange(UserIn):
    current_password = fields.String(
        validate=PRESENT_PASSWORD,
        metadata={"description": "Needed with a new password for oneself."},
    )
    disabled = Flag(
        metadata={"description": "Nobody logs in as a disabled user; for admins to change."}
    )


class PasswordIn(Bounded):
    current_password = fields.String(required=True, validate=PRESENT_PASSWORD)
    new_password = fields.String(
        required=True, validate=[PASSWORD, NO_NUL], metadata={"pattern": "^[^\\x00]*$"}
    )


class UserOut(Schema):
    id = fields.Integer()
    username = fields.String()
    name = fields.String(allow_none=True)
    age = fields.Integer(allow_none=True)
    email = fields.String(allow_none=True)
    role = fields.String()
    created_at = fields.DateTime()
    disabled = fields.Boolean()


class UserArgs(ListArgs):
    sort = sort_field("id", "username", "created_at")
    q = search_field()
    role = fields.String(validate=validate.OneOf(ROLES))


UserListOut = list_of(UserOut)


# --- login


class LoginIn(Bounded):
    username = Username(required=True)
    password = fields.String(required=True, validate=PRESENT_PASSWORD)


class RefreshIn(Bounded):
    refresh_token = fields.String(required=True, validate=validate.Length(1, 256))


class TokensOut(Schema):
    access_token = fields.String(metadata={"description": "Send it as Authorization: Bearer ..."})
    token_type = fields.Constant("bearer", metadata={"type": "string"})
    expires_in = fields.Integer(metadata={"description": "Seconds the access token is good for."})
    refresh_token = fields.String(metadata={"description": "Good once, for the next pair."})


# --- apps

# These patterns also stand in the OpenAPI file, whose readers do not know Python's \Z.
APP_ID = validate.Regexp(
    r"^[A-Za-z0-9._-]{1,64}$(?!\n)",
    error="Must be 1 to 64 letters, digits, dots, underscores or dashes.",
)
ALLOWED = validate.Regexp(
    r"^[A-Za-z0-9_*-]{1,64}(\.[A-Za-z0-9_*-]{1,64})?$(?!\n)",
    error="Must be a service or service.method, with * as wildcard.",
)
MAX_ALLOWED_NAMES = 100  # services and methods of one app
RATE = validate.And(validate.Length(max=32), shapes.RATE)


class AppChange(Bounded):
    allow = Many(
        fields.String(validate=ALLOWED),
        max_wrong=MAX_ALLOWED_NAMES,
        required=True,
        validate=validate.Length(1, MAX_ALLOWED_NAMES),
    )
    rate = fields.String(
        load_default=None,
        allow_none=True,
        validate=RATE.validators,
        metadata={
            "description": "How many calls it may make, such as 100/minute; "
            "null: DEFAULT_RATE_LIMIT."
        },
    )


class AppIn(AppChange):
    app_id = fields.String(required=True, validate=APP_ID)


class AppOut(Schema):
    id = fields.Integer()
    app_id = fields.String()
    allow: fields.Field[Any] = fields.List(fields.String())
    rate = fields.String(allow_none=True)
    disabled = fields.Boolean()
    created_at = fields.DateTime()
    last_used_at = fields.DateTime(
        allow_none=True, metadata={"description": "When it last signed, to within a minute."}
    )


class AppRow(AppOut):
    """One line of CSV."""

    allow = fields.Function(lambda app: " ".join(app.allow))


class AppChangedOut(AppOut):
    warnings = fields.List(
        fields.String(),
        metadata={"description": "What of `allow` names nothing in the catalog, if anything."},
    )


class AppSecretOut(AppChangedOut):
    secret = fields.String(metadata={"description": "Shown this once."})


class AppArgs(ListArgs):
    sort = sort_field("id", "app_id", "created_at")


AppListOut = list_of(AppOut)
