# SPDX-License-Identifier: Apache-2.0
"""`segment-gateway backup | backups | restore`: under load, without a gateway, and gone wrong."""

import json
import os
import pty
import signal
import socket
import subprocess
import threading

import pytest

import harness


def data(gateway):
    return gateway.config["storage"]["path"]


def backup(gateway, to, *arguments):
    return harness.run("backup", "--path", data(gateway), "--to", str(to), "--json", *arguments)


def taken(result):
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def listed(folder, *arguments):
    result = harness.run("backups", "--in", str(folder), "--json", *arguments)
    return result.returncode, [json.loads(line) for line in result.stdout.splitlines()]


def restore(folder, path, *arguments):
    return harness.run("restore", "--from", str(folder), "--path", str(path), "--json", *arguments)


class Load:
    """Sends batches until it is stopped; knows what was acknowledged."""

    def __init__(self, gateway, fill=400):
        self.acknowledged = []
        self._client = gateway.client()
        self._fill = fill
        self._number = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def batch(self):
        ids = [f"m{self._number + n}" for n in range(20)]
        self._number += len(ids)
        events = [{"type": "track", "userId": "u", "event": "e", "messageId": message_id,
                   "properties": {"fill": os.urandom(self._fill).hex()}} for message_id in ids]
        assert self._client.post("/v1/batch", {"batch": events}).status == 200
        self.acknowledged += ids

    def _run(self):
        while not self._stop.is_set():
            self.batch()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._client.close()


@pytest.fixture(name="refusing")
def fixture_refusing(gateway, sandbox):
    """A running gateway whose events all wait."""
    sandbox.set_faults({"status": 503})
    return gateway


def test_what_was_acknowledged_before_it_is_delivered_from_a_restored_one(
        refusing, sandbox, new_gateway, tmp_path):
    folder = tmp_path / "backups"
    with Load(refusing) as load:
        harness.wait_until(lambda: len(load.acknowledged) > 1_000, "load")
        before = list(load.acknowledged)
        report = taken(backup(refusing, folder))
        harness.wait_until(lambda: len(load.acknowledged) > len(before) + 100, "load afterwards")
    refusing.kill()
    assert report["backup"] == 1 and report["bytes"] > 0

    other = new_gateway()
    restored = json.loads(restore(folder, data(other)).stdout)
    assert restored["pending"] >= len(before)
    sandbox.clear_faults()
    other.start()
    other.wait_drained()
    arrived = sandbox.ids("acme")
    assert arrived[:len(before)] == before, "all of it, in order"
    assert arrived == load.acknowledged[:len(arrived)], "and nothing else"
    assert len(arrived) == restored["pending"]


def test_each_one_is_whole_while_events_come_and_go(gateway, tmp_path):
    folder = tmp_path / "backups"
    with Load(gateway) as load:
        for number in range(1, 6):
            harness.wait_until(lambda: len(load.acknowledged) > number * 200, "load")
            assert taken(backup(gateway, folder))["backup"] == number
    for number in range(1, 6):
        path = tmp_path / f"new{number}"
        restored = restore(folder, path, "--backup", str(number))
        assert restored.returncode == 0, restored.stderr
        verified = harness.run("queue", "verify", "--path", str(path))
        assert verified.returncode == 0, verified.stdout
    gateway.wait_drained()
    gateway.assert_conserved()


def test_the_second_one_is_small(new_gateway, sandbox, tmp_path):
    sandbox.set_faults({"status": 503})
    gateway = new_gateway(storage={"write_buffer": "4MiB"}).start()
    folder = tmp_path / "backups"
    load = Load(gateway, fill=10_000)
    for _ in range(80):
        load.batch()
    full = taken(backup(gateway, folder))
    load.batch()
    second = taken(backup(gateway, folder, "--keep", "1"))
    assert second["new_bytes"] < full["new_bytes"] / 2
    assert second["bytes"] >= full["bytes"] / 2 and second["removed"] == 1
    code, backups = listed(folder, "--check")
    assert code == 0
    assert [(line["backup"], line["verdict"]) for line in backups] == [(2, "whole")]

    metrics = gateway.metrics()
    assert metrics.total("backup_failures_total") == 0
    assert metrics.total("backup_last_bytes") == second["bytes"]
    assert metrics.total("backup_last_success_timestamp_seconds") > 1.7e9
    said = harness.run("backup", "--config", gateway.config_path(), "--to", str(folder))
    assert said.returncode == 0 and f"backup 3 of {folder} is complete" in said.stdout


def test_without_a_gateway(refusing, tmp_path):
    folder = tmp_path / "backups"
    load = Load(refusing)
    load.batch()
    refusing.stop()
    assert not os.path.exists(os.path.join(data(refusing), "control.sock"))
    assert taken(backup(refusing, folder))["backup"] == 1
    refusing.start()
    assert taken(backup(refusing, folder))["backup"] == 2
    for number in (1, 2):
        restored = restore(folder, tmp_path / f"new{number}", "--backup", str(number))
        assert json.loads(restored.stdout)["pending"] == 20, restored.stderr


