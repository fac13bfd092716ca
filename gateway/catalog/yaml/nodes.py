"""A text's YAML as nodes, each with its place in the text.

nodes, is_yaml = read_nodes("timeout: {read: 5}")
nodes[0].inner[0].value  # "timeout"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from gateway.catalog.yaml.parser import LOADER, MAX_DEPTH


@dataclass(slots=True, eq=False)
class Node:
    """A value and its place in the text; ``inner`` has a mapping's keys and values in turn."""

    start: int
    end: int
    value: str = ""
    is_mapping: bool = False
    is_anchored: bool = False
    inner: Sequence[Node] = ()


def read_nodes(text: str) -> tuple[list[Node], bool]:
    """Return the nodes of a text up to where it is no YAML that we take, and whether all of it is.

    They are made of events, as PyYAML's composer recurses.
    """
    roots: list[Node] = []
    open_nodes = [roots]
    anchors: dict[str | None, Node] = {}
    events: Iterator[Any] = yaml.parse(text, LOADER)
    try:
        for event in events:
            if isinstance(event, yaml.CollectionEndEvent):
                open_nodes.pop()
            if not hasattr(event, "anchor"):
                continue  # no node begins
            node = Node(event.start_mark.index, event.end_mark.index)
            if isinstance(event, yaml.AliasEvent):
                node = anchors.get(event.anchor, node)
            elif event.anchor:
                anchors[event.anchor] = node
                node.is_anchored = True
            open_nodes[-1].append(node)
            if isinstance(event, yaml.ScalarEvent):
                node.value = event.value
            elif isinstance(event, yaml.CollectionStartEvent):
                node.is_mapping = isinstance(event, yaml.MappingStartEvent)
                open_nodes.append([])
                node.inner = open_nodes[-1]
            if len(open_nodes) > MAX_DEPTH:  # the parser's time grows with the square
                return roots, False
    except yaml.YAMLError:
        return roots, False
    return roots, True
