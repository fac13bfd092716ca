"""A catalog is taken whole or not at all; the last good one serves meanwhile, over a restart, too."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway import Gateway
from gateway.backoff import MIN_POLL_SECONDS
from gateway.catalog.loader import CatalogError
from gateway.catalog.model import Catalog
from gateway.clock import SystemClock
from gateway.masking import Masker, Secret
from gateway.sources import Missing, SourceError, open_source, watcher
from gateway.sources.file import File
from gateway.sources.last_good import LastGood
from gateway.sources.watcher import MAX_BACKOFF_SECONDS, RECHECK_SECONDS, Watcher
from tests.gateway.fakes import FakeClock, Lines, comes_true, make_runtime
from tests.ports import free_port

Step = str | Exception


def catalog(path: str = "/v1", url: str = "http://a.example") -> str:
    return f"version: 1\nservices:\n  s:\n    base_url: {url}\n    methods: {{m: {{http: GET {path}}}}}\n"


WRONG = "version: 1\nservices:\n  s: {base_ulr: x}\n  t: {}\n"
AWAY = SourceError("consul cannot be asked", "consul cannot be asked: ConnectFailed: 10.0.0.5")


class ScriptedSource:
    """A source that plays one step after the other; with the last one it stops the watcher."""

    label = "consul"

    def __init__(
        self, *steps: Step, away: bool = True, name: str = "consul://a.example:8500/k"
    ) -> None:
        self.steps = list(steps)
        self.away = away
        self.name = name
        self.stopping = ScriptedStop()

    def read(self) -> str:
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def wait_for_text(self, stopping: threading.Event) -> str:
        if len(self.steps) == 1:
            self.stopping.event.set()
            self.stopping.last_pending = True
        return self.read()

    def close(self) -> None:
        self.steps.clear()


class ScriptedStop:
    """Is set only after the last step was used: the watcher looks before it asks."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.last_pending = False
        self.waits: list[float] = []

    def is_set(self) -> bool:
        return self.event.is_set() and not self.last_pending

    def wait(self, timeout: float) -> bool:
        self.waits.append(timeout)
        self.last_pending = False
        return self.event.is_set()


class Watched:
    """A watcher, what it swapped in and what it logged."""

    def __init__(
        self, folder: Path, *steps: Step, env: dict[str, str] | None = None, **source: Any
    ) -> None:
        self.clock = FakeClock()
        self.log = Lines()
        self.swapped: list[Catalog] = []
        self.counted: list[str] = []
        self.source = ScriptedSource(*steps, **source)
        self.last_good = LastGood(folder / "copy" / "catalog.last.yaml", self.source.name)
        self.watcher = Watcher(
            self.source, env or {}, self.last_good, clock=self.clock, log=self.log
        )
        self.watcher.jitter = lambda: 1.0

    def load(self) -> Catalog:
        return self.watcher.load()

    def run(self, swap: Callable[[Catalog], Any] | None = None) -> Watched:
        self.watcher.run(self.source.stopping, swap or self.swapped.append, self.counted.append)
        return self

    @property
    def paths(self) -> list[str]:
        """The path of the one method of every catalog that was swapped in."""
        return [loaded.services["s"].methods["m"].path for loaded in self.swapped]

    @property
    def problems(self) -> list[str]:
        return [event["problem"] for event in self.log.events if "problem" in event]


def thread_names() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


@pytest.fixture
def start_watched(tmp_path: Path) -> Callable[..., Watched]:
    def make(*steps: Step, **how: Any) -> Watched:
        loaded = Watched(tmp_path, *steps, **how)
        loaded.load()
        return loaded

    return make


def test_a_change_is_taken_and_what_stays_the_same_is_not(
    start_watched: Callable[..., Watched],
) -> None:
    watched = start_watched(catalog(), catalog(), catalog("/v2"), catalog("/v2"), catalog("/v3"))
    first = watched.watcher.state.version
    watched.run()
    assert watched.paths == ["/v2", "/v3"]
    state = watched.watcher.state
    assert (state.reloads, state.rejections, state.error, str(state)) == (2, 0, "", "ok")
    assert len({first, state.version}) == 2


