"""Which rule a path matches: werkzeug's way, with a method for its self-referring function.

That function, made for each request, would stay until garbage is collected: 700 bytes a request.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, MutableMapping, Sequence
from functools import cached_property
from typing import Any

from werkzeug.routing import Map, Rule
from werkzeug.routing.converters import ValidationError
from werkzeug.routing.exceptions import NoMatch
from werkzeug.routing.matcher import State, StateMachineMatcher

Match = tuple[Rule, list[str]]
MAX_NEAR_ADDRESSES = 3  # that are named for one that is not there
MAX_COMPARED_CHARACTERS = 64
MIN_SIMILARITY = 0.8  # of two addresses that are written alike, from 0 to 1
_VERSION = ["", "api", "v1"]
_VALUE = re.compile(r"<(?:[^<>:]+:)?([^<>]+)>")


class _Search:
    """The search for one request's rule; remembers the path's other rules for the error."""

    def __init__(self, verb: str, websocket: bool) -> None:
        self._verb = verb
        self._websocket = websocket
        self.other_verbs: set[str] = set()
        self.websocket_mismatch = False

    def first_match(self, rules: Iterable[Rule]) -> Rule | None:
        for rule in rules:
            if rule.methods is not None and self._verb not in rule.methods:
                self.other_verbs.update(rule.methods)
            elif rule.websocket != self._websocket:
                self.websocket_mismatch = True
            else:
                return rule
        return None

    def find(self, state: State, parts: list[str], values: list[str]) -> Match | None:
        if not parts:
            rule = self.first_match(state.rules)
            if rule is None:
                return None
            return rule, values
        static = state.static.get(parts[0])
        if static and (match := self.find(static, parts[1:], values)):
            return match
        for part, next_state in state.dynamic:
            target = parts[0]
            remaining = parts[1:]
            if part.final:
                target = "/".join(parts)
                remaining = []
            if groups := re.compile(part.content).match(target):
                texts = [
                    text
                    for name, text in groups.groupdict().items()
                    if name.startswith("__werkzeug_")
                ]
                if match := self.find(next_state, remaining, values + texts):
                    return match
        return None


class Matcher(StateMachineMatcher):
    """Matches rules of which none ends in a slash; a doubled slash is an unknown path."""

    def match(
        self, domain: str, path: str, method: str, websocket: bool
    ) -> tuple[Rule, MutableMapping[str, Any]]:
        search = _Search(method, websocket)
        result = search.find(self._root, [domain, *path.split("/")], [])
        if result is None:
            raise NoMatch(search.other_verbs, search.websocket_mismatch)
        rule, texts = result
        try:
            values = {
                str(name): converter.to_python(text)
                for (name, converter), text in zip(rule._converters.items(), texts, strict=True)
            }
        except ValidationError as error:
            raise NoMatch(search.other_verbs, search.websocket_mismatch) from error
        return rule, {**values, **(rule.defaults or {})}


class Routes(Map):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "merge_slashes": False})
        self._matcher = Matcher(merge_slashes=False)

    def find(self, path: str, verb: str) -> tuple[Rule, MutableMapping[str, Any]] | None:
        """Find the rule as an adapter would; one is made for errors only."""
        self.update()
        try:
            return self._matcher.match("", path, verb, websocket=False)
        except NoMatch:
            return None

    def near(self, path: str) -> list[str]:
        """Return the addresses that a path without a route may have been meant for; few or none.

        They end as it does, go on where it ends, have a version in front, or are written alike.
        """
        parts = path.split("/")
        if same := ["/".join(address) for address in self._addresses if _equals(address, parts)]:
            return same  # but for a value, such as an id that is no number
        ending = [address for address in self._addresses if _ends(address, parts)]
        others = [
            address
            for address in self._addresses
            if _begins(address, parts) or _equals(address, _VERSION + parts[1:])
        ]
        likely = list(map("/".join, ending + others))
        if 0 < len(likely) <= MAX_NEAR_ADDRESSES:
            return likely
        texts = map("/".join, self._addresses)
        return difflib.get_close_matches(
            path[:MAX_COMPARED_CHARACTERS], texts, MAX_NEAR_ADDRESSES, MIN_SIMILARITY
        )

    @cached_property
    def _addresses(self) -> list[list[str]]:
        """Every rule's parts; a value stands there as ``<name>``."""
        texts = {_VALUE.sub(r"<\1>", rule.rule) for rule in self.iter_rules()}
        return [text.split("/") for text in sorted(texts)]


def _begins(address: Sequence[str], parts: Sequence[str]) -> bool:
    return len(parts) < len(address) and _equals(address[: len(parts)], parts)


def _ends(address: Sequence[str], parts: Sequence[str]) -> bool:
    """Return whether an address has more between the version and what the path has after it."""
    start = len(_VERSION)
    rest = parts[start:]
    return (
        parts[:start] == _VERSION
        and 0 < len(rest) < len(address) - start
        and address[-len(rest) :] == rest
    )


def _equals(address: Sequence[str], parts: Sequence[str]) -> bool:
    """Return whether an address has these parts, the values of its names among them."""
    return len(address) == len(parts) and all(
        own == part or (own.startswith("<") and part)
        for own, part in zip(address, parts, strict=True)
    )
