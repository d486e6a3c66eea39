# SPDX-License-Identifier: Apache-2.0
"""A machine whose clock is set while the gateway runs. Calendar time alone jumps, as when an
operator or NTP sets it; see moved_clock.cc."""

import mmap
import os
import struct

import harness

DAY = 24 * 3600
LIBRARY = os.environ.get("GATEWAY_CLOCK_LIBRARY", os.path.join(
    os.path.dirname(harness.BINARY), "tests", "integration", "libmoved_clock.so"))


class MovedClock:
    """The clock of the gateways that got `env`; the tests and the sandbox keep the true one."""

    def __init__(self, folder):
        path = os.path.join(str(folder), "moved_clock")
        with open(path, "w+b") as file:
            file.write(bytes(8))
            file.flush()
            self._offset = mmap.mmap(file.fileno(), 8)
        assert os.path.exists(LIBRARY), f"{LIBRARY} is not built"
        self.env = {"LD_PRELOAD": LIBRARY, "GATEWAY_MOVED_CLOCK": path}

    def set(self, seconds):
        """From now on the gateways are so far ahead of the true time, or behind it."""
        self._offset[:] = struct.pack("q", int(seconds * 1e9))

    def follow(self, gateway):
        """Lets the gateway, from its next start, go by this clock; returns it."""
        gateway.env = self.env
        return gateway
