"""How requests were answered: by code, in time, and whether that is what was promised."""

import threading
from collections import Counter
from dataclasses import dataclass, field

SUCCESS = 0
#: What is no answer: the connection ended, or none came in a minute.
NO_ANSWER = 1
UNAVAILABLE = -5001
OUTCOME_UNKNOWN = -5002
CONFLICT = -3006  # the same key is being worked on, or nobody knows what became of it
MAX_EXAMPLES = 5


@dataclass(frozen=True)
class Answer:
    """One request's: its kind, the envelope's code, and the seconds that it took."""

    kind: str
    code: int
    seconds: float
    text: str = ""


@dataclass(frozen=True)
class Promise:
    """What callers may see while one way fails.

    :ivar codes: for each kind of request, beside success.
    :ivar seconds: within which every request is answered.
    """

    codes: dict[str, set[int]]
    seconds: float

    def problem(self, answer: Answer) -> str:
        """Return what about an answer was not promised; nothing if all of it was."""
        if answer.code not in {SUCCESS, *self.codes.get(answer.kind, ())}:
            return f"{answer.kind} is answered {answer.code}: {answer.text}"
        if answer.seconds > self.seconds:
            return f"{answer.kind} is answered {answer.code} after {answer.seconds:.1f} s"
        return ""


@dataclass
class Account:
    """The answers of one time. Thread-safe."""

    promise: Promise
    codes: Counter[int] = field(default_factory=Counter)
    kinds: Counter[tuple[str, int]] = field(default_factory=Counter)
    max_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    unexplained: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, answer: Answer) -> None:
        problem = self.promise.problem(answer)
        with self._lock:
            self.codes[answer.code] += 1
            self.kinds[answer.kind, answer.code] += 1
            self.max_seconds = max(self.max_seconds, answer.seconds)
            if problem:
                self.unexplained += 1
                if len(self.problems) < MAX_EXAMPLES:
                    self.problems.append(problem)

    def by_code(self) -> str:
        """Return how often each code was answered, success first: ``0: 120, -5001: 7``."""
        with self._lock:
            counts = sorted(self.codes.items(), key=lambda item: (-item[0], item[1]))
        return ", ".join(f"{'none' if code > 0 else code}: {count}" for code, count in counts)
