"""A flame graph as SVG: a box is a module, as wide as the CPU spent in it and in what it calls."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape, unescape
from pathlib import Path

from bench.profile.stacks import GROUPS, OTHER_GROUP, Stack, group_of

WIDTH = 1000
MARGIN_PIXELS = 10
ROW_HEIGHT = 17
HEAD_HEIGHT = 62
CHARACTER_WIDTH = 6.2
MIN_BOX_WIDTH = 1.0
GRID_MICROSECONDS = 100
COLOURS = {
    "server and gevent": "#9ec5e8",
    "Flask and Werkzeug": "#f2b880",
    "api": "#a8d8a0",
    "gateway": "#8fd0c4",
    OTHER_GROUP: "#e8a0a0",
}
STACKS = re.compile(r'<metadata id="stacks">(.*?)</metadata>', re.DOTALL)


@dataclass
class Box:
    """A module below its callers; ``amount`` in microseconds, with what it calls."""

    amount: float = 0.0
    callees: dict[str, "Box"] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        return 1 + max((callee.depth for callee in self.callees.values()), default=0)


def tree_of(stacks: Mapping[Stack, float]) -> Box:
    root = Box()
    for stack, amount in stacks.items():
        box = root
        box.amount += amount
        for name in stack:
            box = box.callees.setdefault(name, Box())
            box.amount += amount
    return root


def draw(title: str, stacks: Mapping[Stack, float], full_scale: float) -> str:
    """Return the picture; the same stacks make the same picture.

    :param full_scale: microseconds that the picture is wide.
    """
    root = tree_of(stacks)
    pixels = (WIDTH - 2 * MARGIN_PIXELS) / full_scale
    height = HEAD_HEIGHT + ROW_HEIGHT * (root.depth - 1) + MARGIN_PIXELS
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<metadata id="stacks">{_data(stacks)}</metadata>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{MARGIN_PIXELS}" y="18" font-size="15">{escape(title)}: '
        f"{root.amount:.0f} µs of CPU a call</text>",
        *_legend(),
        *_grid(full_scale, pixels, height),
    ]
    _draw_callees(parts, root, MARGIN_PIXELS, 0, pixels)
    return "\n".join([*parts, "</svg>", ""])


def write(path: Path, title: str, stacks: Mapping[Stack, float], full_scale: float) -> None:
    path.write_text(draw(title, stacks, max(full_scale, sum(stacks.values()))), encoding="utf-8")


def read(path: Path) -> dict[Stack, float]:
    """Return the stacks that a picture was drawn from."""
    match = STACKS.search(path.read_text(encoding="utf-8"))
    assert match, path
    return {tuple(names): amount for names, amount in json.loads(unescape(match[1]))}


def _data(stacks: Mapping[Stack, float]) -> str:
    entries = [[list(stack), round(amount, 2)] for stack, amount in sorted(stacks.items())]
    return escape(json.dumps(entries, separators=(",", ":")), quote=False)


def _legend() -> list[str]:
    parts = []
    left = MARGIN_PIXELS
    for name in dict.fromkeys([*GROUPS.values(), OTHER_GROUP]):
        parts.append(f'<rect x="{left}" y="28" width="12" height="12" fill="{COLOURS[name]}"/>')
        parts.append(f'<text x="{left + 16}" y="38">{name}</text>')
        left += int(40 + len(name) * CHARACTER_WIDTH)
    return parts


def _grid(full_scale: float, pixels: float, height: int) -> list[str]:
    parts = []
    for microseconds in range(0, int(full_scale) + 1, GRID_MICROSECONDS):
        left = MARGIN_PIXELS + microseconds * pixels
        parts.append(
            f'<line x1="{left:.1f}" y1="{HEAD_HEIGHT - 6}" x2="{left:.1f}" y2="{height}" '
            'stroke="#dddddd"/>'
        )
        parts.append(
            f'<text x="{left + 2:.1f}" y="{HEAD_HEIGHT - 7}" font-size="9" fill="#888888">'
            f"{microseconds} µs</text>"
        )
    return parts


def _draw_callees(parts: list[str], box: Box, left: float, level: int, pixels: float) -> None:
    for name, callee in sorted(box.callees.items()):
        width = callee.amount * pixels
        if width >= MIN_BOX_WIDTH:
            parts.append(_box(name, callee.amount, left, level, width))
            _draw_callees(parts, callee, left, level + 1, pixels)
        left += width


def _box(name: str, amount: float, left: float, level: int, width: float) -> str:
    top = HEAD_HEIGHT + level * ROW_HEIGHT
    label = _fitting(name, width)
    text = f'<text x="{left + 3:.1f}" y="{top + 12}">{escape(label)}</text>' if label else ""
    return (
        f"<g><title>{escape(name)}: {amount:.0f} µs</title>"
        f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{ROW_HEIGHT - 1}" '
        f'fill="{COLOURS[group_of(name)]}" stroke="#ffffff" stroke-width="0.5"/>{text}</g>'
    )


def _fitting(name: str, width: float) -> str:
    """Return as much of a name's end as there is room for, or nothing."""
    room = int((width - 6) / CHARACTER_WIDTH)
    if room >= len(name):
        return name
    last = name.rpartition("/")[2]
    if room >= len(last):
        return last
    return f"{last[: room - 1]}…" if room >= 4 else ""
