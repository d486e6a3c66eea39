# SPDX-License-Identifier: Apache-2.0
"""The unmodified Node.js clients while the gateway restarts, refuses or loses answers: all that
a client believes delivered arrives, and what arrives twice does so under one messageId."""

import pytest

import clients
import harness
from wire import Fault

NODE_CLIENTS = ("analytics_node", "analytics_node_6", "rudder_sdk_node")


@pytest.fixture(params=NODE_CLIENTS)
def start_client(request):
    """A function that starts one client against a URL."""
    started = []

    def start(url):
        started.append(clients.NodeClient(request.param, url, harness.ingest_key("acme")))
        return started[-1]

    yield start
    for client in started:
        client.kill()


def check(client, count, sent, gateway, sandbox):
    """The client believes that all `count` calls went well, and it is right. Returns what
    arrived, repetitions included."""
    assert client.failed() == {}
    assert client.believed() == set(range(count))
    gateway.wait_drained()
    arrived = clients.received(sandbox)
    clients.assert_complete(range(count), sent, arrived)
    gateway.assert_conserved()
    assert gateway.metrics().total("events_dead_total") == 0
    return arrived


@pytest.mark.parametrize("end", (harness.Gateway.stop, harness.Gateway.kill),
                         ids=("sigterm", "kill_9"))
def test_a_restart_in_the_middle(end, start_client, gateway, wire, sandbox):
    client = start_client(wire.to(gateway).url)
    client.send(200)
    harness.wait_until(lambda: len(client.believed()) >= 20, "delivery before the restart")
    end(gateway)
    client.send(100)
    harness.wait_until(lambda: wire.calls(status=0), "call that fails")
    wire.to(gateway.start())
    client.send(100)
    client.finish()
    check(client, 400, wire.events(), gateway, sandbox)


def test_refusals_and_cuts(start_client, gateway, wire, sandbox):
    faults = (Fault(status=503, retry_after=1), Fault(status=429, retry_after=1),
              Fault(cut_before=True), Fault(cut_after=True))
    wire.fail(*faults)
    client = start_client(wire.to(gateway).url)
    client.send(100)
    client.finish()
    assert wire.faults_left() == 0
    arrived = check(client, 100, wire.events(), gateway, sandbox)
    assert len(arrived) > 100, "what was cut off after the gateway had it was not sent again"


def test_a_tenant_over_its_limit(start_client, new_gateway, wire, sandbox):
    gateway = new_gateway(tenants=[harness.tenant_entry(
        "acme", limits={"events_per_second": 40, "burst_events": 20})]).start()
    client = start_client(wire.to(gateway).url)
    client.send(100)
    client.finish()
    assert wire.calls(status=429)
    check(client, 100, wire.events(), gateway, sandbox)


def test_a_gateway_without_room(start_client, new_gateway, sandbox):
    """Straight at the gateway: it answers 503 before it has read the body, is gone for a moment,
    and comes back with room."""
    gateway = new_gateway(storage={"min_free_disk": "16TiB"}).launch()
    gateway.config["ingest"]["listen"] = f"127.0.0.1:{gateway.ingest_port}"
    gateway.config["storage"]["min_free_disk"] = "1MiB"
    client = start_client(f"http://127.0.0.1:{gateway.ingest_port}")
    client.send(100)
    harness.wait_until(
        lambda: gateway.metrics().with_label("ingest_requests_total", 'code="503"') > 0, "refusal")
    gateway.stop()
    gateway.start()
    client.finish()

    assert client.believed() == set(range(100))
    gateway.wait_drained()
    arrived = clients.received(sandbox)
    assert len(arrived) == 100
    for event in arrived:
        clients.assert_carries(client.calls[clients.number(event)], event)
    assert {clients.number(event) for event in arrived} == set(range(100))
