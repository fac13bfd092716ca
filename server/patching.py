"""gevent's patches of the standard library. What this module imports, it patches itself."""

import sys

from gevent import (
    events,  # noqa: F401 - imports what patch_all() needs of other distributions
    monkey,
)

PACKAGE_FOLDERS = ("site-packages", "dist-packages")


def patch_all() -> None:
    """Let the standard library wait in greenlets.

    At each of its 25 steps gevent reads the entry points of every installed distribution, to find
    plugins of its own: up to an eighth of a start. There are none, so it sees no distributions.
    """
    path = sys.path.copy()
    sys.path[:] = [folder for folder in path if not folder.endswith(PACKAGE_FOLDERS)]
    try:
        monkey.patch_all()
    finally:
        sys.path[:] = path
