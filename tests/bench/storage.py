# SPDX-License-Identifier: Apache-2.0
"""Scenarios of a store that holds a backlog: memory, start, many tenants, reading it back.

Each is a function that takes the Rig and returns a Finding. What the numbers mean and why it
is measured like that: docs/benchmarks.md.
"""

import os
import statistics
import subprocess
import time

import yaml

from findings import Finding, mb, number
from measure import BenchError, Process, Sample, forget_peak_rss, let_pass
from rig import Life, tenant_entry

WRITE_BUFFERS = 4           # As in gateway/app/component_options.cc.
MAX_CHUNK_BYTES = 512 << 10
EVENT_BYTES = 710           # About; only to say how many events make so many bytes.
UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
FILL = {"connections": 16, "batch": 100, "seconds": 3600}


def parse_size(text):
    text = str(text)
    digits = text.rstrip("KMGiB")
    return int(digits) * UNITS[text[len(digits):]]


def disk_usage(path):
    """Bytes that the files take, by ending."""
    sizes = {}
    for entry in os.scandir(path):
        try:
            ending = os.path.splitext(entry.name)[1].lstrip(".")
            sizes[ending] = sizes.get(ending, 0) + entry.stat().st_blocks * 512
        except FileNotFoundError:
            continue  # RocksDB deleted it meanwhile.
    return sizes


