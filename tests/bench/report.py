# SPDX-License-Identifier: Apache-2.0
"""The tables of `./dev bench`, in Markdown. What the columns mean: docs/benchmarks.md."""

import os
import platform
import statistics
import time


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file
                      if line.startswith("model name")), platform.machine())
    return {"date": time.strftime("%Y-%m-%d"), "cpu": model, "cores": os.cpu_count(),
            "kernel": platform.release(), "load_average": os.getloadavg()[0]}


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _spread(values, scale=1.0):
    """Median and range."""
    scaled = [value * scale for value in values]
    middle = number(statistics.median(scaled))
    if len(scaled) == 1:
        return middle
    return f"{middle} ({number(min(scaled))}–{number(max(scaled))})"


def _median(values, scale=1.0):
    return number(statistics.median(values) * scale)


def print_table(header, rows):
    print("| " + " | ".join(header) + " |")
    print("|---" + "|---:" * (len(header) - 1) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def _gateway(results):
    rows = []
    for result in results:
        r = result["repetitions"]
        rows.append([
            result["scenario"]["name"], _spread(r["accepted_per_second"]),
            _spread(r["delivered_per_second"]), _spread(r["cpu_us"]),
            _spread(r["p50_us"], 1e-3), _spread(r["p99_us"], 1e-3), _spread(r["p999_us"], 1e-3),
            f"{_median(r['rss'], 1e-6)} / {number(max(r['peak_rss']) * 1e-6)}",
            _median(r["written_per_byte"]), _median(r["foreign_cpu"], 100)])
    print_table(["scenario", "accepted/s", "delivered/s", "CPU µs/event", "ack p50 ms", "p99 ms",
            "p99.9 ms", "RSS end/peak MB", "written/byte", "foreign CPU %"], rows)


def _baselines(results):
    rows = []
    for result in results:
        r, append = result["repetitions"], result["append"]
        cpu, bare = statistics.median(r["cpu_us"]), statistics.median(r["bare_cpu_us"])
        accepted = statistics.median(r["accepted_per_second"])
        bare_accepted = statistics.median(r["bare_per_second"])
        above = (statistics.median(r["p99_us"]) - append["p99_us"]) / 1000
        rows.append([
            result["scenario"]["name"], number(bare_accepted), number(bare),
            f"{cpu / bare:.1f}x", f"{accepted / bare_accepted:.2f}x",
            _median(r["bare_p99_us"], 1e-3), _median(r["events_per_fsync"]),
            _median(r["fsync_mean_us"], 1e-3),
            f"{append['p50_us'] / 1000:.2f} / {append['p99_us'] / 1000:.2f}",
            number(append["cpu_us"]), f"{above:.2f}", _median(r["events_per_delivery"])])
    print_table(["scenario", "bare: events/s", "CPU µs/event", "CPU ratio", "rate ratio", "p99 ms",
            "events/fsync", "its mean ms", "append alone: p50/p99 ms", "CPU µs/event",
            "ack p99 above it ms", "events/delivery"], rows)


def _threads(results):
    names = sorted(set().union(*(result["threads"] for result in results)))
    print_table(["CPU µs/event by thread"] + names,
           [[result["scenario"]["name"]] + [f"{result['threads'].get(name, 0):.3f}"
                                            for name in names] for result in results])


def print_tables(results, options):
    where = machine()
    print(f"{where['date']}, {where['cpu']}, {where['cores']} cores, Linux {where['kernel']}, "
          f"load average {where['load_average']:.1f}; {options.repetitions} x "
          f"{options.duration:g} s, medians (and range)\n")
    _gateway(results)
    _baselines(results)
    _threads(results)
    for result in results:
        name, r = result["scenario"]["name"], result["repetitions"]
        if sum(r["refused"]):
            print(f"{name}: {sum(r['refused'])} requests were refused")
        if result["scenario"]["rate"] and max(r["lateness_p99_us"]) > 1000:
            print(f"{name}: the generator itself was {max(r['lateness_p99_us']) / 1000:.1f} ms "
                  "late at p99: no free connection, or no free core")
        for what, times in result["complaints"].items():
            print(f"{name}: the gateway logged {what} {times} times")
    print("Every accepted event reached the sink exactly once.")
