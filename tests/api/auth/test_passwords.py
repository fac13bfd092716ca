from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.auth import passwords
from api.auth.passwords import MAX_CONCURRENT_HASHES, hash_password, verify_password


def test_a_hash_fits_its_password_only_and_is_never_the_same() -> None:
    one, two = hash_password("pässword\0"), hash_password("pässword\0")
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert one != two
    assert verify_password(one, "pässword\0")
    assert not verify_password(one, "pässword")


def test_no_hash_and_what_is_no_hash_fit_nothing() -> None:
    assert not verify_password(None, "x")
    assert not verify_password("not a hash", "x")


def test_the_stand_in_for_nobody_costs_what_a_real_hash_costs() -> None:
    assert not passwords._hasher.check_needs_rehash(passwords._UNKNOWN_HASH)


def test_only_a_few_are_hashed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(MAX_CONCURRENT_HASHES)

    class Slow:
        def hash(self, password: str) -> str:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            both.wait(30)
            with lock:
                inside -= 1
            return "hash"

    monkeypatch.setattr(passwords, "_hasher", Slow())
    with ThreadPoolExecutor(4 * MAX_CONCURRENT_HASHES) as pool:
        assert (
            list(pool.map(hash_password, ["x"] * 4 * MAX_CONCURRENT_HASHES))
            == ["hash"] * 4 * MAX_CONCURRENT_HASHES
        )
    assert most == MAX_CONCURRENT_HASHES


def test_under_gevent_other_greenlets_run_while_one_hashes() -> None:
    """In a process of its own, as gevent patches all of it."""
    script = """
from gevent import monkey; monkey.patch_all()
import gevent
from api.auth.passwords import hash_password, verify_password
ticks = 0
def tick():
    global ticks
    while True:
        ticks += 1
        gevent.sleep(0.001)
gevent.spawn(tick)
password_hash = hash_password("x")
assert ticks > 0, "the hub stood still"
assert verify_password(password_hash, "x") and not verify_password(password_hash, "y")
"""
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
