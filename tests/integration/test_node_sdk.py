# SPDX-License-Identifier: Apache-2.0
"""The unmodified @segment/analytics-node against the gateway: what Segment receives is what
the application sent, value for value."""

import collections
import datetime
import json
import os
import subprocess

import harness

NODE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")
# What the server side owns; everything else has to come through untouched.
SERVER_OWNED = ("receivedAt", "sentAt", "originalTimestamp", "channel", "version", "projectId",
                "writeKey")


def send(gateway):
    """Runs send.mjs; returns its calls and the events of the SDK's requests, by messageId."""
    result = subprocess.run(
        ["node", "send.mjs", f"http://127.0.0.1:{gateway.ingest_port}",
         harness.ingest_key("acme")],
        cwd=NODE, capture_output=True, text=True, timeout=120 * harness.PATIENCE, check=False)
    assert result.returncode == 0, result.stderr
    calls, wire = [], {}
    for line in result.stdout.split("\n"):
        if line:
            entry = json.loads(line)
            if "call" in entry:
                calls.append(entry)
            else:
                wire[entry["wire"]["messageId"]] = entry["wire"]
    return calls, wire


def without(event, *names):
    return {name: value for name, value in event.items()
            if name not in SERVER_OWNED and name not in names}


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_everything_the_sdk_sends_arrives_as_sent(gateway, sandbox):
    calls, wire = send(gateway)
    assert len(calls) == len(wire) == 1007
    assert {entry["call"] for entry in calls} == {
        "identify", "track", "page", "screen", "group", "alias"}

    harness.wait_until(lambda: len(set(sandbox.ids())) >= len(wire), "arrival of every event", 60)
    received = sandbox.events()
    assert {event["messageId"] for event in received} == set(wire)

    for event in received:
        sent = wire[event["messageId"]]
        assert without(event, "timestamp") == without(sent, "timestamp")
        # The clock correction moves it by no more than the way to the gateway took.
        moved = abs((instant(event["timestamp"]) - instant(sent["timestamp"])).total_seconds())
        assert moved < 5 * harness.PATIENCE
    gateway.wait_drained()
    gateway.assert_conserved()


def carries(event, entry):
    """Whether the event is what this call of the application should have become."""
    if event["type"] != entry["call"]:
        return False
    for name, value in entry["with"].items():
        found = event.get(name)
        if name == "context" or (entry["call"] == "page" and name == "properties"):
            # The SDK adds to these itself: its library, the page's category.
            found = {key: found.get(key) for key in value}
        if found != value:
            return False
    return True


def test_the_arguments_of_each_call_arrive(gateway, sandbox):
    """Without a look at what the SDK put on the wire. It keeps several requests in flight, so
    the order of arrival is its own."""
    calls, _ = send(gateway)
    gateway.wait_drained()
    arrived = collections.defaultdict(list)
    for event in sandbox.events("acme"):
        assert event["context"]["library"]["name"] == "@segment/analytics-node"
        arrived[event.get("userId")].append(event)
    for entry in calls:
        events = arrived[entry["with"].get("userId")]
        match = next((event for event in events if carries(event, entry)), None)
        assert match, entry
        events.remove(match)
    assert not any(arrived.values())
