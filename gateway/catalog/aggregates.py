"""An aggregate: declared calls whose parameters come from the request and from each other's answers.

A parameter's text that begins with ``$`` refers to something: ``$query.city`` and ``$body.city.name`` to the request,
``$where.0.location`` to the answer of the part ``where``; numbers are places in a list. ``$$`` stands
for a plain ``$``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import BadResponse, InvalidParams

REQUEST = ("query", "body")
MISSING = object()

#: What a request gives an aggregate: its ``query`` and its ``body``.
Given = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a value comes from: ``query``, ``body`` or a part's name, and the way to it in there."""

    source: str
    way: tuple[str, ...]

    def __str__(self) -> str:
        return "$" + ".".join((self.source, *self.way))

    def find(self, sources: Mapping[str, object]) -> object:
        """The value, or ``MISSING``."""
        value = sources.get(self.source, MISSING)
        for step in self.way:
            if isinstance(value, Mapping):
                value = value.get(step, MISSING)
            elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            else:
                return MISSING
        return value


@dataclass(frozen=True, slots=True)
class AggregatePart:
    """One call of an aggregate.

    :param params: values, with a ``Reference`` wherever one was written.
    :param optional: its failure does not make the aggregate's answer a partial failure.
    """

    name: str
    service: str
    method: str
    params: Mapping[str, Any]
    optional: bool = False
    references: tuple[Reference, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "references", tuple(references(self.params)))

    @property
    def needs(self) -> frozenset[str]:
        """The parts whose answers it takes."""
        return frozenset(each.source for each in self.references if each.source not in REQUEST)

    def by_request_names(self, fields: Mapping[str, object]) -> dict[str, object]:
        """What is wrong with which param, said of the request's field that fills it."""
        filled = {name: each for name, each in self.params.items() if isinstance(each, Reference)}
        return {
            ".".join(filled[name].way) if name in filled else f"{self.name}.{name}": say
            for name, say in fields.items()
        }

    def resolved(self, sources: Mapping[str, object]) -> dict[str, object]:
        """The parameters with every reference's value; one that the request does not give is left out.

        :raises BadResponse: another part's answer has nothing where a reference points.
        """
        return {
            name: value
            for name, each in self.params.items()
            if (value := _fill(each, sources)) is not MISSING
        }


@dataclass(frozen=True, slots=True)
class Aggregate:
    name: str
    parts: tuple[AggregatePart, ...]

    def check_names(self, given: Given) -> None:
        """:raises InvalidParams: the request gives something that no part takes."""
        for source in REQUEST:
            taken = {
                each.way[0]
                for part in self.parts
                for each in part.references
                if each.source == source
            }
            if unknown := given[source].keys() - taken:
                raise InvalidParams(fields={name: ["Unknown field."] for name in sorted(unknown)})


def read_references(value: Any) -> Any:
    """A declared parameter with its texts that begin with ``$`` turned into references.

    :raises ValueError: such a text is no reference.
    """
    if isinstance(value, dict):
        return {key: read_references(each) for key, each in value.items()}
    if isinstance(value, list):
        return [read_references(each) for each in value]
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    if value.startswith("$$"):
        return value[1:]
    source, *way = value[1:].split(".")
    if not source or not all(way) or (source in REQUEST and not way):
        raise ValueError(
            f"{value!r} refers to nothing; write $query.NAME, $body.NAME or $PART.PATH, or $$ for a $"
        )
    return Reference(source, tuple(way))


def references(value: Any) -> Iterator[Reference]:
    """Every reference in a parameter's value."""
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from references(each)


def _fill(value: Any, sources: Mapping[str, object]) -> Any:
    if isinstance(value, Reference):
        found = value.find(sources)
        if found is MISSING and value.source not in REQUEST:
            raise BadResponse(f"The part {value.source!r} answered nothing at {value}.")
        return found
    if isinstance(value, dict):
        return {
            key: made
            for key, each in value.items()
            if (made := _fill(each, sources)) is not MISSING
        }
    if isinstance(value, list):
        return [made for each in value if (made := _fill(each, sources)) is not MISSING]
    return value
