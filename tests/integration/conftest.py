# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a sandbox and gateways that end with their test, whatever happens in it."""

import pytest

import clock as clocks
import disks
import harness
import wire as wires


@pytest.fixture
def sandbox():
    instance = harness.Sandbox()
    try:
        yield instance
        assert instance.complaints() == []
    finally:
        instance.stop()


@pytest.fixture
def new_gateway(tmp_path, sandbox):
    """A function that makes a gateway (not started) with changes to its configuration."""
    made = []

    def make(folder=None, **changes):
        path = folder or tmp_path / f"gateway{len(made)}"
        path.mkdir(exist_ok=True)
        made.append(harness.Gateway(path, sandbox.url, **changes))
        return made[-1]

    yield make
    for gateway in made:
        gateway.kill()


@pytest.fixture
def gateway(new_gateway):
    """A running gateway with the configuration of harness.gateway_config."""
    return new_gateway().start()


@pytest.fixture
def clock(tmp_path):
    """A clock to set; see clock.py."""
    return clocks.MovedClock(tmp_path)


@pytest.fixture(params=disks.KINDS)
def disk(request, tmp_path):
    """A small file system; see disks.py."""
    instance = disks.Disk(request.param, tmp_path)
    yield instance
    instance.unmount()


@pytest.fixture
def wire():
    """The way between a client and a gateway; see wire.py."""
    instance = wires.Wire()
    yield instance
    instance.stop()
