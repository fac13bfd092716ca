from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from sandbox import Sandbox
from tests.e2e.browser import BrowserError, axe_script, chromium, program
from tests.e2e.live import Live, catalog_for
from tests.ports import free_port
from tests.postgres import Databases

DEFAULT = os.environ.get("POSTERN_TEST_LIVE", "sqlite")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(port=free_port()) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        program(), axe_script()
    except BrowserError as error:
        pytest.fail(str(error), pytrace=False)
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest) -> Iterator[Callable[..., dict[str, str]]]:
    """Settings for one ``Live``: an empty database of its own, of the kind named or the one POSTERN_TEST_LIVE says."""
    with ExitStack() as stack:

        def settings(kind: str = DEFAULT) -> dict[str, str]:
            if kind == "sqlite":
                return {}  # a file in its own folder
            databases: Databases = request.getfixturevalue("postgres_databases")
            return {"DATABASE_URL": stack.enter_context(databases.one())}

        yield settings


@pytest.fixture(scope="module")
def live(
    request: pytest.FixtureRequest, box: Sandbox, database: Callable[..., dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Live]:  # fmt: skip
    """``parametrize("live", [...], indirect=True)`` names a kind of database."""
    folder: Path = tmp_path_factory.mktemp("live")
    service = Live(folder, catalog_for(box), **database(getattr(request, "param", DEFAULT)))
    try:
        yield service.start()
    finally:
        service.stop()
