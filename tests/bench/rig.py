# SPDX-License-Identifier: Apache-2.0
"""What every scenario stands on: the binaries, a gateway's configuration, its life and its load."""

import json
import os
import subprocess
import time

from measure import BenchError, Process, get_json, metrics

DRAIN_SECONDS = 600


def set_key(config, key, value):
    """`delivery.retry.max` into {"delivery": {"retry": {"max": …}}}."""
    *parents, name = key.split(".")
    for parent in parents:
        config = config.setdefault(parent, {})
    config[name] = value


class Rig:
    """One set of binaries, one folder for their data."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.gateway = os.path.join(options.build, "segment-gateway")
        self.load = os.path.join(options.build, "tests/bench/gateway-load")
        self.bare = os.path.join(options.build, "tests/bench/bare-server")
        self.queue_bench = os.path.join(options.build, "tests/bench/queue_bench")
        for binary in (self.gateway, self.load, self.bare, self.queue_bench):
            if not os.access(binary, os.X_OK):
                raise BenchError(f"{binary} is missing; build it: ./dev build release")

    def tool(self, *arguments):
        done = subprocess.run([self.load, *map(str, arguments)], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise BenchError(f"gateway-load {arguments[0]}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def start_sink(self):
        return Process("sink", [self.load, "sink", "--latency-ms",
                                str(self.options.sink_latency_ms)])

    def write_config(self, folder, sink_port, tenants, settings):
        """`tenants` is how many, or their entries; `settings` maps dotted keys to values, and
        --set comes after them. JSON is YAML."""
        path = os.path.join(folder, "gateway.yaml")
        config = {"ingest": {"listen": "127.0.0.1:0"}, "admin": {"listen": "127.0.0.1:0"},
                  "storage": {"path": os.path.join(folder, "data"), "min_free_disk": 0},
                  "segment": {"endpoints": {"sink": f"http://127.0.0.1:{sink_port}"}},
                  "delivery": {"tenant_events_per_second": 0},
                  "log": {"format": "json"},
                  "tenants": tenants if isinstance(tenants, list)
                  else [tenant_entry(i) for i in range(tenants)]}
        for key, value in settings.items():
            set_key(config, key, value)
        for setting in self.options.set:
            key, _, value = setting.partition("=")
            set_key(config, key, value)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        return path

    def start_gateway(self, config, log=None):
        return Process("segment-gateway", [self.gateway, "serve", "--config", config], log)


def tenant_entry(number, **more):
    return {"id": f"bench-{number:06}", "ingest_keys": [f"bench-ingest-{number:06}"],
            "segment": {"write_key": f"BenchWriteKey{number:019}", "region": "sink"}} | more


class Life:
    """A store on disk with a sink, and the gateways that serve it one after the other. Counts
    what was accepted and fails when the sink does not get each event exactly once."""

    def __init__(self, rig, name, tenants, settings):
        self.rig = rig
        self.name = name
        self.folder = os.path.join(rig.folder, name)
        os.mkdir(self.folder)
        self.data = os.path.join(self.folder, "data")
        self.sink = rig.start_sink()
        self.sink_port = self.sink.wait_for()["port"]
        self.config = self.configure(tenants, settings)
        self.process = None
        self.port = self.admin_port = 0
        self.sent = self.accepted = 0
        self._log = open(os.path.join(self.folder, "gateway.log"), "wb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in filter(None, (self.process, self.sink)):
            process.stop()
        self._log.close()

    def configure(self, tenants, settings):
        self.config = self.rig.write_config(self.folder, self.sink_port, tenants, settings)
        return self.config

    def start(self, timeout=120):
        """Seconds from exec to ready."""
        began = time.monotonic()
        self.process = self.rig.start_gateway(self.config, self._log)
        self.process.wait_for(timeout, event="ready")
        seconds = time.monotonic() - began
        self.admin_port = self.process.wait_for(event="listening", listener="admin")["port"]
        self.port = self.process.wait_for(event="listening", listener="ingest")["port"]
        return seconds

    def stop(self):
        code = self.process.stop()
        self.process = None
        if code != 0:
            raise BenchError(f"{self.name}: the gateway ended with {code}")

    def kill(self):
        self.process.kill()
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def send(self, **options):
        """gateway-load send; a retried event never has a number that was used before."""
        arguments = [part for name, value in options.items()
                     for part in (f"--{name.replace('_', '-')}", value)]
        sent = self.rig.tool("send", "--port", self.port, "--first-id", self.sent, *arguments)
        self.sent += sent["events_sent"]
        self.accepted += sent["events_accepted"]
        return sent

    def refuse(self, status):
        """The sink answers `status` to everything; 0 takes it again."""
        get_json(self.sink_port, f"/refuse?status={status}", 10)

    def hold(self, on):
        """The sink keeps its answers back, so that each tenant waits with one batch."""
        get_json(self.sink_port, f"/hold?on={int(on)}", 10)

    def wait_for_sink(self, distinct, seconds=DRAIN_SECONDS):
        return get_json(self.sink_port, f"/wait?distinct={distinct}&timeout_ms={seconds * 1000}",
                        seconds + 30)

    def delivered(self):
        return get_json(self.sink_port, "/count", 10)["distinct"]

    def drain(self):
        """Waits for all of it, and checks it. What was refused may be stored all the same."""
        got = self.wait_for_sink(self.accepted)
        if not self.accepted <= got["distinct"] <= self.sent:
            raise BenchError(f"{self.name}: {self.accepted} events were accepted of {self.sent}, "
                             f"and {got['distinct']} arrived")
        if got["repeated"]:
            raise BenchError(f"{self.name}: {got['repeated']} events arrived twice")
        return got

    def metrics(self):
        return metrics(self.admin_port)
