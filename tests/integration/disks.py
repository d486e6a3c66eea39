# SPDX-License-Identifier: Apache-2.0
"""Small file systems of their own under the store, that are really full or really broken.

Needs the right to mount, as root has it. GATEWAY_TEST_DISKS names the kinds that can be mounted.
"""

import fcntl
import os
import random
import struct
import subprocess

KINDS = os.environ.get("GATEWAY_TEST_DISKS", "tmpfs,ext4").split(",")
SIZE = 96 << 20


def run(*command, accept=(0,)):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode in accept, (command, result.stdout, result.stderr)
    return result.stdout.strip()


class Disk:
    """A mounted folder of SIZE bytes."""

    def __init__(self, kind, folder):
        self.kind = kind
        self.path = folder / "disk"
        self._image = folder / "disk.img"
        self.path.mkdir()
        if kind == "ext4":
            with open(self._image, "wb") as file:
                file.truncate(SIZE)
            run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
        self.mount()

    def mount(self):
        if self.kind == "tmpfs":
            run("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(self.path))
        else:
            run("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self.path))

    def unmount(self):
        run("umount", "-l", str(self.path), accept=(0, 32))

    def turn_read_only(self):
        """As ext4 does by itself when it finds an error on its device."""
        device = os.path.basename(run("findmnt", "-n", "-o", "SOURCE", str(self.path)))
        with open(f"/sys/fs/ext4/{device}/trigger_fs_error", "w", encoding="ascii") as trigger:
            trigger.write("a fault of the tests")

    def lose_device(self):
        """Every read and write fails from now on (EXT4_IOC_SHUTDOWN, without a flush)."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, 0x8004587D, struct.pack("I", 2))
        finally:
            os.close(folder)

    def mend(self):
        """What an operator does then: nobody may have a file open on it."""
        run("umount", str(self.path))
        run("e2fsck", "-f", "-y", str(self._image), accept=(0, 1))
        self.mount()

    def set_immutable(self, *paths, on=True):
        """Not even root may change these files, or make one in these folders."""
        run("chattr", "+i" if on else "-i", *map(str, paths))


class Sender:
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


def assert_refused(answer):
    assert answer.status == 503
    assert answer.json["code"] == "storage_unavailable", answer
    assert int(answer.headers["retry-after"]) >= 1


def assert_all_delivered(gateway, sender, sandbox):
    gateway.wait_drained(120)
    assert set(sender.acknowledged) <= set(sandbox.ids("acme"))
    gateway.assert_conserved()
