"""A catalog in a file: what counts as a change, and when it is whole."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.catalog.loader import CatalogError, load_catalog
from gateway.clock import run_with_timeout
from gateway.sources import SourceError
from gateway.sources.file import (
    MAX_CATALOG_BYTES,
    MAX_QUIET_POLLS,
    POLL_SECONDS,
    READ_SECONDS,
    REPLACED_SECONDS,
    WRITTEN_SECONDS,
    File,
)

Step = Callable[[], object]


class Script:
    """Stands for ``stopping``: one step happens during each wait; after the last one it is set."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.waits: list[float] = []

    def is_set(self) -> bool:
        return not self.steps

    def wait(self, timeout: float) -> bool:
        self.waits.append(timeout)
        if self.steps:
            self.steps.pop(0)()
        return self.is_set()


def nothing() -> None:
    pass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "services.yaml"
    replace(file, "one")
    return file


def replace(file: Path, text: str) -> None:
    """As careful programs do it: written beside, then renamed."""
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.rename(file)


def wait_for_text(source: File, *steps: Step) -> str:
    return source.wait_for_text(Script(*steps, nothing, nothing, nothing, nothing))


def test_the_text_is_given_at_once_and_then_when_it_changes(path: Path) -> None:
    source = File(str(path))
    assert wait_for_text(source) == "one"
    script = Script(nothing, nothing, lambda: replace(path, "two"), nothing, nothing)
    assert source.wait_for_text(script) == "two"
    assert script.waits == [POLL_SECONDS, POLL_SECONDS, POLL_SECONDS, REPLACED_SECONDS]


def test_an_unchanged_text_is_given_again_after_a_while_as_what_it_names_may_be_there_now(
    path: Path,
) -> None:
    source = File(str(path))
    assert wait_for_text(source) == "one"
    script = Script(*[nothing] * 20)
    assert source.wait_for_text(script) == "one"
    assert script.waits == [POLL_SECONDS] * (MAX_QUIET_POLLS + 1)


def test_what_is_still_being_written_is_not_taken(path: Path) -> None:
    source = File(str(path))
    wait_for_text(source)
    pieces = iter(["t", "tw", "two"])
    script = Script(*(lambda: path.write_text(next(pieces)) for _ in range(3)), nothing, nothing)
    assert source.wait_for_text(script) == "two"
    assert script.waits == [POLL_SECONDS, WRITTEN_SECONDS, WRITTEN_SECONDS, WRITTEN_SECONDS]


def test_a_file_emptied_to_be_written_again_is_not_taken_for_empty(path: Path) -> None:
    source = File(str(path))
    wait_for_text(source)
    script = Script(lambda: path.write_text(""), lambda: path.write_text("two"), nothing, nothing)
    assert source.wait_for_text(script) == "two"


def test_what_changes_while_it_is_read_is_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = File(str(path))
    read = File.read
    times: list[int] = []

    def slow(self: File) -> str:
        text = read(self)
        if not times:
            replace(path, "two")
        times.append(1)
        return text

    monkeypatch.setattr(File, "read", slow)
    assert (wait_for_text(source), len(times)) == ("two", 2)


def test_a_missing_file_is_said_once_and_its_return_is_seen(path: Path) -> None:
    source = File(str(path))
    wait_for_text(source)
    with pytest.raises(
        SourceError, match=r"^services.yaml cannot be read: No such file or directory$"
    ):
        wait_for_text(source, path.unlink)
    script = Script(nothing, nothing, lambda: replace(path, "back"), nothing, nothing)
    assert source.wait_for_text(script) == "back"
    assert script.waits == [POLL_SECONDS, POLL_SECONDS, POLL_SECONDS, REPLACED_SECONDS]


def test_a_file_that_is_away_for_a_moment_only_is_not_missed(path: Path) -> None:
    source = File(str(path))
    wait_for_text(source)
    script = Script(path.unlink, lambda: replace(path, "two"), nothing)
    assert source.wait_for_text(script) == "two"


def test_a_swapped_symbolic_link_is_a_change(tmp_path: Path) -> None:
    """As Kubernetes mounts a ConfigMap: services.yaml -> ..data/services.yaml, and ..data is swapped."""
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "services.yaml").write_text(version)
    data = tmp_path / "..data"
    file = tmp_path / "services.yaml"
    data.symlink_to("v1")
    file.symlink_to("..data/services.yaml")
    source = File(str(file))
    assert wait_for_text(source) == "v1"

    def swap() -> None:
        (tmp_path / "tmp").symlink_to("v2")
        (tmp_path / "tmp").replace(data)

    assert wait_for_text(source, nothing, swap) == "v2"


def test_what_is_not_utf8_is_said(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SourceError, match="it is not UTF-8"):
        File(str(path)).read()


def test_stopping_ends_the_wait(path: Path) -> None:
    source = File(str(path))
    wait_for_text(source)
    script = Script(nothing)
    assert (source.wait_for_text(script), len(script.waits)) == ("one", 1)


def make_nothing(path: Path) -> None:
    path.unlink()


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_CATALOG_BYTES + 1)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (make_nothing, "No such file"),
        (make_fifo, "not a regular file"),
        (make_device, "not a regular file"),
        (make_folder, "not a regular file"),
        (make_huge, "larger than 64 MiB"),
    ],
)
def test_what_is_no_catalog_file_is_refused_at_once_at_start_and_later(
    path: Path, make: Callable[[Path], None], why: str
) -> None:
    source = File(str(path))
    assert wait_for_text(source) == "one"
    make(path)
    with pytest.raises(SourceError, match=why):
        File(str(path)).read()
    with pytest.raises(SourceError, match=why):
        wait_for_text(source)


def test_a_disk_that_hangs_is_an_error_in_time_and_is_asked_once(path: Path) -> None:
    timeouts: list[float] = []

    def hanging(work: Callable[[], object], seconds: float) -> object:
        timeouts.append(seconds)
        raise TimeoutError

    source = File(str(path), hanging)
    for _ in range(3):
        with pytest.raises(SourceError, match="the disk did not answer within 5 seconds"):
            source.read()
    assert timeouts == [READ_SECONDS]


def test_work_in_a_thread_of_its_own_is_waited_for_no_longer_than_that() -> None:
    over = threading.Event()
    with pytest.raises(TimeoutError):
        run_with_timeout(over.wait, 0.01)
    over.set()
    assert run_with_timeout(lambda: 1, 10) == 1
    with pytest.raises(ZeroDivisionError):
        run_with_timeout(lambda: 1 // 0, 10)


def test_a_secrets_file_that_is_no_regular_file_is_refused_by_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key")
    text = f'version: 1\nservices:\n  s: {{base_url: "http://a.example", headers: {{X: "${{file:{tmp_path}/key}}"}}}}\n'
    with pytest.raises(CatalogError, match=r":3:.*cannot be read: it is not a regular file"):
        load_catalog(text, "services.yaml", {})


@pytest.mark.parametrize("name", ["ca", "cert"])
def test_a_tls_file_that_is_no_regular_file_is_refused(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pem")
    text = f'version: 1\nservices:\n  s: {{base_url: "https://a.example", tls: {{{name}: "{tmp_path}/pem"}}}}\n'
    with pytest.raises(CatalogError, match="must name a PEM file"):
        load_catalog(text, "services.yaml", {})
