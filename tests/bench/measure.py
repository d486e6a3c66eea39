# SPDX-License-Identifier: Apache-2.0
"""The processes of a benchmark and what Linux says about them: CPU by thread, memory, disk.

CPU comes from /proc/PID/task/*/schedstat (nanoseconds), not from the 10 ms ticks of
/proc/PID/stat; the threads of the gateway live as long as it does, so none is missed.
"""

import collections
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request


class BenchError(Exception):
    """The benchmark cannot go on, or its result would be worth nothing."""


class Process:
    """A child whose first line of standard output that is JSON with a "port" says where it
    listens (the bare server and the sink), or whose log on standard error does."""

    def __init__(self, name, arguments, log=None):
        self.name = name
        self._lines = []
        self._news = threading.Condition()
        self._log = log
        self._popen = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for raw in self._popen.stdout:
            try:
                line = json.loads(raw)
            except ValueError:
                line = None
            with self._news:
                self._lines.append(line if isinstance(line, dict) else
                                   {"text": raw.decode("utf-8", "replace").rstrip()})
                self._news.notify_all()
            if self._log:
                self._log.write(raw)
        with self._news:
            self._lines.append(None)
            self._news.notify_all()

    def wait_for(self, timeout=60.0, **fields):
        """The first line with these fields; without any, with a port."""
        def found():
            for line in self._lines:
                if line is None:
                    raise BenchError(f"{self.name} ended at once: {self._lines[:-1][-5:]}")
                if (fields or "port" in line) and all(line.get(k) == v
                                                      for k, v in fields.items()):
                    return line
            return None

        with self._news:
            if not self._news.wait_for(found, timeout):
                raise BenchError(f"{self.name} did not start in {timeout:g} s")
            return found()

    def complaints(self):
        """Warnings and errors in the log, by event."""
        with self._news:
            return collections.Counter(
                f"{line['level']} {line.get('event', '')}" for line in self._lines
                if line and line.get("level") in ("warning", "warn", "error"))

    @property
    def pid(self):
        return self._popen.pid

    def kill(self):
        self._popen.kill()
        self._popen.wait()

    def stop(self):
        """SIGTERM, then SIGKILL; the exit code."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(30)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        return self._popen.wait()


def _read(path):
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def _status_kib(pid, name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", _read(f"/proc/{pid}/status"), re.M).group(1))


class Sample:
    """What one process has used so far."""

    def __init__(self, pid):
        self.threads = collections.Counter()
        for task in os.listdir(f"/proc/{pid}/task"):
            try:
                nanos = int(_read(f"/proc/{pid}/task/{task}/schedstat").split()[0])
                name = _read(f"/proc/{pid}/task/{task}/comm").strip()
            except (FileNotFoundError, ProcessLookupError):
                continue
            self.threads[re.sub(r"[-:]?(?:low|high|bottom)?\d*$", "", name) or name] += nanos / 1000
        self.written = int(re.search(r"^write_bytes: (\d+)", _read(f"/proc/{pid}/io"),
                                     re.M).group(1))
        self.rss = _status_kib(pid, "VmRSS") * 1024
        self.peak_rss = _status_kib(pid, "VmHWM") * 1024

    @property
    def cpu_us(self):
        return sum(self.threads.values())


def let_pass(seconds):
    """For a span that is itself measured, such as an idle process."""
    time.sleep(seconds)


def forget_peak_rss(pid):
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def machine_busy_us():
    """CPU time of everything on this machine, the hypervisor's share included."""
    fields = [int(field) for field in _read("/proc/stat").split("\n")[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) * 1e6 / os.sysconf("SC_CLK_TCK")


def get_json(port, path, timeout):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def metrics(port):
    """Every series of /metrics without its prefix; labels are part of the name."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    values = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            values[series.removeprefix("segment_gateway_")] = float(value)
    return values
