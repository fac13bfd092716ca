"""python -m sandbox [--host H] [--port P] [-- COMMAND ARGS...]: serves until told to end or COMMAND
does.
"""

import argparse
import errno
import json
import os
import signal
import sys
from http.client import HTTPConnection, HTTPException

import dotenv

from sandbox.box import Sandbox
from sandbox.child import run
from sandbox.control import PREFIX
from sandbox.wire import SERVER_NAME

END_SIGNALS = (signal.SIGINT, signal.SIGTERM)
DEFAULT_PORT = "5099"  # of services.yaml, too
#: For a sandbox that has the port already to say so, on a busy machine too.
ANSWER_SECONDS = 10


def main(arguments: list[str]) -> int:
    options_end = len(arguments)
    if "--" in arguments:
        options_end = arguments.index("--")
    command = arguments[options_end + 1 :]
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", epilog="-- COMMAND ARGS... runs it meanwhile"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=usual_port(), help="SANDBOX_PORT unless given")
    options = parser.parse_args(arguments[:options_end])
    box = Sandbox(options.host, options.port)
    if not command:
        # Blocked in every thread to come, so that no signal is lost before sigwait asks for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)
    try:
        box.start()
    except (OSError, OverflowError) as error:
        return _use_other(box, error, options.host, command)
    print(f"sandbox listens on {box.url}", flush=True)
    try:
        if command:
            return run(command)
        signal.sigwait(END_SIGNALS)
        return 0
    finally:
        box.stop()


def usual_port() -> str:
    """Return the port at which the catalog looks for the sandbox: SANDBOX_PORT, as settings are
    read.
    """
    settings = {**dotenv.dotenv_values(".env"), **os.environ}
    return settings.get("SANDBOX_PORT") or DEFAULT_PORT


def _use_other(box: Sandbox, error: Exception, host: str, command: list[str]) -> int:
    """Run the command beside the sandbox that has the port already; 1 where the port is
    another's.
    """
    reason = str(error)
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        if is_sandbox(host, box.port):
            print(f"a sandbox listens on {box.url} already: using that one", flush=True)
            return run(command) if command else 0
        reason = "another program has the port; put SANDBOX_PORT=5150 into .env"
    print(f"sandbox cannot listen on {box.url}: {reason}", file=sys.stderr)
    return 1


def is_sandbox(host: str, port: int) -> bool:
    """Tell whether the program that has the port is a sandbox too."""
    client = HTTPConnection(host, port, timeout=ANSWER_SECONDS)
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
