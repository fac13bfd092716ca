"""The places that a catalog's text comes from, and the watcher that follows one of them.

    source = open_source("services.yaml", os.environ, SystemClock(), Masker())
    catalog = load_catalog(source.read(), source.name, os.environ)

A new kind is a file here and a line in ``_KINDS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.clock import Clock, ThreadRunner, run_with_timeout
from gateway.masking import Masker
from gateway.sources.base import AddressError as AddressError
from gateway.sources.base import Missing as Missing
from gateway.sources.base import Source as Source
from gateway.sources.base import SourceAddress as SourceAddress
from gateway.sources.base import SourceError as SourceError
from gateway.sources.consul import Consul
from gateway.sources.file import File
from gateway.sources.folder import Folder
from gateway.sources.nacos import Nacos

_KINDS: Mapping[str, Callable[[SourceAddress, Mapping[str, str], Clock, Masker], Source]] = {
    "consul": Consul,
    "nacos": Nacos,
}


def open_source(
    text: str,
    env: Mapping[str, str],
    clock: Clock,
    masker: Masker,
    run_in_thread: ThreadRunner = run_with_timeout,
) -> Source:
    """Return the source that ``CATALOG`` names.

    :param env: where tokens and passwords may stand that the address does not have.
    :param masker: learns them, and those that will be fetched.
    :param run_in_thread: for what may block a whole thread.
    :raises AddressError: it looks like an address and is none.
    """
    address = SourceAddress.read(text)
    if address is None:
        kind = Folder if _is_folder(Path(text)) else File
        return kind(text, run_in_thread)
    return _KINDS[address.kind](address, env, clock, masker)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except PermissionError:  # it stands in a folder that is closed to us; reading it says so
        return False
