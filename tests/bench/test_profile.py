"""A picture of where time goes has what was sampled, at the scale asked for."""

from __future__ import annotations

from pathlib import Path

from bench.profile import flame
from bench.profile.stacks import fold, own_time

TREE = Path("/tree")
SAMPLES = [
    ([("/usr/lib/python3/threading.py", "run"), ("/tree/server/worker.py", "handle")], 1),
    (
        [
            ("/tree/server/worker.py", "handle"),
            ("/tree/server/worker.py", "answer"),
            ("/venv/site-packages/flask/app.py", "wsgi_app"),
            ("/tree/api/__init__.py", "view"),
            ("/usr/lib/python3/json/__init__.py", "dumps"),
        ],
        3,
    ),
]  # fmt: skip
STACKS = {("server/worker",): 100.0, ("server/worker", "flask", "api"): 300.0}


def test_a_stack_is_told_by_modules_and_what_python_brings_counts_for_its_caller() -> None:
    assert fold(SAMPLES, TREE) == {("server/worker",): 1, ("server/worker", "flask", "api"): 3}


def test_each_group_has_the_time_that_it_spends_itself() -> None:
    assert own_time(STACKS) == {"server and gevent": 100.0, "api": 300.0}


def test_a_box_is_as_wide_as_its_share_of_the_scale() -> None:
    picture = flame.draw("after", STACKS, 980 * 2)

    assert "after: 400 µs of CPU a call" in picture
    assert '<title>server/worker: 400 µs</title><rect x="10.0" y="62" width="200.0"' in picture
    assert '<title>flask: 300 µs</title><rect x="10.0" y="79" width="150.0"' in picture


def test_a_picture_holds_the_stacks_it_was_drawn_from(tmp_path: Path) -> None:
    flame.write(tmp_path / "a.svg", "after", STACKS, 1000)

    assert flame.read(tmp_path / "a.svg") == STACKS
