"""Apps, in and out; the checks are the command line's too."""

from __future__ import annotations

from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from schemas import shapes
from schemas.bounded import Bounded, Many
from schemas.lists import ListArgs, list_of, sort_field

# These patterns also stand in the OpenAPI file, whose readers do not know Python's \Z.
APP_ID = validate.Regexp(
    r"^[A-Za-z0-9._-]{1,64}$(?!\n)", error="Must be 1 to 64 letters, digits, dots, underscores or dashes."
)
ALLOWED = validate.Regexp(
    r"^[A-Za-z0-9_*-]{1,64}(\.[A-Za-z0-9_*-]{1,64})?$(?!\n)",
    error="Must be a service or service.method, with * as wildcard.",
)
MAX_ALLOWED = 100  # services and methods of one app
RATE = validate.And(validate.Length(max=32), shapes.RATE)


class AppIn(Bounded):
    class Meta:
        unknown = RAISE

    app_id = fields.String(required=True, validate=APP_ID)
    allow = Many(
        fields.String(validate=ALLOWED),
        max_wrong=MAX_ALLOWED,
        required=True,
        validate=validate.Length(1, MAX_ALLOWED),
    )
    rate = fields.String(
        load_default=None,
        allow_none=True,
        validate=RATE.validators,
        metadata={"description": "How many calls it may make, such as 100/minute; null: DEFAULT_RATE_LIMIT."},
    )


class AppOut(Schema):
    id = fields.Integer()
    app_id = fields.String()
    allow: fields.Field[Any] = fields.List(fields.String())
    rate = fields.String(allow_none=True)
    disabled = fields.Boolean()
    created_at = fields.DateTime()


class AppRow(AppOut):
    """One line of CSV."""

    allow = fields.Function(lambda app: " ".join(app.allow))


class AppSecretOut(AppOut):
    secret = fields.String(metadata={"description": "Shown this once."})


class AppArgs(ListArgs):
    sort = sort_field("id", "app_id", "created_at")


AppListOut = list_of(AppOut)
