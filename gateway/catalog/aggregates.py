"""An aggregate: calls whose parameters come from the request and from each other's answers.

A parameter's text that begins with ``$`` refers to something: ``$query.city`` and
``$body.city.name`` to the request, ``$where.0.location`` to the answer of the part ``where``;
numbers are places in a list. ``$$`` stands for a plain ``$``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.bodies.json import MISSING, find_value, leaves
from gateway.errors import BadResponse, InvalidParams

REQUEST = ("query", "body")

#: What a request brings an aggregate: its ``query`` and its ``body``.
RequestSources = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a value comes from: ``query``, ``body`` or a part's name, and the path in there."""

    source: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return "$" + ".".join((self.source, *self.path))

    def find(self, sources: Mapping[str, object]) -> object:
        """Return the value, or ``MISSING``."""
        return find_value(sources, (self.source, *self.path))


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
        references = [leaf for _, leaf in leaves(self.params) if isinstance(leaf, Reference)]
        object.__setattr__(self, "references", tuple(references))

    @property
    def needs(self) -> frozenset[str]:
        """The parts whose answers it takes."""
        return frozenset(
            reference.source for reference in self.references if reference.source not in REQUEST
        )

    def name_request_fields(self, problems: Mapping[str, object]) -> dict[str, object]:
        """Return the problems of params, each under the request's field that fills the param."""
        return {self._request_field(param): problem for param, problem in problems.items()}

    def _request_field(self, param: str) -> str:
        value = self.params.get(param)
        if isinstance(value, Reference):
            return ".".join(value.path)
        return f"{self.name}.{param}"

    def resolve_params(self, sources: Mapping[str, object]) -> dict[str, object]:
        """Return the params with every reference's value, less what the request does not have.

        :raises BadResponse: another part's answer has nothing where a reference points.
        """
        return _resolve_mapping(self.params, sources)


@dataclass(frozen=True, slots=True)
class Aggregate:
    name: str
    parts: tuple[AggregatePart, ...]

    def check_request(self, request: RequestSources) -> None:
        """:raises InvalidParams: the request has a field that no part takes."""
        references = [reference for part in self.parts for reference in part.references]
        for source in REQUEST:
            fields = {reference.path[0] for reference in references if reference.source == source}
            if unknown := request[source].keys() - fields:
                raise InvalidParams(fields={name: ["Unknown field."] for name in sorted(unknown)})


def read_references(value: Any) -> Any:
    """Return a declared parameter with a ``Reference`` for every text that begins with ``$``.

    :raises ValueError: such a text is no reference.
    """
    if isinstance(value, dict):
        return {key: read_references(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [read_references(inner) for inner in value]
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    if value.startswith("$$"):
        return value[1:]
    source, *path = value[1:].split(".")
    if not source or not all(path) or (source in REQUEST and not path):
        raise ValueError(
            f"{value!r} refers to nothing; write $query.NAME, $body.NAME or $PART.PATH,"
            " or $$ for a $"
        )
    return Reference(source, tuple(path))


def _resolve(value: Any, sources: Mapping[str, object]) -> Any:
    if isinstance(value, Reference):
        result = value.find(sources)
        if result is MISSING and value.source not in REQUEST:
            raise BadResponse(f"The part {value.source!r} answered nothing at {value}.")
        return result
    if isinstance(value, dict):
        return _resolve_mapping(value, sources)
    if isinstance(value, list):
        results = [_resolve(inner, sources) for inner in value]
        return [result for result in results if result is not MISSING]
    return value


def _resolve_mapping(values: Mapping[str, Any], sources: Mapping[str, object]) -> dict[str, object]:
    results = {key: _resolve(value, sources) for key, value in values.items()}
    return {key: result for key, result in results.items() if result is not MISSING}
