# SPDX-License-Identifier: Apache-2.0
"""`segment-gateway queue inspect | verify | export`, on stores that the binary wrote."""

import json
import os
import socket
import threading

import pytest

import harness
import load as loads


def tool(gateway, name, *arguments):
    return harness.run("queue", name, "--path", os.path.join(gateway.folder, "data"), *arguments)


def track(number):
    return {"type": "track", "userId": "u", "event": f"e{number}", "messageId": f"m{number}"}


@pytest.fixture(name="backlog")
def fixture_backlog(gateway, sandbox):
    """Thirty events of acme, which Segment refuses for now, and one that validation refuses."""
    sandbox.set_faults({"status": 503})
    with_client = harness.Client(gateway.ingest_port, harness.ingest_key("acme"))
    try:
        for begin in (0, 10, 20):
            batch = {"batch": [track(n) for n in range(begin, begin + 10)]}
            assert with_client.post("/v1/batch", batch).status == 200
        assert with_client.post("/v1/track", {"event": "of nobody"}).status == 200
    finally:
        with_client.close()
    return gateway


def acme(result):
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return next(line for line in lines if line["tenant"] == "acme")


def test_inspect_beside_a_running_gateway_and_after_it(backlog):
    for _ in range(2):
        seen = acme(tool(backlog, "inspect", "--json"))
        assert (seen["pending"], seen["delivered"], seen["dead"]) == (30, 0, 0)
        assert seen["refused_kept"] == 1 and seen["quarantined"] == 0
        assert seen["oldest"].startswith("20")
        table = tool(backlog, "inspect").stdout
        assert "acme" in table and "30 events pending" in table
        backlog.kill()


def test_the_gateway_keeps_its_files_while_somebody_looks(backlog):
    said = tool(backlog, "inspect")
    assert (said.returncode, said.stderr) == (0, "")
    backlog.process.wait_for_log(event="files_kept")
    backlog.process.wait_for_log(event="files_released")


def test_a_gateway_that_cannot_keep_its_files(backlog):
    """As one of an older release."""
    path = os.path.join(backlog.folder, "data", "control.sock")
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def refuse():
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(b'{"error":{"message":"no such command","usage":true}}\n')

        gateway = threading.Thread(target=refuse)
        gateway.start()
        said = tool(backlog, "inspect")
        gateway.join()
    assert said.returncode == 0
    assert "does not keep its files meanwhile" in said.stderr and "no such command" in said.stderr


def test_a_store_whose_files_come_and_go_looks_whole(new_gateway):
    gateway = new_gateway(storage={"write_buffer": "4MiB", "max_wal": "16MiB", "hot_tail": "0"})
    gateway.start()
    finish = loads.Load(seed=1).start(gateway, 0)
    try:
        for name in ("verify", "inspect") * 10:
            result = tool(gateway, name)
            assert result.returncode == 0, result.stdout + result.stderr
    finally:
        finish()


def test_verify_reads_everything(backlog):
    result = tool(backlog, "verify")
    assert (result.returncode, result.stdout) == (
        0, "ok: 30 pending events and 1 letters are whole\n"), result.stderr


def test_exported_events_are_what_was_sent_and_can_be_imported(backlog, sandbox):
    result = tool(backlog, "export", "--tenant", "acme")
    assert result.returncode == 0, result.stderr
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["messageId"] for event in events] == [f"m{n}" for n in range(30)]
    bodies = tool(backlog, "export", "--tenant", "acme", "--batches").stdout.splitlines()
    assert [event for body in bodies for event in json.loads(body)["batch"]] == events

    # Into another tenant, as a move to another gateway would.
    sandbox.clear_faults()
    client = harness.Client(backlog.ingest_port, harness.ingest_key("globex"))
    try:
        for body in bodies:
            assert client.post("/v1/import", body).status == 200
    finally:
        client.close()
    backlog.wait_drained()
    arrived = {event["messageId"]: event for event in sandbox.events("globex")}
    assert arrived == {event["messageId"]: event for event in events}


@pytest.mark.parametrize("arguments, status, said", [
    (["inspect"], 2, "--path is required"),
    (["inspect", "--path", "/nowhere"], 1, "there is no event store in /nowhere"),
    (["verify", "--path", "/"], 1, "there is no event store in /"),
    (["export", "--path", "."], 2, "--tenant"),
    (["explode"], 2, ""),
], ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_bad_usage(arguments, status, said, tmp_path):
    result = harness.run("queue", *arguments)
    assert result.returncode == status
    assert said in result.stderr
    assert not list(tmp_path.iterdir())


def test_an_unknown_tenant(backlog):
    result = tool(backlog, "export", "--tenant", "nobody")
    assert result.returncode == 1 and "nobody" in result.stderr
