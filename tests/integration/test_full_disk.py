# SPDX-License-Identifier: Apache-2.0
"""A disk that is really full: a small file system of its own under the store."""

import os

import harness
from disks import Sender, assert_all_delivered, assert_refused


def fill(disk, name="filler"):
    """A file that takes every byte that is left; its path."""
    path = disk.path / name
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return path


def make(new_gateway, disk, min_free):
    return new_gateway(storage={"path": str(disk.path / "data"), "min_free_disk": min_free,
                                "write_buffer": "4MiB", "max_wal": "16MiB"})


def test_the_mark_keeps_room_for_the_way_out(disk, new_gateway, sandbox):
    """Below the mark events are refused and delivery goes on, which brings the space back."""
    gateway = make(new_gateway, disk, "48MiB").start()
    sender = Sender(gateway)
    sandbox.set_faults({"status": 503})
    assert_refused(sender.send_until(503))
    # A log file that is not needed any more may bring back a little space once or twice.
    harness.wait_until(lambda: sender.send().status == 503
                       and gateway.admin("/readyz").status == 503, "refusal that stays")
    assert sender.acknowledged

    sandbox.clear_faults()
    harness.wait_until(lambda: sender.send().status == 200, "space again", 120)
    assert_all_delivered(gateway, sender, sandbox)
    assert gateway.stop() == 0


def test_no_byte_left(disk, new_gateway, sandbox):
    """Somebody else fills the disk to the last byte, while the gateway accepts and delivers."""
    gateway = make(new_gateway, disk, "0B").start()
    sender = Sender(gateway)
    for _ in range(5):
        assert sender.send().status == 200
    filler = fill(disk)
    refused = sender.send_until(503)
    assert refused.json["success"] is False
    assert int(refused.headers["retry-after"]) >= 1
    assert gateway.process.running()

    # Killed and started again on the full disk, it waits for space.
    gateway.kill()
    rest = fill(disk, "rest")
    process = harness.Process("serve", "--config", gateway.config_path(), cwd=gateway.folder)
    process.wait_for_log(event="storage_full")
    client = harness.Client(process.port("admin"))
    ready = client.get("/readyz")
    client.close()
    assert ready.status == 503 and "full" in str(ready.json)
    assert process.terminate() == 0
    process = harness.Process("serve", "--config", gateway.config_path(), cwd=gateway.folder)
    process.wait_for_log(event="storage_full")
    os.unlink(filler)
    os.unlink(rest)
    process.wait_for_log(event="ready")
    assert process.terminate() == 0
    gateway.start()
    assert sender.send().status == 200
    assert_all_delivered(gateway, sender, sandbox)


def test_space_comes_back_to_a_running_gateway(disk, new_gateway, sandbox):
    gateway = make(new_gateway, disk, "0B").start()
    sender = Sender(gateway)
    assert sender.send().status == 200
    gateway.wait_drained()
    filler = fill(disk)
    sender.send_until(503)
    os.unlink(filler)
    harness.wait_until(lambda: sender.send().status == 200, "recovery without a restart", 120)
    assert_all_delivered(gateway, sender, sandbox)
    assert gateway.stop() == 0


def test_a_backup_to_a_full_disk(disk, new_gateway, sandbox):
    """It fails, and neither the gateway nor the backup before it minds."""
    gateway = new_gateway(storage={"write_buffer": "4MiB"}).start()
    sandbox.set_faults({"status": 503})
    sender = Sender(gateway)
    folder = disk.path / "backups"

    def backup():
        return harness.run("backup", "--path", gateway.config["storage"]["path"], "--to",
                           str(folder))

    for _ in range(50):
        assert sender.send().status == 200
    assert backup().returncode == 0
    for room in (0, 1 << 20, 6 << 20):
        for _ in range(100):
            assert sender.send().status == 200
        filler = fill(disk)
        os.truncate(filler, os.path.getsize(filler) - room)
        failed = backup()
        assert failed.returncode == 1 and "pace left" in failed.stderr, failed.stderr
        assert "earlier backups" in failed.stderr or room == 0
        assert gateway.ready() and sender.send().status == 200
        assert harness.run("backups", "--in", str(folder), "--check").returncode == 0
        os.unlink(filler)
    assert backup().returncode == 0
    assert gateway.metrics().total("backup_failures_total") == 3
    sandbox.clear_faults()
    assert_all_delivered(gateway, sender, sandbox)
