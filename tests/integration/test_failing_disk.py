# SPDX-License-Identifier: Apache-2.0
"""A directory that stops taking writes under a running gateway: nothing is acknowledged that is
not stored, the process ends or goes on but does not crash, and what was acknowledged arrives."""

import collections

import pytest

import damage
import harness
from disks import Sender, assert_all_delivered, assert_refused


@pytest.fixture(name="make")
def fixture_make(disk, new_gateway):
    """A gateway on the disk; small buffers, so that table files are written soon."""
    def make(**changes):
        return new_gateway(**harness.merged({"storage": {
            "path": str(disk.path / "data"), "min_free_disk": "1MiB", "retry_interval": "100ms",
            "write_buffer": "4MiB", "max_wal": "16MiB"}}, changes))
    return make


def refused_or_gone(sender):
    """Whether the gateway stores nothing any more; nothing else may be answered."""
    try:
        answer = sender.send()
    except OSError:
        return True
    if answer.status == 200:
        return False
    assert_refused(answer)
    return True


def assert_refuses(gateway, sender, *said):
    """RocksDB cannot go on after such an error. While the directory cannot be opened again either, the
    process stays and says what is wrong."""
    for _ in range(3):
        assert_refused(sender.send())
    harness.wait_until(lambda: gateway.admin("/readyz").status == 503, "the watch to see it")
    ready = gateway.admin("/readyz")
    for part in said:
        assert part in str(ready.json), ready
    assert gateway.metrics().total("storage_refusing") == 1
    assert gateway.process.running()


def assert_stops_for_a_restart(gateway):
    """As soon as that can help; in order."""
    gateway.process.wait_for_log(event="storage_needs_restart")
    assert gateway.process.wait() == 1
    gateway.process.assert_sound()


def assert_does_not_start(gateway, *said):
    result = harness.run("serve", "--config", gateway.config_path())
    assert result.returncode == 1, result.stderr
    for part in (gateway.config["storage"]["path"], *said):
        assert part in result.stderr, result.stderr


@pytest.mark.parametrize("disk", ["ext4"], indirect=True)
def test_a_disk_that_turns_read_only(disk, make, sandbox):
    gateway = make().start()
    sender = Sender(gateway)
    for _ in range(5):
        assert sender.send().status == 200
    gateway.wait_drained()
    sandbox.set_faults({"status": 503})
    for _ in range(30):
        assert sender.send().status == 200
    disk.turn_read_only()
    harness.wait_until(lambda: refused_or_gone(sender), "refusal")
    assert_refuses(gateway, sender, "ead-only file system")
    assert gateway.stop() == 0
    assert_does_not_start(gateway, "ead-only file system")

    disk.mend()
    sandbox.clear_faults()
    gateway.start()
    assert sender.send().status == 200
    assert_all_delivered(gateway, sender, sandbox)
    assert gateway.stop() == 0


@pytest.mark.parametrize("disk", ["ext4"], indirect=True)
@pytest.mark.parametrize("fault", ["turn_read_only", "lose_device"])
def test_a_disk_that_fails_while_events_flow(fault, disk, make, sandbox):
    """What Segment has, and the store could not note, is sent once more after the restart; not
    again and again before it."""
    gateway = make().start()
    sender = Sender(gateway)
    for _ in range(20):
        assert sender.send().status == 200
    getattr(disk, fault)()
    harness.wait_until(lambda: refused_or_gone(sender), "refusal")
    assert_refuses(gateway, sender)
    assert gateway.stop() == 0
    assert_does_not_start(gateway)
    assert set(collections.Counter(sandbox.ids()).values()) <= {1}

    disk.mend()
    gateway.start()
    assert sender.send().status == 200
    assert_all_delivered(gateway, sender, sandbox)
    assert set(collections.Counter(sandbox.ids()).values()) <= {1, 2}
    assert gateway.stop() == 0


@pytest.mark.parametrize("disk", ["ext4"], indirect=True)
@pytest.mark.parametrize("what", ["folder", "files"])
def test_files_that_nobody_may_change(what, disk, make, sandbox):
    """The log file takes no more, or no new file may be made when one is needed."""
    gateway = make().start()
    sender = Sender(gateway)
    sandbox.set_faults({"status": 503})
    assert sender.send().status == 200
    folder = disk.path / "data"
    closed = [folder] if what == "folder" else damage.write_ahead_logs(gateway)
    disk.set_immutable(*closed)
    harness.wait_until(lambda: refused_or_gone(sender), "refusal")
    if what == "folder":
        assert_refuses(gateway, sender, "not permitted")
        assert_does_not_start(gateway)
        disk.set_immutable(*closed, on=False)
    assert_stops_for_a_restart(gateway)
    if what == "files":
        disk.set_immutable(*closed, on=False)
    sandbox.clear_faults()
    gateway.start()
    assert sender.send().status == 200
    assert_all_delivered(gateway, sender, sandbox)
    assert gateway.stop() == 0
