# SPDX-License-Identifier: Apache-2.0
"""Runs the Node.js clients of tests/integration/node, and compares what a client put on the
wire with what Segment received."""

import collections
import datetime
import os
import subprocess
import threading

import harness
import wire

NODE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")
CALLS = ("identify", "track", "page", "screen", "group", "alias")
# How many messages of node/corpus.mjs are special; the rest are ordinary track calls.
SPECIAL = 7

# Members that the gateway or Segment own (contract of the Tracking API); the rest of an event
# has to come through value for value.
SERVER_OWNED = ("receivedAt", "sentAt", "originalTimestamp", "version", "projectId", "writeKey")


class NodeClient:
    """One run of node/send.mjs."""

    def __init__(self, name, url, key):
        self._lines = []
        self._news = threading.Condition()
        self._popen = subprocess.Popen(["node", "send.mjs", name, url, key], cwd=NODE, text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
        self._errors = []
        self._readers = [threading.Thread(target=self._read, daemon=True),
                         threading.Thread(target=self._read_errors, daemon=True)]
        for reader in self._readers:
            reader.start()

    def _read(self):
        for line in self._popen.stdout:
            with self._news:
                self._lines.append(wire.parse(line))

    def _read_errors(self):
        self._errors += self._popen.stderr

    def _entries(self, name):
        with self._news:
            return [line for line in self._lines if name in line]

    def send(self, count):
        """Makes so many more calls of the corpus."""
        self._popen.stdin.write(f"{count}\n")
        self._popen.stdin.flush()

    @property
    def calls(self):
        """Every call so far by its number: {type, with: arguments}."""
        return {int(entry["call"].text): entry for entry in self._entries("call")}

    def believed(self):
        """The numbers of the calls that the client reported as delivered."""
        return {int(entry["done"].text) for entry in self._entries("done")
                if entry["error"] is None}

    def failed(self):
        """{number: error} of the calls that the client gave up."""
        return {int(entry["done"].text): entry["error"] for entry in self._entries("done")
                if entry["error"] is not None}

    def finish(self, timeout=100.0):
        """Flushes and ends the client; fails when it did not end well."""
        self._popen.stdin.close()
        code = self._popen.wait(timeout * harness.PATIENCE)
        for reader in self._readers:
            reader.join(timeout)
        assert code == 0, "".join(self._errors)[-4000:]

    def kill(self):
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait()


# ------------------------------------------------------------------------ comparison

def received(sandbox, tenant="acme"):
    """The events Segment received for a tenant, with their numbers as text."""
    records = [wire.parse(line) for line in sandbox.raw_records()]
    return [record["event"] for record in records
            if record["write_key"] == harness.write_key(tenant)]


def number(event):
    """Which message of the corpus this is."""
    return int(event["context"]["call"].text)


def _comparable(event, added_ip=None):
    event = {name: value for name, value in event.items()
             if name not in SERVER_OWNED and name != "timestamp"}
    if added_ip and "ip" not in event["context"]:
        event["context"] = {**event["context"], "ip": added_ip}
    return event


def same(versions, event, added_ip=None):
    """Whether an event arrived as one of the versions that the client wrote. `added_ip` is what
    the gateway adds for browsers, where there is none."""
    return _comparable(event) in [_comparable(version, added_ip) for version in versions]


def assert_complete(calls, sent, arrived, added_ip=None):
    """Each of the numbered calls arrived under one messageId and as written, and nothing else
    arrived. Repetitions are the caller's business."""
    ids = collections.defaultdict(set)
    for event in arrived:
        assert event["messageId"] in sent, event
        ids[number(event)].add(event["messageId"])
        assert same(sent[event["messageId"]], event, added_ip), (sent[event["messageId"]], event)
    assert set(ids) == set(calls)
    assert all(len(of_call) == 1 for of_call in ids.values()), ids


def _instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def assert_timestamps(sent, arrived):
    """The clock correction moved each timestamp by no more than the way to the gateway took.
    Not after retries: some clients repeat the sentAt of their first attempt."""
    for event in arrived:
        for version in sent[event["messageId"]]:
            if "timestamp" in version:
                moved = _instant(event["timestamp"]) - _instant(version["timestamp"])
                assert abs(moved.total_seconds()) < 5 * harness.PATIENCE, (version, event)


def assert_carries(entry, event):
    """The event is what this call of the application should have become, seen without a look
    at what the library made of it."""
    assert event["type"] == entry["type"]
    for name, value in entry["with"].items():
        found = event.get(name)
        if name in ("context", "integrations") or (entry["type"], name) == ("page", "properties"):
            # Libraries add to these themselves: their own name, the page's category.
            found = {key: found.get(key) for key in value}
        assert found == value, (entry, event)
