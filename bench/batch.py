"""python -m bench.batch: how long ten calls of 50 ms each take in one batch."""

import http.client
import json
import statistics
import tempfile
import time
from pathlib import Path

from bench.servers import BenchError, Server, Yard

CALLS = 10  # in a batch
SLOW_SECONDS = 0.05  # that the service takes for one
ROUNDS = 50


def batch_seconds(server: Server, connection: http.client.HTTPConnection, fault: str) -> float:
    """Seconds for one batch, all of whose calls succeed."""
    calls = [
        {"id": str(n), "service": "demo", "method": "misbehave", "params": {"fault": fault}}
        for n in range(CALLS)
    ]
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    began = time.perf_counter()
    connection.request("POST", "/api/v1/batch", json.dumps({"calls": calls}), headers)
    answer = connection.getresponse()
    content = json.loads(answer.read())
    if answer.status != 200:
        raise BenchError(f"{answer.status}: {content}")
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Yard(Path(folder)) as yard:
        server = yard.postern()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        faults = {"at once": "delay=0", f"{SLOW_SECONDS * 1000:.0f} ms": f"delay={SLOW_SECONDS}"}
        rounds = {
            name: [batch_seconds(server, connection, fault) for _ in range(ROUNDS)]
            for name, fault in faults.items()
        }
    medians = {name: statistics.median(seconds) * 1000 for name, seconds in rounds.items()}
    for name, median in medians.items():
        print(f"{CALLS} calls that take {name}: {median:.1f} ms")
    own, whole = medians.values()
    print(
        f"beyond the gateway's own {own:.1f} ms: {(whole - own) / (SLOW_SECONDS * 1000):.2f} x "
        f"{SLOW_SECONDS * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
