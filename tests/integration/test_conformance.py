# SPDX-License-Identifier: Apache-2.0
"""The ingest's conformance cases, each under its number, against the real binary."""

import pytest

import conformance.events
import conformance.limits
import conformance.requests
import harness
from conformance.world import CASES, World

MODULES = (conformance.events, conformance.limits, conformance.requests)


@pytest.fixture(name="world", scope="module")
def make_world(tmp_path_factory):
    sandbox = harness.Sandbox()
    made = []

    def new_gateway(**changes):
        made.append(harness.Gateway(tmp_path_factory.mktemp("gateway"), sandbox.url, **changes))
        return made[-1]

    tenants = [harness.tenant_entry(name) for name in harness.TENANTS]
    tenants += [harness.tenant_entry("strict", strict=True),
                harness.tenant_entry("deduped", dedupe={"window": "1h"}),
                harness.tenant_entry("limited",
                                     limits={"events_per_second": 1, "burst_events": 2})]
    gateway = new_gateway(tenants=tenants, ingest={"trusted_proxies": ["127.0.0.1"]}).start()
    try:
        yield World(gateway, sandbox, new_gateway)
        assert sandbox.process.running()
    finally:
        for instance in made:
            instance.kill()
        sandbox.stop()


def test_every_case_is_here():
    assert {run.__module__ for run in CASES.values()} == {module.__name__ for module in MODULES}
    assert sorted(CASES) == list(range(1, 69))


@pytest.mark.parametrize("number", sorted(CASES), ids=lambda n: f"{n:02}-{CASES[n].__name__}")
def test_case(world, number):
    CASES[number](world)
    world.gateway.assert_conserved()
