"""Shapes of what callers send; of a flood of wrong fields or items only so many are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from marshmallow import RAISE, Schema, ValidationError, fields, utils, validate

UNKNOWN = ["Unknown field."]
MAX_PROBLEMS = 20  # of which more is told than their number


class Bounded(Schema):
    """A schema that names what it does not know without a look at each, where that is a flood."""

    def load(self, data: Any, *, unknown: Any = None, **options: Any) -> Any:
        """:raises ValidationError: as ``Schema.load``."""
        flooded = isinstance(data, Mapping) and len(data) > len(self.load_fields) + MAX_PROBLEMS
        if flooded and (unknown or self.unknown) == RAISE:
            names = {field.data_key or name for name, field in self.load_fields.items()}
            problems = dict.fromkeys((name for name in data if name not in names), UNKNOWN)
            declared = {name: data[name] for name in names if name in data}
            raise ValidationError(
                {**self.validate(declared, partial=options.get("partial")), **problems}
            )
        return super().load(data, unknown=unknown, **options)

    def handle_error(
        self, error: ValidationError, data: Any, *, many: bool, **options: Any
    ) -> NoReturn:
        """Raise it anew: marshmallow's own has a traceback that has the error, and both stay."""
        raise ValidationError(error.messages, data=error.data, valid_data=error.valid_data)


class Many(fields.List[Any]):
    """A list whose items are looked at if they are not too many, until ``max_wrong`` are wrong.

    :param max_wrong: as many as there may be items, where that is few, to count all wrong ones.
    """

    def __init__(self, inner: Any, *, max_wrong: int = MAX_PROBLEMS, **options: Any) -> None:
        super().__init__(inner, **options)
        self._max_wrong = max_wrong

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if not utils.is_sequence_but_not_string(value):
            raise self.make_error("invalid")
        for check in self.validators:
            if isinstance(check, validate.Length):
                check(value)
        items: list[Any] = []
        problems: dict[int, Any] = {}
        for place, item in enumerate(value):
            try:
                items.append(self.inner.deserialize(item, **kwargs))
            except ValidationError as error:
                problems[place] = error.messages
            if len(problems) == self._max_wrong:
                break
        if problems:
            raise ValidationError(problems)
        return items