def test_a_wrong_one_leaves_the_last_good_one_and_is_told_once(
    start_watched: Callable[..., Watched],
) -> None:
    watched = start_watched(catalog(), catalog("/v2"), WRONG, WRONG, WRONG).run()
    assert watched.paths == ["/v2"]
    assert len(watched.problems) == 1
    assert "base_ulr: unknown key; did you mean 'base_url'?" in watched.problems[0]
    assert (watched.watcher.state.reloads, watched.watcher.state.rejections) == (1, 1)
    assert str(watched.watcher.state) == (
        "last good one of 2023-11-14T22:30:00Z; consul: line 3, services.s.base_ulr is wrong and 2 more problems"
    )


def test_what_readyz_says_quotes_nothing_of_the_text_and_no_address(
    start_watched: Callable[..., Watched],
) -> None:
    watched = start_watched(
        catalog(), catalog("/v2").replace("base_url", "envelope: hunter22\n    base_url")
    ).run()
    assert "hunter22" in watched.problems[0]
    assert watched.watcher.state.error == "consul: line 4, services.s.envelope is wrong"
    two = "version: 1\nservices:\n  s: {base_url: x, base_ulr: x}\n"
    watched = start_watched(catalog(), two).run()
    assert watched.watcher.state.error.endswith("services.s.base_ulr is wrong and 1 more problem")
    watched = start_watched(catalog(), AWAY).run()
    assert "10.0.0.5" in watched.problems[0]
    assert watched.watcher.state.error == "consul cannot be asked"


def test_a_wrong_one_put_right_serves_again(start_watched: Callable[..., Watched]) -> None:
    watched = start_watched(catalog(), WRONG, catalog(), WRONG, catalog("/v2")).run()
    assert watched.paths == ["/v2"]
    assert len(watched.problems) == 2
    assert (watched.watcher.state.rejections, watched.watcher.state.error) == (2, "")


