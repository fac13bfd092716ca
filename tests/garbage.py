"""What of the service is freed by the cyclic collector alone, and so would pile up between its runs."""

from __future__ import annotations

import gc
import types
from collections.abc import Iterator
from contextlib import contextmanager

ROOMS = ("api", "gateway")


@contextmanager
def garbage() -> Iterator[list[object]]:
    """Collect what a block leaves; the list is complete once the block has ended."""
    leftovers: list[object] = []
    gc.collect()
    gc.freeze()  # the second look has only the block's own to look at
    gc.disable()
    try:
        yield leftovers
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        leftovers += [item for item in gc.garbage if _is_of_the_service(item)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _is_of_the_service(value: object) -> bool:
    if isinstance(value, types.FrameType):
        file = value.f_code.co_filename
        return "/tests/" not in file and any(f"/{room}/" in file for room in ROOMS)
    module = type(value).__module__.partition(".")[0]
    return module in (*ROOMS, "requests", "marshmallow")
