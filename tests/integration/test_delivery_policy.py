# SPDX-License-Identifier: Apache-2.0
"""What follows when Segment is away for everybody, and when it refuses everything of one tenant."""

import harness


def test_an_endpoint_that_is_down_is_probed_and_comes_back(new_gateway, sandbox):
    sandbox.set_faults({"status": 503})
    gateway = new_gateway(delivery={"endpoint": {"probe_initial": "100ms", "probe_max": "200ms",
                                                 "silence": "100ms"}}).start()
    for tenant in harness.TENANTS:
        gateway.send(f"{tenant}-1", f"{tenant}-2", tenant=tenant)
    harness.wait_until(lambda: gateway.metrics().total("endpoints_down") == 1, "downfall")
    assert gateway.process.wait_for_log(event="endpoint_down")["endpoint"] == "127.0.0.1"
    seen = len(sandbox.requests())
    harness.wait_until(lambda: len(sandbox.requests()) > seen + 2, "probes")

    sandbox.clear_faults()
    gateway.wait_drained()
    gateway.process.wait_for_log(event="endpoint_back")
    assert gateway.metrics().total("endpoints_down") == 0
    for tenant in harness.TENANTS:
        assert sandbox.ids(tenant) == [f"{tenant}-1", f"{tenant}-2"]
    gateway.assert_conserved()
    assert gateway.stop() == 0


def test_a_tenant_that_is_refused_everything_keeps_its_events(new_gateway, sandbox):
    names = [f"m{n}" for n in range(10)]
    sandbox.set_faults({"status": 400})
    gateway = new_gateway(delivery={"max_refused_in_a_row": 3}).start()
    gateway.send(*names)
    harness.wait_until(lambda: gateway.metrics().total("tenants_held") == 1, "hold")
    assert gateway.process.wait_for_log(event="tenant_held")["reason"] == "events_refused"
    # They are stored a moment after the hold has begun.
    harness.wait_until(lambda: gateway.metrics().total("events_dead_total") == 3, "dead letters")
    assert gateway.stop() == 0

    gateway.start()
    # A restart forgets nothing: were it so, more of them would be dead in the end.
    harness.wait_until(lambda: gateway.metrics().total("tenants_held") == 1, "hold")
    sandbox.clear_faults()
    gateway.wait_drained()
    assert sandbox.ids("acme") == names[3:]
    assert gateway.metrics().total("events_dead_total") == 3
    gateway.assert_conserved()
    assert gateway.stop() == 0
