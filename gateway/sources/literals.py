"""The secrets that a catalog's text spells out, found where YAML says that they stand.

literals = find_literals('auth: {type: bearer, token: "hunter2-\\\n  hunter2"}')
literals.values  # {"hunter2-hunter2"}
literals.mask(str)  # 'auth: {type: bearer, token: ****\n  ****}'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.catalog.yaml.nodes import Node, read_nodes
from gateway.masking import STARS, is_secret_name
from gateway.signers import is_secret
from gateway.sources.masked_text import AUTH, SECRET_KEYS, SENT

_HIDDEN = "hidden"
#: Within what an ``auth`` describes, such as a request for a token: hidden, though its words are of
#: use elsewhere.
_DESCRIBED = "described"
_PARAM = "param"
#: Whose keys are names that the catalog's author chose, and say nothing about what they stand for.
_NAMES = frozenset({"services", "methods", "aggregates"})
_PARAMS = frozenset({"params", "parameters", "returns", "properties"})
#: The values in the declaration of a parameter.
_PARAM_VALUES = frozenset({"default", "example", "enum", "const"})
#: What is no secret around one: a variable, and a scheme such as ``Bearer``.
_AROUND = re.compile(
    r"\$\{(?!file:)\w+(?::?[-=]|:)([^}]*)\}|\$\{(?:\w+|file:[^}]*)\}"
    r"|^(?:bearer|basic|token|digest)\s+",
    re.I,
)
#: A URL with user info or a query.
_URL_WITH_SECRET = re.compile(r"://.*[@?]")
_DIGIT = re.compile(r"\d")
_LINE = re.compile(r"\S[^\r\n\x85\u2028\u2029]*")
_COLON = re.compile(r"\s*:")


@dataclass(frozen=True, repr=False)
class Literals:
    """What a text spells out.

    :param values: the secrets, each line of one by itself, to be masked wherever else they are.
    :param is_yaml: False where the text goes on as no YAML, of which nothing is known.
    :param _nodes: each with whether it has a secret; if not, its spelling may hide one.
    """

    text: str
    values: set[str]
    is_yaml: bool
    _nodes: dict[Node, bool]

    def mask(self, mask: Callable[[str], str]) -> str:
        """Return the same lines with stars where a secret stands.

        :param mask: takes the secrets of all texts out of one that is spelled in another way.
        """
        pieces: list[str] = []
        end = 0
        for node in sorted(self._nodes, key=lambda node: node.start):
            if self._nodes[node] or mask(node.value) != node.value:
                source = self.text[node.start : node.end]
                pieces += self.text[end : node.start], _LINE.sub(STARS, source)
                end = node.end
        return "".join([*pieces, self.text[end:]])


def find_literals(text: str) -> Literals:
    """Find the texts under ``auth``, ``headers``, ``query`` and names of secrets, aliases too."""
    text = text.removeprefix("\ufeff")  # which YAML does not count
    roots, is_yaml = read_nodes(text)
    values: set[str] = set()
    nodes: dict[Node, bool] = {}
    for node, context in _scalars(roots, text):
        if context not in (_HIDDEN, _DESCRIBED) and not _URL_WITH_SECRET.search(node.value):
            nodes.setdefault(node, False)
            continue
        secrets = [piece for piece in _AROUND.split(node.value) if piece and piece.strip()]
        if secrets:
            nodes[node] = True
        if context == _DESCRIBED:
            secrets = [piece for piece in secrets if _DIGIT.search(piece)]
        values.update(line.strip() for piece in secrets for line in piece.splitlines())
    return Literals(text, values, is_yaml, nodes)


def _scalars(roots: list[Node], text: str) -> Iterator[tuple[Node, str]]:
    """Yield texts where secrets stand or that are escaped, and what stands for the keys around."""
    nodes = [(node, "") for node in roots]
    visited = set()  # so that the time grows with the text, whatever the aliases are
    while nodes:
        node, context = nodes.pop()
        if node.is_anchored:
            if (node, context) in visited:
                continue
            visited.add((node, context))
        if node.is_mapping:
            pairs = list(zip(node.inner[::2], node.inner[1::2], strict=False))
            if context in _PARAMS and any(
                key.value == "name" and is_secret_name(value.value) for key, value in pairs
            ):
                context = _PARAM  # in a list, as in OpenAPI
            for key, value in pairs:
                nodes.append((value, _inner_context(context, key.value, value)))
                is_secret_place = context in (AUTH, _HIDDEN, _DESCRIBED)
                if is_secret_place and not _COLON.match(text, key.end):
                    nodes.append((key, _HIDDEN))  # the colon is missing, or the space after it
        elif node.inner:
            nodes.extend((item, context) for item in node.inner)
        elif context in (_HIDDEN, _DESCRIBED) or node.value not in text[node.start : node.end]:
            yield node, context


def _inner_context(context: str, key: str, value: Node) -> str:
    """Return what stands for the keys around a value, of what stands for those around its key."""
    if key == "<<" or context in (_HIDDEN, _DESCRIBED):
        return context
    if context in (AUTH, _PARAM):
        hidden = _DESCRIBED if context == AUTH and value.inner else _HIDDEN
        is_hidden = is_secret(key) if context == AUTH else key in _PARAM_VALUES
        return hidden if is_hidden else context
    if context in _PARAMS and value.is_mapping:
        return _PARAM if is_secret_name(key) else ""
    if context in _NAMES or context in _PARAMS:
        return _HIDDEN if is_secret_name(key) and not value.is_mapping else ""
    if key == AUTH:
        return AUTH if value.is_mapping else _HIDDEN
    if key in SENT or key in SECRET_KEYS or is_secret_name(key):
        return _HIDDEN
    return key if key in _NAMES or key in _PARAMS else ""
