# SPDX-License-Identifier: Apache-2.0
"""The unmodified Node.js clients against the gateway: what Segment receives is what the
application sent, once, and value for value."""

import pytest

import clients
import harness

NODE_CLIENTS = ("analytics_node", "analytics_node_6", "rudder_sdk_node")
COUNT = 300


@pytest.fixture(params=NODE_CLIENTS)
def client(request, gateway, wire):
    """One client that talks to a running gateway through the wire."""
    instance = clients.NodeClient(request.param, wire.to(gateway).url, harness.ingest_key("acme"))
    yield instance
    instance.kill()


def test_everything_arrives_once_and_as_sent(client, wire, gateway, sandbox):
    client.send(COUNT)
    client.finish()
    assert {entry["type"] for entry in client.calls.values()} == set(clients.CALLS)
    assert client.believed() == set(range(COUNT))
    assert {exchange.status for exchange in wire.exchanges} == {200}

    gateway.wait_drained()
    arrived, sent = clients.received(sandbox), wire.events()
    assert len(arrived) == len(sent) == COUNT
    clients.assert_complete(range(COUNT), sent, arrived)
    clients.assert_timestamps(sent, arrived)

    by_number = {clients.number(event): event for event in arrived}
    for number, entry in client.calls.items():
        clients.assert_carries(entry, by_number[number])
    gateway.assert_conserved()
    assert gateway.metrics().total("events_dead_total") == 0
