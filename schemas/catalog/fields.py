"""Building blocks of the catalog's shape; their messages say what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from schemas.catalog.hints import did_you_mean, similar
from schemas.catalog.params import JsonType


class NearOneOf(validate.OneOf):
    """One of several words; the message names the one that is similar."""

    def _format_error(self, value: Any) -> str:
        return super()._format_error(value) + did_you_mean(value, self.choices)


def one_of(*allowed: str) -> NearOneOf:
    return NearOneOf(allowed, error="must be one of: {choices}")


# What frames a message is the client's to say.
SETTABLE_HEADER = (
    r"(?i:(?!(host|content-length|transfer-encoding|connection)\Z)[a-z0-9!#$%&'*+.^_`|~-]+)"
)
HEADER_NAME = validate.Regexp(
    rf"{SETTABLE_HEADER}\Z", error="must be a header's name, and not one such as Host"
)
HEADER_TEXT = validate.Regexp(
    r"[\t -~\xa0-\xff]*\Z", error="must be one line of ASCII or Latin-1 text"
)


MAX_CATALOG_SECONDS = 86400 * 365


class Strict(Schema):
    """An unknown key is an error that names its likely spelling.

    :cvar usual: the mapping that most catalogs have here, for whoever writes no mapping.
    :cvar hint_for_unknown: what else to say of a key that is like none.
    """

    usual: ClassVar[str] = ""
    hint_for_unknown: ClassVar[str] = ""

    class Meta:
        unknown = RAISE

    error_messages = {  # noqa: RUF012  # marshmallow declares it so
        "unknown": "unknown key",
        "type": "must be a mapping of keys to values",
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._by_key = {
            field.data_key or name: (name, field) for name, field in self.load_fields.items()
        }
        self._required = {key: field for key, (_, field) in self._by_key.items() if field.required}

    def _deserialize(self, data: Any, *, error_store: Any, **options: Any) -> dict[str, Any]:
        """Go through the keys of the data; marshmallow goes through all fields, thrice the work."""
        if not isinstance(data, dict):
            error_store.store_error([self._not_a_mapping()])
            return {}
        loaded = {}
        for key, value in data.items():
            name, field = self._by_key.get(key, (key, None))
            try:
                if field is None:
                    raise ValidationError(self.error_messages["unknown"])
                loaded[name] = field.deserialize(value, key, data)
            except ValidationError as error:
                error_store.store_error(error.messages, key)
        for key in self._required.keys() - data.keys():
            error_store.store_error([self._required[key].error_messages["required"]], key)
        return loaded

    def handle_error(self, error: ValidationError, data: Any, *, many: bool, **kwargs: Any) -> None:
        if not isinstance(error.messages, dict):
            return
        for key, messages in error.messages.items():
            if messages == [self.error_messages["unknown"]]:
                error.messages[key] = [f"unknown key; {self._hint(str(key))}"]

    def _not_a_mapping(self) -> str:
        message: str = self.error_messages["type"]
        if self.usual:
            message += f", such as {self.usual}"
        return message

    def _hint(self, key: str) -> str:
        name = similar(key, self._by_key)
        if name:
            return f"did you mean {name!r}?"
        return f"known here: {', '.join(self._by_key)}{self.hint_for_unknown}"


class Frozen(Strict):
    """Loads into a frozen value, whose fields have the names of the schema's."""

    value_class: ClassVar[Callable[..., Any]]

    @post_load
    def build(self, data: dict[str, Any], **options: Any) -> Any:
        return type(self).value_class(**data)


class FrozenSet(fields.List[Any]):
    """A list whose order says nothing."""

    def __init__(self, item: fields.Field[Any], **kwargs: Any) -> None:
        super().__init__(
            item, error_messages={"invalid": "must be a list, such as [a, b]"}, **kwargs
        )

    def _deserialize(self, *args: Any, **kwargs: Any) -> Any:
        return frozenset(super()._deserialize(*args, **kwargs))


#: The name of a service, a method or an aggregate.
NAME = r"[A-Za-z0-9_-]{1,64}"


