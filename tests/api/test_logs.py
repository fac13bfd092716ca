"""Lines of the log are whole, in order, and as few writes as the loop has turns."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from api.logs import JsonLog
from gateway.masking import Masker

Turn = list[Callable[[], None]]


class Stream:
    """Keeps what each write was given."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def flush(self) -> None:
        pass

    def events(self) -> list[list[str]]:
        return [[json.loads(line)["event"] for line in text.splitlines()] for text in self.writes]


class FullStream(Stream):
    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def make_log(stream: Any) -> tuple[JsonLog, Turn]:
    log = JsonLog("info", Masker(), stream)
    turn: Turn = []
    log.bundle(turn.append, threading.get_ident)
    return log, turn


def test_without_a_loop_each_line_is_written_at_once() -> None:
    stream = Stream()
    log = JsonLog("info", Masker(), stream)  # type: ignore[arg-type]
    log.info("one")
    log.info("two")
    assert stream.events() == [["one"], ["two"]]


def test_the_lines_of_a_turn_are_one_write_at_its_end() -> None:
    stream = Stream()
    log, turn = make_log(stream)
    log.info("one")
    log.info("two")
    assert not stream.writes
    [end_turn] = turn
    end_turn()
    turn.clear()
    log.info("three")
    turn[0]()
    assert stream.events() == [["one", "two"], ["three"]]


def test_who_sends_an_answer_has_its_lines_written_first() -> None:
    stream = Stream()
    log, turn = make_log(stream)
    log.info("one")
    log.flush()
    log.info("two")
    for end_turn in turn:
        end_turn()
    assert stream.events() == [["one"], ["two"]]


def test_a_line_of_another_thread_is_written_at_once() -> None:
    stream = Stream()
    log, turn = make_log(stream)
    log.info("one")
    thread = threading.Thread(target=log.info, args=("beside",))
    thread.start()
    thread.join()
    turn[0]()
    assert stream.events() == [["beside"], ["one"]]


def test_at_the_loops_end_nothing_is_left_unwritten() -> None:
    stream = Stream()
    log, _ = make_log(stream)
    log.info("one")
    log.unbundle()
    log.info("two")
    assert stream.events() == [["one"], ["two"]]


def test_a_stream_that_takes_nothing_ends_no_loop() -> None:
    log, turn = make_log(FullStream())
    log.info("one")
    turn[0]()
    assert len(turn) == 1
