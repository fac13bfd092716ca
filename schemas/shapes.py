"""Values that may have several shapes: one of alternatives, or an object with undeclared names.

field = Alternatives([JsonType("string"), JsonType("integer")], keyword="oneOf")
field.deserialize(5)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields, missing

from schemas.bounded import MAX_PROBLEMS

MAX_REASON_CHARACTERS = 200  # of what is said of one shape


class Alternatives(fields.Field[Any]):
    """OpenAPI's ``oneOf`` and ``anyOf``.

    :param keyword: of ``oneOf`` exactly one must fit.
    :param from_text: the value comes as text, which fits more than one easily: the first counts.
    """

    def __init__(
        self,
        shapes: Sequence[fields.Field[Any]],
        *,
        keyword: str,
        from_text: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.shapes = shapes
        self.keyword = keyword
        self.first_counts = from_text or keyword == "anyOf"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        loaded = []
        reasons = []
        for number, shape in enumerate(self.shapes, 1):
            try:
                loaded.append(shape.deserialize(value))
            except ValidationError as error:
                reason = "; ".join(_sentences(error.messages))
                reasons.append(f"{number}: {reason[:MAX_REASON_CHARACTERS]}")
                continue
            if self.first_counts:
                return loaded[0]
        if len(loaded) == 1:
            return loaded[0]
        if loaded:
            raise ValidationError(
                f"Fits {len(loaded)} of the shapes of {self.keyword}, and must fit exactly one."
            )
        raise ValidationError([f"Fits no shape of {self.keyword}.", *reasons[:MAX_PROBLEMS]])


def _sentences(messages: Any, path: str = "") -> Iterator[str]:
    """Yield marshmallow's messages, each with the names that lead to what it is about."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _sentences(inner, f"{path}{name}: ")
    elif isinstance(messages, list):
        for inner in messages:
            yield from _sentences(inner, path)
    else:
        yield f"{path}{messages}"


class OpenObject(fields.Field[Any]):
    """An object with other names beside its declared ones.

    :param extra: reads the values of the others; None where they may be anything.
    """

    def __init__(
        self,
        declared: Mapping[str, fields.Field[Any]],
        extra: fields.Field[Any] | None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.declared = declared
        self.extra = extra

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise ValidationError("Not a valid object.")
        loaded: dict[str, Any] = {}
        problems: dict[str, Any] = {}
        absent = {name: missing for name in self.declared if name not in value}
        for name, inner in (*value.items(), *absent.items()):
            if len(problems) == MAX_PROBLEMS:
                break
            field = self.declared.get(name, self.extra)
            try:
                result = field.deserialize(inner) if field else inner
            except ValidationError as error:
                problems[name] = error.messages
                continue
            if result is not missing:
                loaded[name] = result
        if problems:
            raise ValidationError(problems)
        return loaded