class _Text(JsonType):
    """A text; of a number, or true or false, which YAML has made of one, it says to quote it."""

    def refusal(self, value: object) -> str:
        if isinstance(value, (int, float)) and self.message.endswith("string."):
            return f"{self.message} Quote it."
        return self.message


def text(*, public: bool = False, template: bool = False, **kwargs: Any) -> JsonType:
    """Return a field for a text; the marks are for ``gateway.signers.base.AuthSettings``."""
    marks = {"public": public, "template": template}
    return _Text("string", error_messages=MESSAGES, metadata=marks, **kwargs)


def whole(minimum: int = 0) -> JsonType:
    """Return a field for a whole number."""
    check = validate.Range(min=minimum, error=f"must be a whole number of at least {minimum}")
    return JsonType("integer", validate=check, error_messages=MESSAGES)


def seconds(**kwargs: Any) -> JsonType:
    """Return a field for a number of seconds above 0."""
    check = validate.Range(
        0,
        MAX_CATALOG_SECONDS,
        min_inclusive=False,
        error="must be a positive number of seconds, such as 2.5",
    )
    field = JsonType("number", validate=check, error_messages=MESSAGES, **kwargs)
    field.message += " Write seconds without a unit, such as 2.5."
    return field


def whole_bytes() -> JsonType:
    """Return a field for a size of 1 byte or more."""
    field = whole(1)
    field.message += " Write bytes without a unit, such as 10485760 for 10 MiB."
    return field


def flag() -> JsonType:
    field = JsonType("boolean", error_messages=MESSAGES)
    field.message += " Write true or false, without quotes."
    return field


MESSAGES: dict[str, Any] = {
    "required": "missing; this key is required",
    "null": "must have a value",
}


class NamedMap(fields.Field[Any]):
    """A mapping from names to one shape; problems are reported under the name.

    :param need: what a name must do, for whoever reads no ``pattern``.
    """

    def __init__(
        self,
        schema: Schema | fields.Field[Any],
        pattern: str = r"\S+",
        need: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(error_messages=MESSAGES, **kwargs)
        self.schema = schema
        self.pattern = re.compile(pattern)
        self.need = need or f"match {pattern}"

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> dict[str, Any]:
        if not isinstance(value, dict):
            hint = ", and not a list; write NAME: in place of -" if isinstance(value, list) else ""
            raise ValidationError(f"must be a mapping of names to settings{hint}")
        loaded: dict[str, Any] = {}
        problems: dict[str, Any] = {}
        for name, settings in value.items():
            try:
                loaded[name] = self._load(name, settings)
            except ValidationError as error:
                problems[name] = error.messages
                if isinstance(error.messages, dict):
                    problems[name] = error.messages.get("_schema", error.messages)
        if problems:
            raise ValidationError(problems)
        return loaded

    def _load(self, name: str, settings: Any) -> Any:
        if not self.pattern.fullmatch(name):
            raise ValidationError(f"not a usable name; it must {self.need}")
        if isinstance(self.schema, Schema):
            return self.schema.load(settings)
        return self.schema.deserialize(settings)


class OneOfShapes(fields.Field[Any]):
    """A value that is read by whichever field ``choose`` picks for it."""

    def __init__(self, choose: Callable[[Any], fields.Field[Any]], **kwargs: Any) -> None:
        super().__init__(error_messages=MESSAGES, **kwargs)
        self.choose = choose

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return self.choose(value).deserialize(value)


def by_shape(
    scalar: fields.Field[Any],
    *,
    mapping: fields.Field[Any] | None = None,
    sequence: fields.Field[Any] | None = None,
) -> OneOfShapes:
    """Return a field for a value that may as well be a mapping, or a sequence."""
    field_of: dict[type, fields.Field[Any]] = {dict: mapping or scalar, list: sequence or scalar}
    return OneOfShapes(lambda value: field_of.get(type(value), scalar))


def nested(schema: type[Schema], **kwargs: Any) -> fields.Nested:
    return fields.Nested(schema, error_messages=MESSAGES, **kwargs)


RATE = validate.Regexp(
    r"^[1-9][0-9]*/(second|minute|hour|day)$(?!\n)",  # no \Z, which readers of OpenAPI do not know
    error="must be a number per second, minute, hour or day, such as 100/minute",
)
