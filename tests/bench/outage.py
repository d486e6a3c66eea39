# SPDX-License-Identifier: Apache-2.0
"""Scenario `outage`: Segment is away for a while under steady load. What is written to the
disk for each accepted byte, whether the space comes back, and what it does to acknowledgements.
"""

import statistics
import time

from findings import Finding, mb, number
from measure import Sample, let_pass
from rig import Life
from storage import disk_usage

TENANTS = 10
SETTLED_EVENTS = 100_000    # So little waiting is a batch or two of each tenant.
# Of the rate of the load: Segment limits a workspace, so a drain takes time and leaves CPU.
DRAIN_RATE = 2.5


def event_rate(options):
    return 5_000 if options.smoke else options.outage_rate


class Phase:
    """Open loop load in turns of a few seconds, and what was written meanwhile."""

    def __init__(self, life, name, load, turn_seconds):
        self.life = life
        self.name = name
        self.load = load | {"seconds": turn_seconds}
        self.turns = []
        self.appends = []
        self.bytes = self.events = 0
        self.begin_written = self.written()

    def written(self):
        counted = self.life.metrics()
        return {"kernel": Sample(self.life.pid).written,
                "log": counted["queue_log_written_bytes_total"],
                "tables": counted["queue_tables_written_bytes_total"],
                "stalls": counted["queue_write_stalls_total"],
                "misses": counted["queue_hot_tail_misses_total"]}

    def turn(self):
        sent = self.life.send(**self.load)
        self.appends.append(self.life.rig.tool(
            "append", "--directory", self.life.folder, "--seconds", self.load["seconds"] / 8,
            "--group-bytes", round(self.load["batch"] * sent["event_bytes"])))
        self.turns.append(sent)
        self.events += sent["events_accepted"]
        self.bytes += sent["events_accepted"] * sent["event_bytes"]

    def end(self):
        now = self.written()
        self.grown = {key: now[key] - value for key, value in self.begin_written.items()}
        return self

    def latency(self, key):
        """Median of the turns and the worst of them, ms."""
        values = [turn["latency_us"][key] / 1000 for turn in self.turns]
        return statistics.median(values), max(values)

    def append_p99(self):
        """That of the same bytes appended to a file, behind each turn: what the disk does."""
        return statistics.median(append["sync_us"]["p99"] for append in self.appends) / 1000

    @property
    def seconds(self):
        return sum((turn["last_answer_ns"] - turn["started_ns"]) / 1e9 for turn in self.turns)


def wait_for_quiet(life, seconds):
    """Until flushes and compactions are over: the directory has kept its size for 3 s."""
    deadline = time.monotonic() + seconds
    sizes = [disk_usage(life.data)]
    while time.monotonic() < deadline:
        let_pass(0.5)
        sizes.append(disk_usage(life.data))
        if len(sizes) > 6 and all(size == sizes[-1] for size in sizes[-6:]):
            break
    return sizes[-1]


def run_phases(life, options):
    smoke = options.smoke
    load = {"tenants": TENANTS, "connections": 16, "batch": 100, "rate": event_rate(options)}
    turn = 0.3 if smoke else 4
    life.start()
    life.send(**load, seconds=turn)
    phases, sizes = [], {}
    calm = Phase(life, "calm", load, turn)
    for _ in range(1 if smoke else 5):
        calm.turn()
    phases.append(calm.end())
    life.drain()
    sizes["before"] = disk_usage(life.data)

    life.refuse(503)
    outage = Phase(life, "Segment away", load, turn)
    while outage.seconds < (1 if smoke else options.outage_seconds) - turn / 2:
        outage.turn()
    phases.append(outage.end())
    sizes["at the end of the outage"] = disk_usage(life.data)

    drain = Phase(life, "Segment back, load goes on", load, turn)
    life.refuse(0)
    began = time.monotonic()
    while not drain.turns or life.metrics()["events_pending"] > SETTLED_EVENTS:
        drain.turn()
    drain_seconds = time.monotonic() - began
    life.drain()
    sizes["all delivered"] = disk_usage(life.data)
    sizes["and compactions over"] = wait_for_quiet(life, 3 if smoke else 60)
    phases.append(drain.end())
    after = Phase(life, "calm again", load, turn)
    for _ in range(1 if smoke else 3):
        after.turn()
    life.drain()
    phases.append(after.end())
    sizes["calm again"] = disk_usage(life.data)
    return phases, sizes, drain_seconds


def outage(rig):
    """a scaled-down outage of Segment under steady load: bytes written, disk space, ack p99"""
    settings = {"delivery.retry.max": "5s", "delivery.tenant_events_per_second":
                round(DRAIN_RATE * event_rate(rig.options) / TENANTS)}
    with Life(rig, "outage", TENANTS, settings) as life:
        phases, sizes, drain_seconds = run_phases(life, rig.options)
        complaints = life.process.complaints()
        life.stop()
    calm, away, back, _ = phases
    finding = Finding("outage", f"{calm.load['rate']:,} events/s in batches of 100, away for "
                      f"{away.seconds:.0f} s, caught up after {drain_seconds:.0f} s")
    finding.table(
        ["phase", "accepted MB", "written/byte (kernel)", "log files/byte", "tables/byte",
         "reads of disk", "stalls", "ack p50 ms", "p99 ms (worst turn)", "p99.9 ms (worst turn)",
         "bare append p99 ms"],
        [[p.name, mb(p.bytes), *(f"{p.grown[key] / p.bytes:.2f}"
                                 for key in ("kernel", "log", "tables")),
          number(p.grown["misses"]), number(p.grown["stalls"]), f"{p.latency('p50')[0]:.2f}",
          *("{:.2f} ({:.2f})".format(*p.latency(key)) for key in ("p99", "p999")),
          f"{p.append_p99():.2f}"]
         for p in phases])
    finding.table(["disk", "log files MB", "tables MB", "all MB"],
                  [[when, mb(size.get("log", 0)), mb(size.get("sst", 0)),
                    mb(sum(size.values()))] for when, size in sizes.items()])
    accepted = away.bytes + back.bytes
    for key, name in (("kernel", "by the kernel"), ("store", "by RocksDB")):
        steady, through = (written(key, [calm]), written(key, [away, back]))
        finding.target(f"written/byte in calm, {name}", steady / calm.bytes, at_most=1.2)
        finding.target(f"written/byte through outage and drain, {name}", through / accepted,
                       at_most=2.0)
    for phase in (away, back):
        finding.target(f"ack p99, {phase.name} to calm",
                       phase.latency("p99")[0] / calm.latency("p99")[0], at_most=2)
    finding.target("tables left after the drain, MB", sizes["calm again"].get("sst", 0) / 1e6,
                   at_most=max(64, 2 * sizes["before"].get("sst", 0) / 1e6))
    finding.note("the bare append's p99, away and back to calm: "
                 f"{away.append_p99() / calm.append_p99():.2f} and "
                 f"{back.append_p99() / calm.append_p99():.2f}; where it is far from 1, the disk "
                 "had other work")
    for what, times in complaints.items():
        finding.note(f"the gateway logged {what} {times} times")
    return finding


def written(key, phases):
    return sum(p.grown["kernel"] if key == "kernel" else p.grown["log"] + p.grown["tables"]
               for p in phases)


SCENARIOS = {"outage": outage}
