"""python -m sandbox [--host H] [--port P] [-- COMMAND ARGS...]: serves until told to end or COMMAND does."""

import argparse
import errno
import json
import signal
import sys
from http.client import HTTPConnection, HTTPException

from sandbox.box import Sandbox
from sandbox.child import run
from sandbox.control import PREFIX
from sandbox.wire import SERVER_NAME

ENDING = (signal.SIGINT, signal.SIGTERM)


def main(arguments: list[str]) -> int:
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    command = arguments[cut + 1 :]
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", epilog="-- COMMAND ARGS... runs it meanwhile"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5099)
    options = parser.parse_args(arguments[:cut])
    box = Sandbox(options.host, options.port)
    if (
        not command
    ):  # kept back from every thread to come, so that none is lost before sigwait asks for it
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        box.start()
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        if taken and is_sandbox(options.host, options.port):
            print(f"a sandbox listens on {box.url} already: using that one", flush=True)
            return run(command) if command else 0
        why = (
            "another program has the port; end that one, the services of services.yaml are there"
            if taken
            else str(error)
        )
        print(f"sandbox cannot listen on {box.url}: {why}", file=sys.stderr)
        return 1
    print(f"sandbox listens on {box.url}", flush=True)
    try:
        if command:
            return run(command)
        signal.sigwait(ENDING)
        return 0
    finally:
        box.stop()


def is_sandbox(host: str, port: int) -> bool:
    """Whether the one who has the port is a sandbox too."""
    client = HTTPConnection(host, port, timeout=2)
    try:
        client.request("GET", f"{PREFIX}stats")
        response = client.getresponse()
        stats = json.loads(response.read(65536))
        return response.getheader("Server") == SERVER_NAME and "tokens_issued" in stats
    except (OSError, HTTPException, ValueError, TypeError):
        return False
    finally:
        client.close()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
