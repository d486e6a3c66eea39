# SPDX-License-Identifier: Apache-2.0
"""A store full of events, and damage to its files while nobody has it open."""

import collections
import json
import os
import random
import re

import harness

BATCH = 20


def files(gateway, pattern):
    """The store's files whose whole name matches, oldest first; RocksDB numbers them."""
    folder = gateway.config["storage"]["path"]
    names = [name for name in os.listdir(folder) if re.fullmatch(pattern, name)]
    return [os.path.join(folder, name)
            for name in sorted(names, key=lambda name: int(re.sub(r"\D", "", name) or 0))]


def write_ahead_logs(gateway):
    """Those that hold something."""
    return [path for path in files(gateway, r"\d+\.log") if os.path.getsize(path)]


def tables(gateway, text):
    """Table files that hold this text, compressed or not: LZ4 leaves what is new as it is."""
    return [path for path in files(gateway, r"\d+\.sst") if find(path, text) >= 0]


def find(path, text):
    """Offset of the text, or -1."""
    with open(path, "rb") as file:
        return file.read().find(text.encode())


def flip(path, offset, bit=0):
    """One bit is wrong; an offset below 0 counts from the end. The same again undoes it."""
    with open(path, "r+b") as file:
        file.seek(offset, os.SEEK_SET if offset >= 0 else os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1 << bit]))


def cut(path, size):
    """The file ends early; a size below 0 is what it loses."""
    os.truncate(path, size if size >= 0 else os.path.getsize(path) + size)


def records(path):
    """Where those of RocksDB's list of files begin, of one that is smaller than a block; and how
    long each is."""
    with open(path, "rb") as file:
        data = file.read()
    found = []
    offset = 0
    while offset < len(data) < 32768:
        size = 7 + int.from_bytes(data[offset + 4:offset + 6], "little")
        found.append((offset, size))
        offset += size
    return found


class Store:
    """A gateway that was killed with events of two tenants in its store, in batches that are
    records of their own."""

    def __init__(self, gateway, sandbox):
        self.gateway = gateway
        self.sandbox = sandbox
        self.folder = gateway.config["storage"]["path"]
        self.ids = collections.defaultdict(list)
        self._dice = random.Random(11)
        sandbox.set_faults({"status": 503})
        gateway.start()

    def send(self, tenant, batches, size=100):
        """So many batches of events of about `size` bytes that no compression makes smaller."""
        client = self.gateway.client(tenant)
        for _ in range(batches):
            first = len(self.ids[tenant])
            events = [{"type": "track", "userId": "u", "event": "e",
                       "messageId": f"{tenant}-{number:05}-",
                       "properties": {"fill": self._dice.randbytes(size // 2).hex()}}
                      for number in range(first, first + BATCH)]
            assert client.post("/v1/batch", {"batch": events}).status == 200
            self.ids[tenant] += [event["messageId"] for event in events]
        client.close()

    def kill(self):
        self.gateway.kill()
        return self

    def flush(self):
        """Brings events into a table, and more into the log file; returns the table. A start writes
        what it finds in the log file into one table, before the gateway is ready."""
        self.send("globex", 1)
        self.send("acme", 15, size=2000)
        self.gateway.kill()
        self.gateway.start()
        [table] = tables(self.gateway, self.ids["acme"][0])
        # Later than everything in the table, so that no log ends with what is damaged.
        self.send("acme", 1)
        self.send("globex", 1)
        self.kill()
        return table

    def deliver(self):
        """Starts the gateway, lets everything out, and returns {tenant: ids that were lost}."""
        self.sandbox.clear_faults()
        self.gateway.start()
        self.gateway.wait_drained()
        lost = {}
        for tenant, ids in self.ids.items():
            arrived = self.sandbox.ids(tenant)
            assert len(arrived) == len(set(arrived)), "something came twice"
            assert set(arrived) <= set(ids)
            assert arrived == sorted(arrived), "the order is not kept"
            lost[tenant] = [identity for identity in ids if identity not in set(arrived)]
        return lost

    def assert_counted(self, events):
        """So many events are lost, and nothing else is out of the ordinary."""
        metrics = self.gateway.metrics()
        assert metrics.total("queue_quarantined_events_total") == events
        assert metrics.total("events_dead_total") == events
        assert metrics.total("events_accepted_total") == sum(map(len, self.ids.values()))
        self.gateway.assert_conserved()

    def assert_lost_logs(self, whole):
        """Nobody knows any more whose events there were: they are pending for tenants that nobody
        configured, the whole ones to be exported, and those who sent them begin anew; after a
        restart too."""
        self.sandbox.clear_faults()
        for _ in range(2):
            self.gateway.start()
            logs = map(json.loads, self.tool("inspect", "--json").stdout.splitlines())
            pending = {log["tenant"]: log["pending"] for log in logs if log["pending"]}
            assert sorted(pending.values()) == sorted(map(len, self.ids.values()))
            assert all(tenant.startswith("lost-log-") for tenant in pending), pending
            self.gateway.assert_conserved()
            assert self.tool("verify").stdout.count("whose events log") == len(pending)
            exported = "".join(self.tool("export", "--tenant", tenant).stdout for tenant in pending)
            assert [json.loads(line)["messageId"] for line in exported.splitlines()] == whole
            self.kill()

    def assert_goes_on(self, lost):
        """After a restart too: new events flow, and what was lost stays counted."""
        for restart in (False, True):
            if restart:
                assert self.gateway.stop() == 0
                self.gateway.start()
            self.send("acme", 1)
            self.gateway.wait_drained()
            assert self.sandbox.ids("acme")[-BATCH:] == self.ids["acme"][-BATCH:]
            assert self.gateway.metrics().total("events_dead_total") == lost
            self.gateway.assert_conserved()
        assert self.gateway.stop() == 0
        assert "terminate" not in self.gateway.all_logs()

    def tool(self, name, *arguments):
        return harness.run("queue", name, "--path", self.folder, *arguments)
