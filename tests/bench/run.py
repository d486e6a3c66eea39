#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`./dev bench`: loads the release binary and says what an event costs (docs/benchmarks.md).

Each scenario gets a fresh gateway on free ports with a sink as its Segment. A repetition
loads the bare server, then the gateway, with the same generator, and waits until the sink
has every accepted event; the table shows medians. Any event that is lost or comes twice
makes the run fail.
"""

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import committer
import outage
import report
import storage
from measure import (BenchError, Process, Sample, forget_peak_rss, get_json, machine_busy_us,
                     metrics)
from rig import DRAIN_SECONDS, Rig


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    batch: int = 0              # events a request; 0 is a single call
    connections: int = 64
    tenants: int = 1
    rate: int = 0               # events a second, open loop; 0 is the closed loop
    flush_interval: str = "1s"

    @property
    def title(self):
        load = f"batches of {self.batch}" if self.batch else "single"
        pace = f"{self.rate:,}/s" if self.rate else "closed loop"
        return (f"{load}, {pace}, {self.connections} connections, {self.tenants} "
                f"tenant{'s' if self.tenants > 1 else ''}, flush {self.flush_interval}")

    @property
    def shape(self):
        """What of it the bare server can tell."""
        return (self.batch, self.connections, self.rate)


SCENARIOS = (
    Scenario("single"),
    Scenario("batch", batch=100, connections=16),
    Scenario("single-100-tenants", tenants=100),
    Scenario("batch-100-tenants", batch=100, connections=16, tenants=100),
    Scenario("single-flush-0", flush_interval="0s"),
    Scenario("batch-flush-0", batch=100, connections=16, flush_interval="0s"),
    Scenario("single-1k", rate=1_000),
    Scenario("single-5k", rate=5_000),
    Scenario("single-20k", rate=20_000),
    Scenario("single-20k-100-tenants", rate=20_000, tenants=100),
    Scenario("batch-100k", batch=100, connections=16, rate=100_000),
)
STORAGE = storage.SCENARIOS | outage.SCENARIOS | committer.SCENARIOS
QUICK = ("single", "batch", "single-5k")
SMOKE = (
    Scenario("single", connections=8, tenants=3, flush_interval="0s"),
    Scenario("batch", batch=100, connections=4, tenants=3, rate=20_000, flush_interval="100ms"),
)


class Bench:
    """Runs the scenarios of load, each with a gateway of its own."""

    def __init__(self, rig):
        self.rig = rig
        self.options = rig.options

    def send(self, scenario, port, seconds, first_id=0):
        return self.rig.tool("send", "--port", port, "--connections", scenario.connections,
                             "--batch", scenario.batch, "--tenants", scenario.tenants,
                             "--rate", scenario.rate, "--seconds", seconds, "--first-id", first_id)

    def run(self, scenario):
        folder = os.path.join(self.rig.folder, scenario.name)
        os.mkdir(folder)
        sink = self.rig.start_sink()
        bare = Process("bare-server", [self.rig.bare])
        with open(os.path.join(folder, "gateway.log"), "wb") as log:
            gateway = None
            try:
                config = self.rig.write_config(folder, sink.wait_for()["port"], scenario.tenants,
                                               {"delivery.flush_interval": scenario.flush_interval})
                gateway = self.rig.start_gateway(config, log)
                result = Run(self, scenario, gateway, sink, bare).measure(folder)
                result["exit_code"] = gateway.stop()
                result["complaints"] = dict(gateway.complaints())
            finally:
                for process in filter(None, (gateway, bare, sink)):
                    process.stop()
        if result["exit_code"] != 0:
            raise BenchError(f"{scenario.name}: the gateway ended with {result['exit_code']}")
        shutil.rmtree(os.path.join(folder, "data"), ignore_errors=True)
        return result


class Run:
    """The repetitions of one scenario against one gateway."""

    def __init__(self, bench, scenario, gateway, sink, bare):
        self.bench = bench
        self.options = bench.options
        self.scenario = scenario
        self.gateway = gateway
        self.sink = sink
        self.bare = bare
        self.bare_port = bare.wait_for()["port"]
        self.sink_port = sink.wait_for()["port"]
        self.admin_port = gateway.wait_for(event="listening", listener="admin")["port"]
        self.port = gateway.wait_for(event="listening", listener="ingest")["port"]
        self.sent = 0
        self.accepted = 0

    def measure(self, folder):
        self.load_gateway(self.options.warm_up)
        self.bench.send(self.scenario, self.bare_port, self.options.warm_up)
        repetitions = []
        for number in range(self.options.repetitions):
            row = self.measure_bare() | self.measure_gateway(profiled=number == 0)
            repetitions.append(row)
        merged = {name: [row[name] for row in repetitions] for name in repetitions[0]
                  if name != "threads"}
        result = {"scenario": dataclasses.asdict(self.scenario), "title": self.scenario.title,
                  "repetitions": merged,
                  "threads": {name: statistics.median(row["threads"].get(name, 0)
                                                      for row in repetitions)
                              for name in sorted(set().union(*(row["threads"]
                                                               for row in repetitions)))}}
        result["append"] = self.measure_append(folder, merged)
        return result

    def load_gateway(self, seconds):
        """Sends, and waits until all of it is delivered."""
        sent = self.bench.send(self.scenario, self.port, seconds, self.sent)
        self.sent += sent["events_sent"]
        self.accepted += sent["events_accepted"]
        got = get_json(self.sink_port,
                       f"/wait?distinct={self.accepted}&timeout_ms={DRAIN_SECONDS * 1000}",
                       DRAIN_SECONDS + 30)
        self.check(got)
        return sent, got

    def check(self, got):
        """What was refused may have been stored all the same; what was accepted has to be
        there, and nothing twice."""
        if got["distinct"] < self.accepted or got["distinct"] > self.sent:
            raise BenchError(f"{self.scenario.name}: {self.accepted} events were accepted of "
                             f"{self.sent}, and {got['distinct']} arrived")
        if got["repeated"] != 0:
            raise BenchError(f"{self.scenario.name}: {got['repeated']} events arrived twice")
        if self.options.smoke and self.accepted != self.sent:
            raise BenchError(f"{self.scenario.name}: only {self.accepted} of {self.sent} events "
                             "were accepted")

    def measure_bare(self):
        before = Sample(self.bare.pid)
        sent = self.bench.send(self.scenario, self.bare_port, self.options.bare_duration)
        cpu = Sample(self.bare.pid).cpu_us - before.cpu_us
        seconds = (sent["last_answer_ns"] - sent["started_ns"]) / 1e9
        events = max(sent["events_accepted"], 1)
        return {"bare_per_second": events / seconds, "bare_cpu_us": cpu / events,
                "bare_p50_us": sent["latency_us"]["p50"], "bare_p99_us": sent["latency_us"]["p99"]}

    def measure_gateway(self, profiled):
        pid = self.gateway.pid
        forget_peak_rss(pid)
        counted = metrics(self.admin_port)
        sink_before = Sample(self.sink.pid)
        before, busy, wall = Sample(pid), machine_busy_us(), time.monotonic()
        profiler = self.start_profiler() if profiled else None
        sent, got = self.load_gateway(self.options.duration)
        after, busy, wall = (Sample(pid), machine_busy_us() - busy,
                             (time.monotonic() - wall) * 1e6)
        sink_cpu = Sample(self.sink.pid).cpu_us - sink_before.cpu_us
        if profiler:
            profiler.stop()
        now = metrics(self.admin_port)
        return self.row(sent, got, before, after, {
            "grown": lambda name: now.get(name, 0) - counted.get(name, 0),
            "foreign": max(0, busy - sent["cpu_us"] - sink_cpu - after.cpu_us + before.cpu_us)
                       / (wall * os.cpu_count())})

    def row(self, sent, got, before, after, extra):
        grown = extra["grown"]
        events = max(sent["events_accepted"], 1)
        latency = sent["latency_us"]
        per_event = {name: (us - before.threads[name]) / events
                     for name, us in after.threads.items()}
        syncs = max(grown("queue_fsync_seconds_count"), 1)
        return {
            "events": events, "event_bytes": sent["event_bytes"],
            "refused": sum(sent["requests_refused"].values()),
            "accepted_per_second":
                events / ((sent["last_answer_ns"] - sent["started_ns"]) / 1e9),
            "delivered_per_second": events / ((got["last_ns"] - sent["started_ns"]) / 1e9),
            "cpu_us": (after.cpu_us - before.cpu_us) / events,
            "p50_us": latency["p50"], "p99_us": latency["p99"], "p999_us": latency["p999"],
            "max_us": latency["max"], "lateness_p99_us": sent["lateness_us"]["p99"],
            "rss": after.rss, "peak_rss": after.peak_rss,
            "written_per_byte": (after.written - before.written) / (events * sent["event_bytes"]),
            "fsync_mean_us": grown("queue_fsync_seconds_sum") / syncs * 1e6,
            "events_per_fsync": events / syncs,
            "events_per_delivery":
                events / max(grown('delivery_attempts_total{answer="2xx"}'), 1),
            "foreign_cpu": extra["foreign"],
            "threads": {name: us for name, us in per_event.items() if us > 0.0005},
        }

    def start_profiler(self):
        if not self.options.perf:
            return None
        path = os.path.join(self.options.perf, f"{self.scenario.name}.perf")
        return Process("perf", ["perf", "record", "-F", "999", "--call-graph", "dwarf,16384",
                                "-p", str(self.gateway.pid), "-o", path])

    def measure_append(self, folder, merged):
        """The same bytes a sync as the gateway had, without the gateway."""
        group = statistics.median(merged["events_per_fsync"])
        done = self.bench.rig.tool("append", "--directory", folder, "--group-bytes",
                               max(1, round(group * statistics.median(merged["event_bytes"]))), "--seconds",
                               min(self.options.duration, 1))
        events = done["groups"] * group
        return {"group_events": group, "cpu_us": done["cpu_us"] / events,
                "events_per_second": events / done["wall_us"] * 1e6,
                "p50_us": done["sync_us"]["p50"], "p99_us": done["sync_us"]["p99"]}


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__, epilog=storage_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release", help="folder of the binaries")
    parser.add_argument("--quick", action="store_true", help="three scenarios in a minute")
    parser.add_argument("--smoke", action="store_true",
                        help="seconds; only checks that every event arrives exactly once")
    parser.add_argument("--scenario", action="append", metavar="NAME",
                        choices=[scenario.name for scenario in SCENARIOS] + list(STORAGE),
                        help="only this one; may be repeated: "
                             + ", ".join(scenario.name for scenario in SCENARIOS)
                             + "; and those below")
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="of one repetition")
    parser.add_argument("--repetitions", type=int, metavar="N")
    parser.add_argument("--json", metavar="FILE", help="every number, also of each repetition")
    parser.add_argument("--sink-latency-ms", type=float, default=0, metavar="MS",
                        help="how long the sink thinks before it answers")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE",
                        help="a setting of the gateway, such as storage.commit_linger=200us")
    parser.add_argument("--backlog-gb", type=float, default=10, metavar="GB",
                        help="size of the backlog of backlog-start (default 10)")
    parser.add_argument("--outage-seconds", type=float, default=60, metavar="SECONDS",
                        help="how long Segment is away in outage (default 60)")
    parser.add_argument("--outage-rate", type=float, default=30_000, metavar="EVENTS",
                        help="events a second in outage (default 30000)")
    parser.add_argument("--perf", metavar="FOLDER",
                        help="record each scenario's first repetition with perf")
    parser.add_argument("--keep", action="store_true", help="keep logs and configuration")
    options = parser.parse_args()
    small = options.quick or options.smoke
    options.duration = options.duration or (0.4 if options.smoke else 2.5 if small else 5.0)
    options.repetitions = options.repetitions or (1 if options.smoke else 3)
    options.bare_duration = min(options.duration, 2.0)
    options.warm_up = min(options.duration, 1.0)
    return options


def storage_help():
    lines = [f"  {name:<15} {run.__doc__}" for name, run in STORAGE.items()]
    return "\n".join(["scenarios of storage, run only when named; some take minutes:", *lines])


def chosen(options):
    if options.smoke:
        return SMOKE if not options.scenario else []
    names = options.scenario or (QUICK if options.quick else [s.name for s in SCENARIOS])
    return [scenario for scenario in SCENARIOS if scenario.name in names]


def run_storage(rig):
    findings = []
    for name, run in STORAGE.items():
        if name not in (rig.options.scenario or []):
            continue
        print(f"{name}: {run.__doc__}", file=sys.stderr, flush=True)
        finding = run(rig)
        finding.print()
        findings.append(vars(finding))
        shutil.rmtree(os.path.join(rig.folder, name), ignore_errors=True)
    return findings


def main():
    options = parse_arguments()
    if options.perf:
        os.makedirs(options.perf, exist_ok=True)
    # In the build folder, which is on a real disk; a temporary folder may be in memory.
    folder = tempfile.mkdtemp(prefix="bench-", dir=options.build)
    results = []
    try:
        rig = Rig(options, folder)
        bench = Bench(rig)
        for scenario in chosen(options):
            print(f"{scenario.name}: {scenario.title}", file=sys.stderr, flush=True)
            results.append(bench.run(scenario))
        if results:
            report.print_tables(results, options)
        findings = run_storage(rig)
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump({"machine": report.machine(), "results": results,
                           "findings": findings}, file, indent=1)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        if options.keep:
            print(f"kept {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
