"""Bytes inside a caller's JSON."""

from __future__ import annotations

from base64 import b64decode

from gateway.errors import fields_error


def from_base64(name: str, value: object) -> bytes:
    """The bytes of one parameter (RFC 4648, 4).

    :raises InvalidParams: it is not base64.
    """
    try:
        return b64decode(value if isinstance(value, str) else "-", validate=True)
    except ValueError as error:
        raise fields_error(name, ["Not valid base64."]) from error
