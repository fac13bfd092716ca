"""User names and passwords as Unicode sees them (RFC 8265): one text, however it is typed."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from marshmallow import ValidationError

from schemas.fields import Text

MAX_USERNAME_CHARACTERS = 150
_WIDTHS = ("<wide>", "<narrow>")
#: Nobody sees them: other and unassigned characters, and any space but the one of the keyboard.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
#: Those that Unicode draws as nothing although their categories are a letter's or a mark's
#: (DerivedCoreProperties, Default_Ignorable_Code_Point), and the empty Braille cell.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def username_of(text: str) -> str:
    """Return the name as it is stored and looked for: of usual width, composed (NFC), case kept.

    As UsernameCasePreserved (RFC 8265, 3.4) has it, but that single words may be parted by a space.

    :raises ValidationError: it holds what nobody sees.
    """
    name = unicodedata.normalize("NFC", "".join(map(_of_usual_width, text)))
    if name != name.strip(" "):
        raise ValidationError("Must not begin or end with a space.")
    if any(_is_unseen(character) for character in name):
        raise ValidationError("Must not contain characters that cannot be seen, or other spaces.")
    return name


def password_of(text: str) -> str:
    """Return the password as it is hashed: spaces plain, composed (OpaqueString, RFC 8265, 4.2)."""
    plain = "".join(
        " " if unicodedata.category(character) == "Zs" else character for character in text
    )
    return unicodedata.normalize("NFC", plain)


def _of_usual_width(character: str) -> str:
    width, _, code = unicodedata.decomposition(character).partition(" ")
    return chr(int(code, 16)) if width in _WIDTHS else character


def _is_unseen(character: str) -> bool:
    if character == " ":
        return False
    return unicodedata.category(character) in _UNSEEN or _BLANK.match(character) is not None


class Username(Text):
    """What ``username_of`` makes of it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(MAX_USERNAME_CHARACTERS, 1, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return username_of(super()._deserialize(value, attr, data, **kwargs))
