"""What in one OpenAPI file would break who relies on another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
#: A bound on what comes in must not become this: less, or more.
_UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_EQUAL_KEYWORDS = ("pattern", "format", "multipleOf", "const", "uniqueItems")


def breaking(old: Json, new: Json) -> list[str]:
    """One sentence for each thing that ``new`` takes back."""
    return list(_Comparison(old, new).all())


class _Comparison:
    def __init__(self, old: Json, new: Json) -> None:
        self.old, self.new = old, new

    def all(self) -> Iterator[str]:
        for path, item in self.old["paths"].items():
            for verb in item.keys() - {"parameters"}:
                where = f"{verb.upper()} {path}"
                other = self.new["paths"].get(path, {})
                if verb not in other:
                    yield f"{where} is gone"
                else:
                    yield from self._operation(where, _whole(item, verb), _whole(other, verb))

    def _operation(self, where: str, old: Json, new: Json) -> Iterator[str]:
        old_proofs = old.get("security", self.old.get("security", []))
        new_proofs = new.get("security", self.new.get("security", []))
        if new_proofs and not old_proofs:
            yield f"{where}: it asks who calls"
        for proof in old_proofs if new_proofs else ():
            if proof not in new_proofs:
                yield f"{where}: {', '.join(proof)} no longer says who calls"
        yield from self._parameters(where, old, new)
        yield from self._body(where, old.get("requestBody"), new.get("requestBody"))
        for status, response in old["responses"].items():
            if status not in new["responses"]:
                yield f"{where}: {status} is gone"
            else:
                answers = (
                    _resolved(self.old, response),
                    _resolved(self.new, new["responses"][status]),
                )
                yield from self._contents(f"{where} {status}", *answers, incoming=False)

    def _parameters(self, where: str, old: Json, new: Json) -> Iterator[str]:
        before = {
            (parameter["in"], parameter["name"]): parameter
            for parameter in (_resolved(self.old, one) for one in old["parameters"])
        }
        after = {
            (parameter["in"], parameter["name"]): parameter
            for parameter in (_resolved(self.new, one) for one in new["parameters"])
        }
        for key, parameter in after.items():
            if parameter.get("required") and not before.get(key, {}).get("required"):
                yield f"{where}: {key[0]} {key[1]} is required now"
        for key, parameter in before.items():
            if key not in after:
                yield f"{where}: {key[0]} {key[1]} is gone"
            else:
                yield from self._schema(
                    f"{where} {key[1]}", parameter["schema"], after[key]["schema"], incoming=True
                )

    def _body(self, where: str, old: Json | None, new: Json | None) -> Iterator[str]:
        if new and new.get("required") and not (old and old.get("required")):
            yield f"{where}: a body is required now"
        if old:
            yield from self._contents(f"{where} body", old, new or {}, incoming=True)

    def _contents(self, where: str, old: Json, new: Json, *, incoming: bool) -> Iterator[str]:
        for kind, media in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                yield f"{where}: {kind} is gone"
            else:
                schemas = media.get("schema", {}), new["content"][kind].get("schema", {})
                yield from self._schema(where, *schemas, incoming=incoming)
        for name in old.get("headers", {}).keys() - new.get("headers", {}).keys():
            yield f"{where}: the header {name} is gone"

    def _schema(self, where: str, old: Json, new: Json, *, incoming: bool) -> Iterator[str]:
        old, new = self._flat(self.old, old), self._flat(self.new, new)
        yield from _types(where, old, new, incoming)
        if "enum" in old and (
            missing := [value for value in old["enum"] if value not in new.get("enum", old["enum"])]
        ):
            yield f"{where}: {', '.join(map(str, missing))} is gone"
        if incoming:
            yield from _narrowed(where, old, new)
        yield from self._properties(where, old, new, incoming)
        if isinstance(old.get("items"), dict):
            yield from self._schema(
                f"{where}[]", old["items"], new.get("items", {}), incoming=incoming
            )
        if isinstance(old.get("additionalProperties"), dict):
            inner = new.get("additionalProperties")
            inner = inner if isinstance(inner, dict) else {}
            yield from self._schema(
                f"{where}.*", old["additionalProperties"], inner, incoming=incoming
            )

    def _properties(self, where: str, old: Json, new: Json, incoming: bool) -> Iterator[str]:
        needed, before = set(new.get("required", ())), set(old.get("required", ()))
        changed = needed - before if incoming else before - needed
        yield from (
            f"{where}: {name} is {'required' if incoming else 'optional'} now"
            for name in sorted(changed)
        )
        for name, schema in old.get("properties", {}).items():
            if name not in new.get("properties", {}):
                yield f"{where}: {name} is gone"
            else:
                yield from self._schema(
                    f"{where}.{name}", schema, new["properties"][name], incoming=incoming
                )

    def _flat(self, document: Json, schema: Json) -> Json:
        """Without references and ``allOf``."""
        schema = _resolved(document, schema)
        flat = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema.get("allOf", ()):
            for key, value in self._flat(document, part).items():
                both = isinstance(value, dict) and isinstance(flat.get(key), dict)
                flat[key] = _merged(flat[key], value) if both else value
        return flat


def _merged(one: Json, other: Json) -> Json:
    return {**one, **{name: {**one.get(name, {}), **keywords} for name, keywords in other.items()}}


def _types(where: str, old: Json, new: Json, incoming: bool) -> Iterator[str]:
    before, after = _type_set(old), _type_set(new)
    narrow, wide = (after, before) if incoming else (before, after)
    if narrow and not (wide and wide <= narrow):
        yield f"{where}: it was {_type_names(before)} and is {_type_names(after)}"


def _type_set(schema: Json) -> set[str]:
    types = schema.get("type", [])
    return {types} if isinstance(types, str) else set(types)


def _type_names(types: set[str]) -> str:
    return " or ".join(sorted(types)) or "anything"


def _narrowed(where: str, old: Json, new: Json) -> Iterator[str]:
    for keys, worse in ((_UPPER_BOUNDS, -1), (_LOWER_BOUNDS, 1)):
        for key in keys:
            if key in new and (key not in old or (new[key] - old[key]) * worse > 0):
                yield f"{where}: {key} is {new[key]} and was {old.get(key, 'not there')}"
    for key in (*_EQUAL_KEYWORDS, *(["enum"] if "enum" not in old else [])):
        if key in new and new[key] != old.get(key):
            yield f"{where}: {key} is {new[key]} and was {old.get(key, 'not there')}"
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        yield f"{where}: what is not named is refused now"


def _whole(item: Json, verb: str) -> Json:
    operation = item[verb]
    return {
        **operation,
        "parameters": [*item.get("parameters", ()), *operation.get("parameters", ())],
    }


def _resolved(document: Json, value: Json) -> Json:
    while "$ref" in value:
        target: Any = document
        for step in value["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        value = target
    return value
