"""What a container is, without an engine: processes with files, addresses and a clock of nothing else, on this machine's programs.

Its root is this machine's, on which what is written is kept apart (overlayfs) and gone with it; its network has the links
that ``Network.join`` gives it. All ends with one process, which ends with the tests.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from tests.e2e.live import children_of, end, wait_for
from tests.ports import free_port

MISSING = (
    "These tests make network namespaces: run them as root, with iproute2, systemd and redis-tools "
    "(apt-get install iproute2 redis-tools systemd). POSTERN_TEST_NAMESPACES=no leaves them out."
)
PROGRAMS = ("ip", "unshare", "nsenter", "setpriv", "systemd-socket-activate", "redis-cli")
SOCKET_PROXY = "/lib/systemd/systemd-socket-proxyd"
#: Before a command: it ends when the tests do.
END_WITH_US = ("setpriv", "--pdeathsig", "KILL")
#: The beginning of what makes a root; stage is an empty folder. The lines of its mounts follow.
ROOT_SCRIPT = """\
set -e
mount -t tmpfs tmpfs {stage}
cd {stage}
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir={stage}/upper,workdir={stage}/work root
for name in proc sys dev; do mount --rbind /$name root/$name; done
cd root
"""
ENTER_ROOT = """\
pivot_root . .
umount -l .
cd /
echo ready
exec sleep infinity
"""


class NamespaceError(Exception):
    """There can be none here; says what to do."""


def check() -> None:
    """:raises NamespaceError: this machine or whoever runs the tests lacks something."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    missing += [] if Path(SOCKET_PROXY).exists() else [SOCKET_PROXY]
    missing += [] if os.geteuid() == 0 else ["root"]
    if missing:
        raise NamespaceError(f"{MISSING} Missing: {', '.join(missing)}")


@dataclass(frozen=True)
class Root:
    """What a container's files are, beside this machine's.

    :ivar binds: folders and files of this machine, by where they are in it; those in ``read_only`` are.
    :ivar tmpfs: folders that are empty and in memory.
    """

    binds: Mapping[str, Path] = field(default_factory=dict)
    read_only: frozenset[str] = frozenset()
    tmpfs: Sequence[str] = ()
    is_read_only: bool = False

    def script(self, stage: Path) -> str:
        lines = [ROOT_SCRIPT.format(stage=shlex.quote(str(stage)))]
        # Folders before what is in them.
        for target in sorted({*self.binds, *self.tmpfs}):
            lines.append(self._mount(target, "." + shlex.quote(target)))
        if self.is_read_only:
            lines.append("mount -o remount,ro .\n")
        return "".join([*lines, ENTER_ROOT])

    def _mount(self, target: str, place: str) -> str:
        if target not in self.binds:
            return f"mkdir -p {place} && mount -t tmpfs -o mode=1777 tmpfs {place}\n"
        source = self.binds[target]
        make = f"mkdir -p {place}" if source.is_dir() else f"install -D /dev/null {place}"
        mount = f"{make} && mount --bind {shlex.quote(str(source))} {place}\n"
        if target in self.read_only:
            mount += f"mount -o remount,bind,ro {place}\n"
        return mount


class Namespaces:
    """A process that does nothing, and whose end is that of all that runs in its namespaces."""

    def __init__(self, folder: Path, script: str = ENTER_ROOT.partition("cd /\n")[2]) -> None:
        command = [
            "unshare",
            "-m",
            "-n",
            "-p",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
        ]
        with (folder / "namespaces.log").open("wb") as log:
            self._holder = subprocess.Popen([*command, script], stdout=subprocess.PIPE, stderr=log)
        assert self._holder.stdout
        ready = self._holder.stdout.readline()
        assert ready == b"ready\n", (folder / "namespaces.log").read_text()
        (self.pid,) = children_of(self._holder.pid)
        self.run("ip", "link", "set", "lo", "up")

    def close(self) -> None:
        self._holder.kill()  # a SIGTERM it would leave to the one that sleeps
        self._holder.wait()

    def command(self, *words: str) -> list[str]:
        """Return the command line that runs another one in here."""
        return ["nsenter", "-t", str(self.pid), "-m", "-n", "-p", *words]

    def run(self, *words: str) -> None:
        subprocess.run(self.command(*words), check=True, capture_output=True, timeout=120)


class Network:
    """A switch in namespaces of its own, and who is plugged in."""

    def __init__(self, switch: Namespaces, name: str, subnet: IPv4Network) -> None:
        self._switch = switch
        self._name = name
        self._free = subnet.hosts()
        self._prefix = subnet.prefixlen
        self.addresses: dict[str, str] = {}
        switch.run("ip", "link", "add", name, "type", "bridge")
        switch.run("ip", "link", "set", name, "up")
        gateway = next(self._free)
        self._taken = {gateway}
        switch.run("ip", "address", "add", f"{gateway}/{self._prefix}", "dev", name)

    def reserve(self, host: str, address: str = "") -> None:
        """Give a host an address, this one or a free one; those given go first."""
        if not address:
            address = str(next(each for each in self._free if each not in self._taken))
        self._taken.add(IPv4Interface(address).ip)
        self.addresses[host] = address

    def join(self, host: str, member: Namespaces) -> None:
        """Plug it in, at the address that it has."""
        port = self._port(host)
        inside = self._name[:15]
        peer = ["peer", "name", inside, "netns", str(member.pid)]
        # By the ids of processes that this namespace's /proc does not know: from outside of it.
        add = ["ip", "link", "add", port, "type", "veth", *peer]
        enter = ["nsenter", "-t", str(self._switch.pid), "-n"]
        subprocess.run([*enter, *add], check=True, capture_output=True, timeout=120)
        self._switch.run("ip", "link", "set", port, "master", self._name, "up")
        address = f"{self.addresses[host]}/{self._prefix}"
        member.run("ip", "address", "add", address, "dev", inside)
        member.run("ip", "link", "set", inside, "up")

    @contextmanager
    def unplugged(self, host: str) -> Iterator[None]:
        """Nothing passes to or from it meanwhile, and nobody is told."""
        self._switch.run("ip", "link", "set", self._port(host), "nomaster")
        try:
            yield
        finally:
            self._switch.run("ip", "link", "set", self._port(host), "master", self._name)

    def _port(self, host: str) -> str:
        return f"{self._name[:4]}-{host[:10]}"


def listens(port: int) -> bool:
    """Whether somebody does, on this machine's loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def published(switch: Namespaces, address: str, port: int) -> Iterator[str]:
    """The URL, on this machine's loopback, of a port at an address that the switch reaches."""
    own_port = free_port()
    command = [*END_WITH_US, "systemd-socket-activate", "--listen", f"127.0.0.1:{own_port}"]
    command += ["nsenter", "-t", str(switch.pid), "-n", SOCKET_PROXY, f"{address}:{port}"]
    proxy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: listens(own_port))
        yield f"http://127.0.0.1:{own_port}"
    finally:
        end(proxy)
