# SPDX-License-Identifier: Apache-2.0
"""A disk that is really full: a small file system of its own under the store.

Needs the right to mount, as root has it. GATEWAY_TEST_DISKS names the kinds that can be mounted.
"""

import os
import random
import subprocess

import pytest

import harness

MIB = 1 << 20
SIZE = 96 * MIB


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(name="disk", params=os.environ.get("GATEWAY_TEST_DISKS", "tmpfs,ext4").split(","))
def fixture_disk(request, tmp_path):
    """A mounted folder of SIZE bytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "tmpfs":
        mounted = run("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder))
    else:
        image = tmp_path / "disk.img"
        with open(image, "wb") as file:
            file.truncate(SIZE)
        made = run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        mounted = made if made.returncode else run("mount", "-o", "loop", str(image), str(folder))
    assert mounted.returncode == 0, mounted.stderr
    yield folder
    run("umount", "-l", str(folder))


class Senders:
    """Events of 8 KB that no compression makes small; remembers which were acknowledged."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.acknowledged = []
        self._number = 0
        self._dice = random.Random(4)

    def send(self):
        """The answer to one more batch of twenty."""
        ids = [f"m{self._number + n}" for n in range(20)]
        self._number += len(ids)
        batch = [{"type": "track", "userId": "u", "event": "e", "messageId": message_id,
                  "properties": {"fill": self._dice.randbytes(4000).hex()}} for message_id in ids]
        client = self.gateway.client()
        try:
            answer = client.post("/v1/batch", {"batch": batch})
        finally:
            client.close()
        if answer.status == 200:
            self.acknowledged += ids
        return answer

    def send_until(self, status):
        for _ in range(2_000):
            answer = self.send()
            if answer.status == status:
                return answer
            assert answer.status in (200, 503), answer
        raise AssertionError(f"never answered {status}")


def fill(disk):
    """A file that takes every byte that is left; its path."""
    path = disk / "filler"
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return path


def make(new_gateway, disk, min_free):
    return new_gateway(storage={"path": str(disk / "data"), "min_free_disk": min_free,
                                "write_buffer": "4MiB", "max_wal": "16MiB"})


def assert_all_delivered(gateway, senders, sandbox):
    gateway.wait_drained(120)
    assert set(senders.acknowledged) <= set(sandbox.ids("acme"))
    gateway.assert_conserved()


def test_the_mark_keeps_room_for_the_way_out(disk, new_gateway, sandbox):
    """Below the mark events are refused and delivery goes on, which brings the space back."""
    gateway = make(new_gateway, disk, "48MiB").start()
    senders = Senders(gateway)
    sandbox.set_faults({"status": 503})
    refused = senders.send_until(503)
    assert refused.json["code"] == "storage_unavailable"
    assert int(refused.headers["retry-after"]) >= 1
    assert gateway.admin("/readyz").status == 503
    assert senders.acknowledged

    sandbox.clear_faults()
    harness.wait_until(lambda: senders.send().status == 200, "space again", 120)
    assert_all_delivered(gateway, senders, sandbox)
    assert gateway.stop() == 0


def test_no_byte_left(disk, new_gateway, sandbox):
    """Somebody else fills the disk to the last byte, while the gateway accepts and delivers."""
    gateway = make(new_gateway, disk, "0B").start()
    senders = Senders(gateway)
    for _ in range(5):
        assert senders.send().status == 200
    filler = fill(disk)
    refused = senders.send_until(503)
    assert refused.json["success"] is False
    assert int(refused.headers["retry-after"]) >= 1
    assert gateway.process.running()

    # Killed and started again on the full disk, it may refuse to start; it must not crash.
    gateway.kill()
    process = harness.Process("serve", "--config", gateway.config_path(), cwd=gateway.folder)
    try:
        process.wait_for_log(event="ready")
    except AssertionError:
        assert process.wait() == 1, process.log_text()
        assert "space" in process.log_text()
    finally:
        process.kill()
        process.assert_sound()

    os.unlink(filler)
    gateway.start()
    assert senders.send().status == 200
    assert_all_delivered(gateway, senders, sandbox)


def test_space_comes_back_to_a_running_gateway(disk, new_gateway, sandbox):
    gateway = make(new_gateway, disk, "0B").start()
    senders = Senders(gateway)
    assert senders.send().status == 200
    gateway.wait_drained()
    filler = fill(disk)
    senders.send_until(503)
    os.unlink(filler)
    harness.wait_until(lambda: senders.send().status == 200, "recovery without a restart", 120)
    assert_all_delivered(gateway, senders, sandbox)
    assert gateway.stop() == 0