def forget_pages(path):
    """Has the kernel drop what it keeps in memory of these files, as after a reboot."""
    for entry in os.scandir(path):
        if not entry.is_file():
            continue
        descriptor = os.open(entry.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def check_pending(life):
    pending = life.metrics()["events_pending"]
    if pending != life.accepted:
        raise BenchError(f"{life.name}: {life.accepted} events were accepted, and the restarted "
                         f"gateway has {pending:.0f}")


def peak_rss(life):
    return Sample(life.pid).peak_rss


# ------------------------------------------------------------------------------ memory

def memory_budget(rig, config, tenants):
    """The settings that are memory, added up: {name: bytes}."""
    shown = subprocess.run([rig.gateway, "check-config", "--config", config], check=True,
                           capture_output=True, text=True).stdout
    storage, ingest, delivery = (yaml.safe_load(shown)[s] for s in ("storage", "ingest", "delivery"))
    batches = min(tenants, int(delivery["max_connections"]))
    return {"hot_tail": parse_size(storage["hot_tail"]),
            f"{WRITE_BUFFERS} x write_buffer": WRITE_BUFFERS * parse_size(storage["write_buffer"]),
            "block_cache": parse_size(storage["block_cache"]),
            "max_queued_bytes": parse_size(storage["max_queued_bytes"]),
            "max_in_flight_bytes": parse_size(ingest["max_in_flight_bytes"]),
            f"{batches} batches in flight":
                batches * (parse_size(delivery["max_batch_bytes"]) + MAX_CHUNK_BYTES)}


def backlog_memory(rig):
    """a backlog of 20 x the memory budget, filled, killed and drained: peak RSS against it"""
    tenants = 8
    settings = {"storage.hot_tail": "32MiB", "storage.write_buffer": "16MiB",
                "storage.block_cache": "16MiB", "storage.max_queued_bytes": "16MiB",
                "storage.max_wal": "64MiB", "ingest.max_in_flight_bytes": "16MiB",
                "delivery.retry.max": "2s"}
    with Life(rig, "backlog-memory", tenants, settings) as life:
        budget = memory_budget(rig, life.config, tenants)
        total = sum(budget.values())
        events = 20_000 if rig.options.smoke else round(20 * total / EVENT_BYTES)
        life.refuse(503)
        life.start()
        empty = Sample(life.pid).rss
        life.send(tenants=tenants, events=events, **FILL)
        peaks = {"filling": peak_rss(life)}
        table_bytes = disk_usage(life.data).get("sst", 0)
        life.kill()
        life.start()
        check_pending(life)
        peaks["start after kill -9"] = peak_rss(life)
        forget_peak_rss(life.pid)
        life.refuse(0)
        life.drain()
        peaks["draining"] = peak_rss(life)
        life.stop()
    highest = max(peaks.values())
    admission = budget["max_queued_bytes"] + budget["max_in_flight_bytes"]
    finding = Finding("backlog-memory", f"{life.accepted:,} events, {tenants} tenants, "
                      f"{mb(table_bytes)} MB of tables on disk")
    finding.table(["budget", "MB"], [[name, mb(size)] for name, size in budget.items()]
                  + [["sum", mb(total)]])
    finding.table(["peak RSS", "MB", "of the budget"],
                  [["just started, empty", mb(empty), f"{empty / total:.2f}"]]
                  + [[phase, mb(rss), f"{rss / total:.2f}"] for phase, rss in peaks.items()])
    finding.target("peak RSS / budget", highest / total, at_most=1.2)
    finding.note(f"without the two settings that bound requests in hand ({mb(admission)} MB, which "
                 f"16 connections cannot fill) the ratio is {highest / (total - admission):.2f}")
    return finding


# ------------------------------------------------------------------------------- start

def timed_start(life):
    """Seconds to ready and what it took, with nothing of the store in the page cache."""
    forget_pages(life.data)
    files = disk_usage(life.data)
    seconds = life.start()
    sample = Sample(life.pid)
    check_pending(life)
    return {"seconds": seconds, "rss": sample.rss, "peak_rss": sample.peak_rss,
            "cpu_us": sample.cpu_us, "log": files.get("log", 0), "sst": files.get("sst", 0)}


def backlog_start(rig):
    """a large backlog (--backlog-gb) on disk: seconds to ready and RSS, also after kill -9"""
    tenants, gigabytes = 10, 0.05 if rig.options.smoke else rig.options.backlog_gb
    settings = {"ingest.tenant_limits.max_backlog": 0}
    with Life(rig, "backlog-start", tenants, settings) as life:
        life.refuse(503)
        life.start()
        life.send(tenants=tenants, events=round(gigabytes * 1e9 / EVENT_BYTES), **FILL)
        starts = {}
        life.kill()
        starts["kill -9 while filling"] = timed_start(life)
        life.stop()
        starts["clean stop"] = timed_start(life)
        life.kill()
        starts["kill -9 at rest"] = timed_start(life)
        life.stop()
    finding = Finding("backlog-start", f"{life.accepted:,} events, {gigabytes:g} GB, "
                      f"{tenants} tenants, page cache empty")
    finding.table(
        ["start after", "ready s", "CPU s", "RSS MB", "peak RSS MB", "log files MB", "tables MB"],
        [[name, f"{s['seconds']:.2f}", f"{s['cpu_us'] / 1e6:.2f}", mb(s["rss"]), mb(s["peak_rss"]),
          mb(s["log"]), mb(s["sst"])] for name, s in starts.items()])
    finding.target("seconds to ready", max(s["seconds"] for s in starts.values()), at_most=5)
    return finding


# ------------------------------------------------------------------------ many tenants

def tenants_case(rig, name, configured, holding, events):
    """One store whose first `holding` tenants share a backlog and are paused; one more tenant
    takes the load."""
    smoke = rig.options.smoke
    entries = [tenant_entry(i, paused=True) for i in range(configured)] + [tenant_entry(configured)]
    with Life(rig, name, entries, {"delivery.flush_interval": "100ms"}) as life:
        first = life.start()
        life.send(tenants=holding, events=events, **FILL)
        life.stop()
        starts = [timed_start_and_stop(life) for _ in range(1 if smoke else 3)]
        life.start()
        idle = cpu_over(life, 0.2 if smoke else 5)
        before, held = Sample(life.pid), life.accepted
        life.send(first_tenant=configured, rate=2000, seconds=0.3 if smoke else 5)
        loaded = life.accepted - held
        got = life.wait_for_sink(loaded, 60)
        cpu = Sample(life.pid).cpu_us - before.cpu_us
        if got["distinct"] != loaded or got["repeated"]:
            raise BenchError(f"{name}: {got} arrived of {loaded} events")
        rss = Sample(life.pid).rss
        life.stop()
    middle = {key: statistics.median(s[key] for s in starts) for key in starts[0]}
    return middle | {"first": first, "idle": idle, "load": cpu / loaded, "rss": rss}


def timed_start_and_stop(life):
    measured = timed_start(life)
    life.stop()
    return measured


def cpu_over(life, seconds):
    """CPU milliseconds a second."""
    before = Sample(life.pid)
    let_pass(seconds)
    return (Sample(life.pid).cpu_us - before.cpu_us) / seconds / 1000


def many_tenants(rig):
    """10,000 tenants that hold a little each, next to 10 that hold as much: start and CPU"""
    many, few, events = (200, 10, 20_000) if rig.options.smoke else (10_000, 10, 1_000_000)
    cases = {f"{many:,} hold it": tenants_case(rig, "many-hold", many, many, events),
             f"{few} of {many:,} hold it": tenants_case(rig, "few-of-many-hold", many, few, events),
             f"{few} tenants, all hold it": tenants_case(rig, "few-hold", few, few, events)}
    finding = Finding("many-tenants", f"{events:,} events wait; load: 2,000 single events a second "
                      "of one more tenant")
    finding.table(["who holds the backlog", "first start s", "ready s", "CPU s to ready",
                   "CPU ms/s idle", "CPU µs/event loaded", "RSS MB"],
                  [[name, f"{c['first']:.2f}", f"{c['seconds']:.2f}", f"{c['cpu_us'] / 1e6:.2f}",
                    number(c["idle"]), number(c["load"]), mb(c["rss"])]
                   for name, c in cases.items()])
    all_hold, some_hold, small = cases.values()
    finding.table(["ratio", "ready s", "CPU to ready", "CPU/event loaded"],
                  [[what, *(f"{all_hold[key] / other[key]:.2f}"
                            for key in ("seconds", "cpu_us", "load"))]
                   for what, other in ((f"{many:,} to {few} of as many", some_hold),
                                       (f"{many:,} to {few} alone", small))])
    finding.target("start, with as many tenants configured", all_hold["seconds"] / some_hold["seconds"],
                   at_most=2)
    finding.target("CPU of an event, with as many configured", all_hold["load"] / some_hold["load"],
                   at_most=1.2)
    finding.target("idle CPU ms/s", all_hold["idle"], at_most=10)
    return finding


# ------------------------------------------------------------------------ backlog read

class ReadPhases:
    """Turns of load with the backlog at rest and with it being delivered."""

    OPEN_RATE = 50_000

    def __init__(self, life, bare, seconds):
        self.life = life
        self.bare_port = bare.wait_for()["port"]
        self.seconds = seconds
        self.rows = {False: [], True: []}

    def turn(self, reading, tenants):
        life = self.life
        life.hold(not reading)
        if reading:
            life.wait_for_sink(life.delivered() + 1, 30)
        else:
            let_pass(0.3)  # What was under way is answered or held.
        counted, got = life.metrics(), life.delivered()
        began = time.monotonic()
        load = {"tenants": tenants, "connections": 16, "batch": 100, "seconds": self.seconds}
        bare = life.rig.tool("send", "--port", self.bare_port, "--connections", 16, "--batch", 100,
                             "--seconds", self.seconds)
        paced = life.send(rate=self.OPEN_RATE, **load)
        closed = life.send(**load)
        took = time.monotonic() - began
        now = life.metrics()
        self.rows[reading].append({
            "bare": rate_of(bare), "paced": rate_of(paced), "closed": rate_of(closed),
            "p50": paced["latency_us"]["p50"] / 1000, "p99": paced["latency_us"]["p99"] / 1000,
            "delivered": (life.delivered() - got) / took,
            "disk_reads": now["queue_hot_tail_misses_total"] - counted["queue_hot_tail_misses_total"],
            "memory_reads": now["queue_hot_tail_hits_total"] - counted["queue_hot_tail_hits_total"]})

    def median(self, reading, key):
        return statistics.median(row[key] for row in self.rows[reading])


def rate_of(sent):
    return sent["events_accepted"] / ((sent["last_answer_ns"] - sent["started_ns"]) / 1e9)


def backlog_read(rig):
    """acceptance while a backlog is read and delivered, against the same with it at rest"""
    smoke = rig.options.smoke
    tenants = 32
    settings = {"delivery.tenant_events_per_second": 1000, "delivery.request_timeout": "5m"}
    with Life(rig, "backlog-read", tenants, settings) as life:
        bare = Process("bare-server", [rig.bare])
        try:
            life.hold(True)
            life.start()
            life.send(tenants=tenants, events=150_000 if smoke else 2_000_000, **FILL)
            phases = ReadPhases(life, bare, 0.2 if smoke else 2)
            for _ in range(1 if smoke else 4):
                phases.turn(False, tenants)
                phases.turn(True, tenants)
        finally:
            bare.stop()
        life.stop()
        life.hold(False)
        # The rest goes without the pace of a workspace, only to be counted.
        life.configure(tenants, {})
        life.start()
        got = life.wait_for_sink(life.accepted)
        if not life.accepted <= got["distinct"] <= life.sent:
            raise BenchError(f"backlog-read: {got} of {life.accepted} arrived")
        life.stop()
    return read_finding(phases, tenants)


def read_finding(phases, tenants):
    finding = Finding("backlog-read", f"{tenants} tenants at 1,000/s each; turns of "
                      f"{phases.seconds:g} s, medians of {len(phases.rows[True])}")
    middle = phases.median
    finding.table(
        ["the backlog", "delivered/s", "reads of disk", "reads of memory",
         f"open loop of {phases.OPEN_RATE:,}/s: accepted/s", "p50 ms", "p99 ms",
         "closed loop: accepted/s", "bare server/s"],
        [[name, *(number(middle(reading, key))
                  for key in ("delivered", "disk_reads", "memory_reads", "paced", "p50", "p99",
                              "closed", "bare"))]
         for name, reading in (("at rest", False), ("read and delivered", True))])
    slower = {key: middle(True, key) / middle(False, key) for key in ("paced", "closed", "bare")}
    finding.target("open loop, accepted/s to that at rest", slower["paced"], at_least=0.8)
    # A bare server that gained in the noise must not make the gateway look slower.
    finding.target("closed loop, as a share of what the bare server keeps",
                   slower["closed"] / min(1, slower["bare"]), at_least=0.8)
    finding.note(f"closed loop alone: {slower['closed']:.2f}; the bare server, which shares the "
                 f"cores with the same delivery: {slower['bare']:.2f}")
    return finding


SCENARIOS = {"backlog-memory": backlog_memory, "backlog-start": backlog_start,
             "many-tenants": many_tenants, "backlog-read": backlog_read}
