"""``http: GET /v3/weather``: a verb and a path, and the slips of those who write it elsewhere."""

from __future__ import annotations

import re

from marshmallow import ValidationError

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SHAPE = re.compile(rf"({'|'.join(VERBS)}) (/[!\x22$->@-~]*)")
#: A part of a path as routers write it: ``:id``, ``<id>``, ``<int:id>``, ``{{id}}``.
_OTHER_PLACEHOLDER = re.compile(r"(?<=/)(?::(\w+)|<(?:\w+:)?(\w+)>|\{\{(\w+)\}\})(?=/|$)", re.ASCII)
_PLACEHOLDER = re.compile(r"\{[^{}/]+\}")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def verb_and_path(value: str) -> None:
    """:raises ValidationError: no verb and a path whose variable parts are as ``{name}``."""
    match = _SHAPE.fullmatch(value)
    if not match:
        message = "must be a verb and a path, such as: POST /cgi-bin/message/send"
        raise ValidationError(message + _advice(value))
    other = _OTHER_PLACEHOLDER.search(match[2])
    if other:
        name = next(filter(None, other.groups()))
        literal = "".join(f"%{ord(letter):02X}" for letter in other[0] if letter in ":<>{}")
        raise ValidationError(
            f"{other[0]} would be sent as it is; write {{{name}}} ({literal} for the characters"
            " themselves)"
        )
    if {"{", "}"} & set(_PLACEHOLDER.sub("", match[2])):
        raise ValidationError(
            "{ and } in a path stand around a name, as in {name}; write %7B and %7D for themselves"
        )
    if _BARE_PERCENT.search(match[2]):
        raise ValidationError("% in a path begins an escape such as %20; write %25 for itself")


def _advice(value: str) -> str:
    """Return the end of a message: what to write in place of a value."""
    verb, _, path = value.partition(" ")
    if verb.upper() in VERBS and verb not in VERBS:
        return f"; write {verb.upper()} in capitals"
    if re.match(r"https?://", path):
        return "; the host belongs into base_url"
    if path.startswith("/") and "?" in path:
        return "; what follows ? belongs into params, or into query if it is always the same"
    if verb in VERBS and re.fullmatch(r"[\w{][!-~]*", path):
        return f"; write {verb} /{path}"
    return ""
