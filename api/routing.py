"""Which rule a path matches: werkzeug's way, in a method where werkzeug makes a function that refers to itself.

That function, made for each request, would stay until garbage is collected, some 700 bytes a request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping
from typing import Any

from werkzeug.routing import Map, Rule
from werkzeug.routing.converters import ValidationError
from werkzeug.routing.exceptions import NoMatch
from werkzeug.routing.matcher import State, StateMachineMatcher

Found = tuple[Rule, list[str]]


class _Search:
    """One request's: the rules of its path that it does not fit are remembered for what is said to it."""

    def __init__(self, verb: str, websocket: bool) -> None:
        self._verb, self._websocket = verb, websocket
        self.other_verbs: set[str] = set()
        self.websocket_mismatch = False

    def fitting(self, rules: Iterable[Rule]) -> Rule | None:
        for rule in rules:
            if rule.methods is not None and self._verb not in rule.methods:
                self.other_verbs.update(rule.methods)
            elif rule.websocket != self._websocket:
                self.websocket_mismatch = True
            else:
                return rule
        return None

    def find(self, state: State, parts: list[str], values: list[str]) -> Found | None:
        if not parts:
            rule = self.fitting(state.rules)
            return (rule, values) if rule else None
        static = state.static.get(parts[0])
        found = self.find(static, parts[1:], values) if static else None
        if found:
            return found
        for part, following in state.dynamic:
            target, rest = ("/".join(parts), []) if part.final else (parts[0], parts[1:])
            match = re.compile(part.content).match(target)
            if match:
                taken = [
                    text
                    for name, text in match.groupdict().items()
                    if name.startswith("__werkzeug_")
                ]
                found = self.find(following, rest, values + taken)
            if found:
                return found
        return None


class Matcher(StateMachineMatcher):
    """For rules of which none ends in a slash; a doubled slash is an unknown path."""

    def match(
        self, domain: str, path: str, method: str, websocket: bool
    ) -> tuple[Rule, MutableMapping[str, Any]]:
        search = _Search(method, websocket)
        found = search.find(self._root, [domain, *path.split("/")], [])
        if found is None:
            raise NoMatch(search.other_verbs, search.websocket_mismatch)
        rule, texts = found
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