def test_the_same_wrong_text_is_not_checked_again(
    start_watched: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = start_watched(catalog(), WRONG, AWAY, WRONG)
    checked = list[str]()
    load = watcher.load_catalog

    def counted(text: str, *rest: Any) -> Catalog:
        checked.append(text)
        return load(text, *rest)

    monkeypatch.setattr(watcher, "load_catalog", counted)
    watched.run()
    assert checked == [WRONG]
    assert "is wrong" in watched.watcher.state.error


def test_a_file_that_is_touched_is_checked_again(
    tmp_path: Path, start_watched: Callable[..., Watched]
) -> None:
    secret = tmp_path / "url"
    text = catalog("/v2", url=f"${{file:{secret}}}")
    watched = start_watched(catalog(), text, text, away=False)

    def read_and_write_secret() -> str:
        if watched.problems:
            secret.write_text("http://two.example")
        return watched.source.steps.pop(0)  # type: ignore[return-value]

    watched.source.read = read_and_write_secret  # type: ignore[method-assign]
    assert watched.run().paths == ["/v2"]
    assert len(watched.problems) == 1
    assert watched.watcher.state.error == ""


def test_a_wrong_text_is_checked_again_after_a_while(
    tmp_path: Path, start_watched: Callable[..., Watched]
) -> None:
    secret = tmp_path / "url"
    text = catalog("/v2", url=f"${{file:{secret}}}")
    watched = start_watched(catalog(), text, text, text)

    def read_and_write_secret() -> str:
        if watched.problems:
            secret.write_text("http://two.example")
            watched.clock.advance(RECHECK_SECONDS / 2)
        return watched.source.steps.pop(0)  # type: ignore[return-value]

    watched.source.read = read_and_write_secret  # type: ignore[method-assign]
    assert watched.run().paths == ["/v2"]
    assert watched.clock.now() == 1000 + RECHECK_SECONDS


def test_a_source_that_is_away_is_asked_less_and_less_often_but_often_enough(
    start_watched: Callable[..., Watched],
) -> None:
    watched = start_watched(
        catalog(), *[AWAY] * 5, catalog(), AWAY, WRONG, Missing("consul has nothing")
    ).run()
    assert watched.source.stopping.waits == [
        0.5,
        1.0,
        MAX_BACKOFF_SECONDS,
        MAX_BACKOFF_SECONDS,
        MAX_BACKOFF_SECONDS,
        MIN_POLL_SECONDS,
        0.5,
        MIN_POLL_SECONDS,
        MIN_POLL_SECONDS,
    ]
    assert len(watched.problems) == 4


def test_what_nobody_foresaw_does_not_end_the_watch(start_watched: Callable[..., Watched]) -> None:
    watched = start_watched(catalog(), catalog("/v2"), catalog("/v3"))

    def swap(loaded: Catalog) -> None:
        if not watched.problems:
            raise RuntimeError("cannot fold")
        watched.swapped.append(loaded)

    watched.run(swap)
    assert watched.paths == ["/v3"]
    assert watched.problems == ["RuntimeError: cannot fold"]


def test_variables_are_filled_in_anew(start_watched: Callable[..., Watched]) -> None:
    env = {"URL": "http://one.example"}
    watched = start_watched(catalog(url="${URL}"), catalog("/v2", url="${URL}"), env=env)
    env["URL"] = "http://two.example"
    watched.run()
    assert watched.swapped[0].services["s"].base_urls == ("http://two.example",)


def test_a_copy_of_the_last_good_one_serves_a_restart_while_the_source_is_away_or_wrong(
    start_watched: Callable[..., Watched], tmp_path: Path
) -> None:
    start_watched(catalog(), catalog("/v2"), WRONG).run()
    file = tmp_path / "copy" / "catalog.last.yaml"
    assert file.stat().st_mode & 0o777 == 0o600
    for step, message in ((AWAY, "consul cannot be asked"), (WRONG, "consul: line 3")):
        restarted = Watched(tmp_path, step)
        assert restarted.load().services["s"].methods["m"].path == "/v2"
        assert message in str(restarted.watcher.state)
        assert str(restarted.watcher.state).startswith("last good one of ")
        assert len(restarted.problems) == 1


def test_a_source_that_is_back_with_what_serves_is_all_right_again(
    start_watched: Callable[..., Watched], tmp_path: Path
) -> None:
    start_watched(catalog(), catalog()).run()
    restarted = Watched(tmp_path, AWAY, AWAY, catalog())
    restarted.load()
    restarted.run()
    assert (restarted.swapped, str(restarted.watcher.state), len(restarted.problems)) == (
        [],
        "ok",
        1,
    )


def test_without_a_source_and_without_a_copy_there_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(
        CatalogError, match=r"^consul://a\.example:8500/k: consul cannot be asked: ConnectFailed"
    ):
        Watched(tmp_path, AWAY).load()
    with pytest.raises(CatalogError, match=r"^consul://a\.example:8500/k:3: services\.s\.base_ulr"):
        Watched(tmp_path, WRONG).load()


def test_a_copy_of_another_source_is_not_used(
    start_watched: Callable[..., Watched], tmp_path: Path
) -> None:
    start_watched(catalog(), catalog()).run()
    with pytest.raises(CatalogError):
        Watched(tmp_path, AWAY, name="consul://b.example:8500/k").load()


def test_a_copy_of_a_files_last_good_one_is_for_the_successors_of_a_server_that_is_up(
    start_watched: Callable[..., Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_watched(catalog(), catalog("/v2"), catalog("/v3"), WRONG, away=False).run()
    with pytest.raises(CatalogError, match=r"base_ulr"):
        Watched(tmp_path, WRONG, away=False).load()
    monkeypatch.setattr(Watcher, "succeeding", True)
    restarted = Watched(tmp_path, WRONG, WRONG, catalog("/v4"), away=False)
    assert restarted.load().services["s"].methods["m"].path == "/v3"
    assert "is wrong" in str(restarted.watcher.state)
    assert (restarted.run().paths, str(restarted.watcher.state)) == (["/v4"], "ok")
    assert (restarted.counted, len(restarted.problems)) == (["refused", "taken"], 1)


def test_a_successor_prefers_what_its_source_has(
    start_watched: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_watched(catalog(), catalog(), away=False).run()
    monkeypatch.setattr(Watcher, "succeeding", True)
    watched = start_watched(catalog("/v2"), catalog("/v3"), away=False)
    assert (watched.load().services["s"].methods["m"].path, str(watched.watcher.state)) == (
        "/v3",
        "ok",
    )


def test_a_copy_that_cannot_be_written_is_told_and_the_change_taken(
    start_watched: Callable[..., Watched], tmp_path: Path
) -> None:
    (tmp_path / "copy").write_text("in the way")
    watched = start_watched(catalog(), catalog("/v2")).run()
    assert watched.paths == ["/v2"]
    assert watched.problems[0].startswith("no copy can be kept for a restart: ")


@pytest.mark.parametrize(
    ("kind", "query", "other"),
    [
        ("nacos", "group=a", "group=b"),
        ("nacos", "group=a&tenant=staging", "group=a&tenant=production"),
        ("nacos", "namespace=staging", "password=hunter2"),
        ("consul", "dc=eu&token=hunter2", "dc=us&token=hunter2"),
    ],
)
def test_a_copy_of_another_group_tenant_or_datacenter_does_not_serve(
    tmp_path: Path, kind: str, query: str, other: str
) -> None:
    address = f"{kind}://127.0.0.1:{free_port()}/services"

    def watched(query: str) -> Watcher:
        source = open_source(f"{address}?{query}", {}, SystemClock(), Masker())
        last_good = LastGood(tmp_path / "copy", source.name)
        return Watcher(source, {}, last_good, clock=SystemClock(), log=Lines())

    watched(query).last_good.write(catalog())
    assert "s" in watched(query).load().services
    assert "hunter2" not in (tmp_path / "copy").read_text()
    with pytest.raises(CatalogError, match="cannot be asked"):
        watched(other).load()


def test_a_copy_is_there_whole_whoever_writes_and_reads(tmp_path: Path) -> None:
    last_good = LastGood(tmp_path / "c.yaml", "consul://a/k")
    texts = [f"{n}\n" * 5000 for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        writes = [pool.submit(last_good.write, text) for text in texts * 5]
        texts_read = {copy.text for _ in range(200) if (copy := last_good.read())}
        for write in writes:
            write.result(30)
    assert texts_read <= set(texts)
    assert [file.name for file in tmp_path.iterdir()] == ["c.yaml"]


def test_a_secret_in_a_problem_is_masked_in_the_log(start_watched: Callable[..., Watched]) -> None:
    masker = Masker()
    watched = start_watched(catalog(), SourceError("consul cannot be asked", "x t-42-secret")).run()
    masker.register(Secret("t-42-secret"))
    assert b"t-42-secret" not in watched.log.rendered(masker)


def test_a_gateway_follows_its_source_from_start_to_close(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text(catalog())
    clock = SystemClock()
    last_good = LastGood(tmp_path / "c", "x")
    file_watcher = Watcher(File(str(file)), {}, last_good, clock=clock, log=Lines())
    gateway = Gateway(file_watcher.load(), make_runtime(clock=clock))
    gateway.follow(file_watcher)
    gateway.start()
    try:
        file.write_text(catalog("/v2"))
        assert comes_true(lambda: gateway.method("s", "m").path == "/v2")
        assert comes_true(lambda: gateway.catalog_state.reloads == 1)
    finally:
        gateway.close()
    assert comes_true(lambda: "postern-catalog" not in thread_names())
