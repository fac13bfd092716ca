"""Whether a process has ended, as another one of its machine sees it."""

from __future__ import annotations

import os
import subprocess
import sys

from gateway.system import has_ended, process_name

NOBODY = 65534
LOOK_AS_NOBODY = """
import os, sys
from gateway.system import has_ended
if os.getuid() == 0:
    os.setuid({nobody})
print(has_ended(sys.argv[1]))
"""


def test_a_process_has_ended_once_it_is_gone_and_not_before() -> None:
    machine = process_name().partition("@")[2]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        name = f"{process.pid}@{machine}"
        before = has_ended(name)
        process.communicate()

    assert not before
    assert has_ended(name)


def test_a_process_of_another_user_or_machine_has_not_ended() -> None:
    own = process_name()
    init = f"1@{own.partition('@')[2]}"
    look = [sys.executable, "-c", LOOK_AS_NOBODY.format(nobody=NOBODY), init]
    seen = subprocess.run(look, capture_output=True, text=True, check=True)

    assert seen.stdout == "False\n"
    assert not has_ended(f"{os.getpid()}@elsewhere")
