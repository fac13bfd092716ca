"""Large JSON is parsed in steps, so that nobody waits for long; what comes out is what the decoder gives."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from gateway.bodies import json_steps, load_json
from gateway.bodies.json import LARGE_CHARACTERS
from gateway.bodies.json_steps import STEP_CHARACTERS, SteppedDecoder

DECODER = json.JSONDecoder()
WORDS = (1, -2.5, "a,b", "]},{[", "", None, True, 'q"\\', 12345678901234567890, "é\u2028", "x" * 40)
FAULTS = ("", ",", "]", "}", '"', "1", "{", ":", " ")
LARGE = {
    "keys": json.dumps({str(number): 1 for number in range(60_000)}),
    "numbers": "[" + "0," * 300_000 + "0]",
    "lists": "[" + "[]," * 200_000 + "0]",
    "objects": json.dumps([{"a": 1, "b": {"c": [1, 2]}}] * 20_000, indent=1),
    "objects in lists": json.dumps([{"a": [{"b": 1}, {"b": 2}]}] * 20_000),
    "within": json.dumps({"data": {"items": [{"a": 1}] * 60_000}}),
}


def random_value(randomly: random.Random, depth: int) -> Any:
    kind = randomly.random()
    if depth == 0 or kind < 0.4:
        return randomly.choice(WORDS)
    if kind < 0.7:
        return [random_value(randomly, depth - 1) for _ in range(randomly.randint(0, 8))]
    return {
        f"{randomly.choice('ab,]}')}{number}": random_value(randomly, depth - 1)
        for number in range(randomly.randint(0, 8))
    }


def outcome(read: Any, text: str) -> str:
    try:
        return repr(read(text))
    except ValueError:
        return "refused"


def test_in_steps_the_same_is_read_and_the_same_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_steps, "STEP_CHARACTERS", 24)
    randomly = random.Random(11)
    for number in range(1500):
        text = json.dumps(random_value(randomly, 4), indent=randomly.choice([None, 1]))
        if number % 2:
            place = randomly.randrange(len(text) + 1)
            text = text[:place] + randomly.choice(FAULTS) + text[place + randomly.randint(0, 1) :]
        in_steps = outcome(
            lambda chunk: SteppedDecoder(chunk, DECODER, lambda: None, unique=False).decode(), text
        )
        assert in_steps == outcome(DECODER.decode, text), text


@pytest.mark.slow
@pytest.mark.parametrize("shape", LARGE)
def test_a_large_text_is_read_with_a_pause_for_each_step(shape: str) -> None:
    text, pauses = LARGE[shape], []
    value = SteppedDecoder(text, DECODER, lambda: pauses.append(1), unique=True).decode()
    assert value == json.loads(text)
    assert len(pauses) >= len(text) / (STEP_CHARACTERS + 1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a":1,' + '"b":"' + "x" * LARGE_CHARACTERS + '","a":2}', "the same key is given twice"),
        ("[" + "1," * LARGE_CHARACTERS + "NaN]", "NaN is not JSON"),
        ("[" + "1," * LARGE_CHARACTERS + "]", "not JSON"),
        ("[" * 65 + "1," * LARGE_CHARACTERS + "1" + "]" * 65, "nested deeper than 64 levels"),
        ("[" * LARGE_CHARACTERS, "nested deeper than 64 levels"),
    ],
    ids=["twice", "NaN", "comma", "deep", "endless"],
)
def test_a_large_body_of_a_caller_is_refused_as_a_small_one_is(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        load_json(text.encode(), strict=True)
