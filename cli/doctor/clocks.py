"""How ``postern doctor`` compares this machine's clock with another's."""

from __future__ import annotations

from cli.doctor.finding import Finding, ok, problem, warning

SKEW_SECONDS = 5.0  # that logs can bear; a signature is refused beyond 300
MAX_SKEW_SECONDS = 60.0
CLOCK_ADVICE = "let NTP set this machine's clock and the other's (timedatectl set-ntp true)"


def clock_finding(owner: str, other_time: float, before: float, after: float) -> Finding:
    """Compare a clock that was read between two instants of ours, Unix seconds."""
    skew = 0.0
    if other_time < before:
        skew = other_time - before
    elif other_time > after:
        skew = other_time - after
    if abs(skew) < SKEW_SECONDS:
        return ok("clock", f"agrees with that of {owner}")
    message = f"that of {owner} is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) < MAX_SKEW_SECONDS:
        return warning("clock", message, CLOCK_ADVICE)
    return problem("clock", message, CLOCK_ADVICE)
