"""Rows of the targets' table say what was measured and whether a target is reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.report import BenchError, Row, spread, targets_table, write
from bench.rounds import rotated


def test_a_ratio_is_of_figures_of_the_same_round() -> None:
    row = Row("call, CPU µs", [100, 300, 150], "peer", [200, 300, 600], max_ratio=0.5)

    assert row.ratios == [0.5, 1.0, 0.25]
    assert row.cells() == [
        "call, CPU µs", "150 (100-300)", "peer", "300 (200-600)", "0.50 (0.25-1.00)", "x 0.50", "yes",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "reached"),
    [
        (Row("a", [70], "peer", [100], max_ratio=0.6), False),
        (Row("a", [0.9, 1.2, 1.0], max_figure=1.0), True),
        (Row("a", [2, 0, 0], "peer", [0, 0, 0], max_figure=0), True),
        (Row("a", [1.0], "peer", [2.0]), None),
    ],
)
def test_a_target_is_of_the_median_ratio_or_of_the_median_figure(
    row: Row, reached: bool | None
) -> None:
    assert row.is_reached is reached


def test_a_row_without_a_peer_has_dashes_for_it() -> None:
    assert targets_table([Row("start, s", [1.234], max_figure=1)]).splitlines()[2] == (
        "| start, s | 1.23 | - | - | - | 1 | **no** |"
    )


def test_figures_have_three_digits_unless_a_number_is_given() -> None:
    assert [spread([value]) for value in (0.1234, 12.34, 123.4)] == ["0.12", "12.3", "123"]
    assert spread([1, 2, 4], 1) == "2.0 (1.0-4.0)"


def test_only_what_stands_between_the_marks_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- /a -->\nafter\n")

    write("a", r"new \1", page)

    assert page.read_text() == "before\n<!-- a -->\nnew \\1\n<!-- /a -->\nafter\n"
    with pytest.raises(BenchError, match="<!-- b -->"):
        write("b", "new", page)


def test_each_round_begins_with_another_one() -> None:
    assert [rotated("abc", number) for number in range(4)] == [
        ["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"],
    ]  # fmt: skip
