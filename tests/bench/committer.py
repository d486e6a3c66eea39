# SPDX-License-Identifier: Apache-2.0
"""Scenario `committer`: queue_bench's rows that belong together, as one table with ratios."""

import json
import os
import subprocess

from findings import Finding, number
from measure import BenchError

ROWS = {
    "Append/1000/1": "RocksQueue, groups of 1,000, one at a time",
    "Append/1000/2": "RocksQueue, groups of 1,000, two under way",
    "Append/1000/4": "RocksQueue, groups of 1,000, four under way",
    "RawAppendAndSync/1000": "append + fdatasync, groups of 1,000",
    "Append/1/64": "RocksQueue, single events, 64 waiting",
    "RawAppendAndSync/64": "append + fdatasync, groups of 64",
    "Append/1/1": "RocksQueue, single events, one at a time",
    "RawAppendAndSync/1": "append + fdatasync, one event",
    "SyncedPut/Threads/1/threads:1": "RocksDB, synced Put, 1 thread",
    "SyncedPut/Threads/1/threads:64": "RocksDB, synced Put, 64 threads",
    "SyncedPut/Threads/100/threads:64": "RocksDB, synced WriteBatch of 100, 64 threads",
}


def run_queue_bench(rig):
    """{row: its numbers}, each the median of the repetitions, which take turns."""
    pattern = "^(" + "|".join(row.replace("/threads:", "/real_time/threads:")
                              if "/threads:" in row else row + "/real_time"
                              for row in ROWS) + ")$"
    out = os.path.join(rig.folder, "queue_bench.json")
    smoke = rig.options.smoke
    arguments = [rig.queue_bench, f"--benchmark_filter={pattern}", f"--benchmark_out={out}",
                 f"--benchmark_min_time={0.01 if smoke else rig.options.duration / 5:g}",
                 f"--benchmark_repetitions={rig.options.repetitions}",
                 "--benchmark_enable_random_interleaving=true"]
    # Its stores have to be on a real disk, as the gateway's.
    done = subprocess.run(arguments, env=os.environ | {"TMPDIR": rig.folder}, check=False,
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"queue_bench: {done.stderr[-500:]}")
    with open(out, encoding="utf-8") as file:
        measured = json.load(file)["benchmarks"]
    rows = {}
    for row in ROWS:
        name = row.replace("/threads:", "/real_time/threads:") if "/threads:" in row \
            else row + "/real_time"
        mine = [b for b in measured if b["run_name"].removesuffix("/threads:1") ==
                name.removesuffix("/threads:1")]
        if not mine or any("error_message" in b for b in mine):
            raise BenchError(f"queue_bench has no result for {row}")
        medians = [b for b in mine if b.get("aggregate_name") == "median"] or mine
        rows[row] = medians[0]
    return rows


def committer(rig):
    """queue_bench: the committer next to a bare log file and to RocksDB's own grouping"""
    rows = run_queue_bench(rig)
    rate = {name: row["items_per_second"] for name, row in rows.items()}
    micros = {name: row["real_time"] / 1000 for name, row in rows.items()}
    finding = Finding("committer", f"events of 800 B, medians of {rig.options.repetitions}")
    finding.table(["", "events/s", "CPU µs/event", "µs a write"],
                  [[title, number(rate[name]), f"{rows[name]['cpu_us_event']:.2f}",
                    number(micros[name]) if "under way" not in title and "waiting" not in title
                    else ""] for name, title in ROWS.items()])
    large = ("Append/1000/2", "Append/1000/4")
    finding.target("groups of 1,000 to the bare append",
                   max(rate[name] for name in large) / rate["RawAppendAndSync/1000"], at_least=0.7)
    finding.target("64 waiting to groups of 64 appended",
                   rate["Append/1/64"] / rate["RawAppendAndSync/64"], at_least=0.8)
    finding.target("CPU µs an event in large groups",
                   min(rows[name]["cpu_us_event"] for name in large), at_most=0.8)
    finding.target("when idle, an acknowledgement to one fsync",
                   micros["Append/1/1"] / micros["RawAppendAndSync/1"], at_most=2)
    finding.note(f"64 waiting to 64 threads of synced Put: "
                 f"{rate['Append/1/64'] / rate['SyncedPut/Threads/1/threads:64']:.1f}; groups of "
                 f"1,000 to 64 threads of WriteBatch: "
                 f"{rate['Append/1000/4'] / rate['SyncedPut/Threads/100/threads:64']:.1f}")
    return finding


SCENARIOS = {"committer": committer}