def test_the_socket_of_a_killed_gateway(refusing, tmp_path):
    path = os.path.join(data(refusing), "control.sock")
    assert os.stat(path).st_mode & 0o777 == 0o600
    refusing.kill()
    assert os.path.exists(path)
    assert harness.run("queue", "verify", "--path", data(refusing)).returncode == 0
    assert taken(backup(refusing, tmp_path / "backups"))["backup"] == 1
    refusing.start()
    assert taken(backup(refusing, tmp_path / "backups"))["backup"] == 2


def test_a_path_longer_than_an_address(new_gateway, tmp_path):
    gateway = new_gateway(storage={"path": str(tmp_path / ("long" * 40))}).start()
    assert taken(backup(gateway, tmp_path / "backups"))["backup"] == 1
    assert gateway.process.wait_for_log(event="backup_done", backup=1)


def on_a_terminal(*arguments):
    """What a command says on standard error when that is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([harness.BINARY, *arguments], stdout=subprocess.DEVNULL,
                               stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while chunk := os.read(ours, 65536):
            said += chunk
    except OSError:  # Linux' way to say that the other side is closed.
        pass
    os.close(ours)
    assert process.wait(20 * harness.PATIENCE) == 0, said
    return said.decode()


def test_bars_on_a_terminal(refusing, tmp_path):
    Load(refusing).batch()
    path, folder = data(refusing), str(tmp_path / "backups")
    for arguments, step in ((("backup", "--path", path, "--to", folder), "copying"),
                            (("backups", "--in", folder, "--check"), "reading back"),
                            (("restore", "--from", folder, "--path", str(tmp_path / "new")),
                             "restoring"),
                            (("queue", "export", "--path", path, "--tenant", "acme"),
                             "exporting")):
        said = on_a_terminal(*arguments)
        assert step in said and "[" in said and "%" in said, said
        assert said.endswith("\r\x1b[K"), "the line is taken off again"
    assert "reading tables" in on_a_terminal("queue", "verify", "--path", path)


def slow_backup(gateway, folder):
    """A backup that takes minutes, under way."""
    load = Load(gateway, fill=10_000)
    for _ in range(30):
        load.batch()

    def started():
        return sum(line.get("event") == "backup_started" for line in gateway.process.log)

    before = started()
    process = subprocess.Popen(
        [harness.BINARY, "backup", "--path", data(gateway), "--to", str(folder), "--rate", "64KiB"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    harness.wait_until(lambda: started() > before, "start of the backup")
    return process


def test_one_at_a_time_and_a_stop_ends_it(refusing, tmp_path):
    folder = tmp_path / "backups"
    assert taken(backup(refusing, folder))["backup"] == 1
    process = slow_backup(refusing, folder)
    second = backup(refusing, tmp_path / "elsewhere")
    assert second.returncode == 1 and "is being made already" in second.stderr
    assert not (tmp_path / "elsewhere").exists()
    assert refusing.stop(timeout=10) == 0, "it does not wait for minutes"
    _, said = process.communicate(timeout=10 * harness.PATIENCE)
    assert process.returncode == 1 and "stopped" in said
    code, backups = listed(folder, "--check")
    assert (code, [line["backup"] for line in backups]) == (0, [1])
    assert taken(backup(refusing, folder))["backup"] == 2


def test_a_gateway_that_is_killed_leaves_the_others(refusing, tmp_path):
    folder = tmp_path / "backups"
    assert taken(backup(refusing, folder))["backup"] == 1
    process = slow_backup(refusing, folder)
    refusing.kill()
    _, said = process.communicate(timeout=10 * harness.PATIENCE)
    assert process.returncode == 1 and "ended the connection" in said
    refusing.start()
    report = taken(backup(refusing, folder))
    code, backups = listed(folder, "--check")
    assert (code, [line["backup"] for line in backups]) == (0, [1, report["backup"]])


def test_a_client_that_goes_away_ends_its_backup(refusing, tmp_path):
    folder = tmp_path / "backups"
    process = slow_backup(refusing, folder)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10 * harness.PATIENCE)
    refusing.process.wait_for_log(event="backup_failed")
    assert listed(folder) == (0, [])
    assert refusing.metrics().total("backup_failures_total") == 1
    assert taken(backup(refusing, folder))["backup"] == 1


def connect(gateway):
    """To its control socket, whatever the length of its path."""
    folder = os.open(data(gateway), os.O_PATH)
    try:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20 * harness.PATIENCE)
        client.connect(f"/proc/self/fd/{folder}/control.sock")
        return client
    finally:
        os.close(folder)


def everything(client):
    said = b""
    while chunk := client.recv(65536):
        said += chunk
    return said.decode()


def test_clients_that_say_nothing_or_nonsense(refusing, tmp_path):
    silent = [connect(refusing) for _ in range(8)]
    one_more = connect(refusing)
    assert "too many commands" in everything(one_more)
    # After a while they are shown out, and there is room again.
    assert [everything(client) for client in silent] == [""] * 8
    for request, answer in ((b"hello\n", "does not know this command"),
                            (b"{}\n", "does not know this command"),
                            (b'{"command":"backup","to":7}\n', "does not know this command")):
        client = connect(refusing)
        client.sendall(request)
        assert answer in everything(client)
    good = {"command": "backup", "to": str(tmp_path / "never"), "keep": 0, "bytes_per_second": 0,
            "read_back": True}
    for wrong, answer in (({"bytes_per_second": 2**63}, "from 64KiB to 1TiB a second"),
                          ({"bytes_per_second": 5}, "from 64KiB to 1TiB a second"),
                          ({"bytes_per_second": -1}, "bytes_per_second is a whole number"),
                          ({"bytes_per_second": 1e6 + 0.5}, "bytes_per_second is a whole number"),
                          ({"keep": -1}, "keep is a whole number from 0 to 4294967295"),
                          ({"keep": 2**32 + 1}, "keep is a whole number from 0 to 4294967295")):
        client = connect(refusing)
        client.sendall(json.dumps(good | wrong).encode() + b"\n")
        said = json.loads(everything(client))["error"]
        assert answer in said["message"] and said["usage"] is True
    assert not (tmp_path / "never").exists()
    endless = connect(refusing)
    with pytest.raises(OSError):
        # Ended by the gateway; whether its reason arrives is up to the order of things.
        while True:
            endless.sendall(b"x" * 10_000)
    assert taken(backup(refusing, tmp_path / "backups"))["backup"] == 1


@pytest.mark.parametrize("running", [True, False])
def test_wrong_places(refusing, tmp_path, running):
    if not running:
        refusing.kill()
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for to, code, said in ((data(refusing), 2, "lies in the store"),
                           (data(refusing) + "/backups", 2, "lies in the store"),
                           ("/", 2, "is around the store"),
                           ("", 2, "must not be empty"),
                           (tmp_path / "file", 1, "cannot be written"),
                           (tmp_path / "no" / "where", 1, "cannot be written")):
        result = backup(refusing, to)
        assert (result.returncode, result.stdout) == (code, ""), result.stderr
        assert said in result.stderr
    if running:
        assert refusing.ready()
        relative = subprocess.run(
            [harness.BINARY, "backup", "--path", data(refusing), "--to", "here"], cwd=tmp_path,
            capture_output=True, text=True, check=False)
        assert relative.returncode == 0, relative.stderr
        assert len(listed(tmp_path / "here")[1]) == 1


def test_a_damaged_backup_is_refused(refusing, tmp_path):
    folder = tmp_path / "backups"
    Load(refusing).batch()
    taken(backup(refusing, folder))
    manifest = next((folder / "private" / "1").glob("MANIFEST-*"))
    damaged = bytearray(manifest.read_bytes())
    damaged[20] ^= 1
    manifest.write_bytes(damaged)
    code, backups = listed(folder, "--check")
    assert code == 1 and backups[0]["damaged"] is True
    refused = restore(folder, tmp_path / "new")
    assert refused.returncode == 1 and "backup 1 is damaged" in refused.stderr
    inside = restore(folder, folder / "private" / "new")
    assert inside.returncode == 2 and "lies in the directory of backups" in inside.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("arguments, status, said", [
    (["backup", "--to", "/x"], 2, "--path"),
    (["backup", "--path", "/x"], 2, "--to is required"),
    (["backup", "--path", "/x", "--config", "/y", "--to", "/z"], 2, ""),
    (["backup", "--path", "/nowhere", "--to", "/x"], 1, "no event store in /nowhere"),
    (["backup", "--path", "/nowhere", "--to", "/x", "--rate", "fast"], 2, "--rate fast"),
    (["backup", "--path", "/nowhere", "--to", "/x", "--rate", "9"], 2, "from 64KiB to 1TiB"),
    (["backup", "--path", "/nowhere", "--to", "/x", "--rate", "2TiB"], 2, "from 64KiB to 1TiB"),
    (["backup", "--path", "/nowhere", "--to", "/x", "--rate", "8388608TiB"], 2,
     "from 64KiB to 1TiB"),
    (["backup", "--config", "/nowhere", "--to", "/x"], 2, "/nowhere"),
    (["backups", "--in", "/nowhere"], 1, "no backups in /nowhere"),
    (["restore", "--from", "/nowhere", "--path", "/x"], 1, "no backups in /nowhere"),
    (["restore", "--from", "/nowhere"], 2, "--path is required"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_bad_usage(arguments, status, said):
    result = harness.run(*arguments)
    assert result.returncode == status, result.stderr
    assert said in result.stderr
