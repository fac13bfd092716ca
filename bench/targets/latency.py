"""How long one call takes: at a fixed rate, and of a batch whose parts are slow."""

from bench.report import Row
from bench.request_kinds import SLOW_PART_SECONDS
from bench.rounds import Options, measure, progress, rotated
from bench.servers import Server, Yard
from bench.targets.works import POSTERN, PROGRAMS

NAMES = ("latency", "slow_batch")
PEER = "aiohttp"
PEERS = (PEER, "httpx", "requests")
CONNECTIONS = 64
SECONDS = 6
BATCHES = 50


def rows(yard: Yard, options: Options, names: list[str]) -> list[Row]:
    postern = yard.start(PROGRAMS[POSTERN](yard))
    rows = []
    if "latency" in names:
        peers = {key: yard.start(PROGRAMS[key](yard)) for key in PEERS}
        rate = _half_the_slowest(peers, options)
        rows += _at_rate(postern, peers[PEER], rate, options)
    if "slow_batch" in names:
        rows.append(_slow_batch(postern, options))
    return rows


def _half_the_slowest(peers: dict[str, Server], options: Options) -> float:
    """Return requests per second: half of what the slowest peer can do."""
    capacities = {}
    for key, server in peers.items():
        measure(server, "call", options.scaled(200, 50))
        capacities[key] = measure(server, "call", options.scaled(1000, 100)).load.rate
    progress(f"calls/s: {', '.join(f'{key} {rate:.0f}' for key, rate in capacities.items())}")
    return float(round(min(capacities.values()) / 2))


def _at_rate(postern: Server, peer: Server, rate: float, options: Options) -> list[Row]:
    servers = {POSTERN: postern, PEER: peer}
    requests = int(rate * options.scaled(SECONDS, 1))
    loads = {key: [] for key in servers}
    for server in servers.values():
        measure(server, "call", options.scaled(500, 50))
    for number in range(options.rounds):
        for key in rotated(servers, number):
            result = measure(servers[key], "call", requests, CONNECTIONS, rate=rate)
            loads[key].append(result.load)
        progress(
            f"round {number + 1}/{options.rounds}, {rate:.0f}/s: "
            + ", ".join(f"{key} p99 {loads[key][-1].p99:.1f} ms" for key in loads)
        )
    return [
        Row(
            f"{percentile} at {rate:.0f} calls/s, ms",
            [getattr(load, percentile) for load in loads[POSTERN]],
            peer.name,
            [getattr(load, percentile) for load in loads[PEER]],
            max_ratio=target,
        )
        for percentile, target in (("p50", None), ("p99", 1.0))
    ]


def _slow_batch(postern: Server, options: Options) -> Row:
    measure(postern, "slow_batch", 5, 1)
    medians = [
        measure(postern, "slow_batch", options.scaled(BATCHES, 5), 1).load.p50
        for _ in range(options.rounds)
    ]
    return Row(f"batch of ten calls of {SLOW_PART_SECONDS * 1000:.0f} ms, p50, ms", medians)
