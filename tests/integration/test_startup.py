# SPDX-License-Identifier: Apache-2.0
"""What the binary says and returns when it cannot start, and its other commands."""

import os
import subprocess

import pytest

import harness
import load as loads


def write(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return str(path)


def test_all_configuration_errors_at_once(tmp_path):
    path = write(tmp_path, "\n".join([
        "ingest: { listen: nowhere, no_such_key: 1 }",
        "delivery:",
        "  flush_interval: soon",
        "  max_batch_events: 99999",
        "tenants:",
        "  - id: acme",
        "    ingest_keys: [ \"${NOT_SET_ANYWHERE}\" ]",
        "    segment: { write_key: visible-secret-key, region: mars }",
        "surprise: true",
    ]))
    for command in ("check-config", "serve"):
        result = harness.run(command, "--config", path)
        assert result.returncode == 2
        said = result.stderr + result.stdout
        for part in ("ingest.listen", "no_such_key", "flush_interval", "max_batch_events",
                     "NOT_SET_ANYWHERE", "segment.region", "surprise"):
            assert part in said, (part, said)
        for line in (":1:", ":3:", ":4:", ":7:", ":8:", ":9:"):
            assert f"config.yaml{line}" in said, (line, said)
        assert "visible-secret-key" not in said


def test_a_good_configuration_passes(tmp_path):
    path = write(tmp_path, "tenants:\n  - id: acme\n    ingest_keys: [ \"${file:%s}\" ]\n"
                           "    segment: { write_key: \"${ACME_KEY}\" }\n" % (tmp_path / "key"))
    (tmp_path / "key").write_text("key-from-a-file\n")
    result = harness.run("check-config", "--config", path, env={"ACME_KEY": "from-environment"})
    assert result.returncode == 0, result.stderr
    assert "from-environment" not in result.stdout + result.stderr


@pytest.mark.parametrize("arguments", [
    ["serve"], ["serve", "--config", "missing.yaml"], ["no-such-command"],
    ["serve", "--no-such-option"], ["check-config", "--config", "."],
], ids=" ".join)
def test_bad_usage(arguments):
    result = harness.run(*arguments)
    assert result.returncode == 2
    assert result.stderr.strip()


def test_help_and_version():
    for command in ([], ["serve"], ["sandbox"], ["check-config"]):
        result = harness.run(*command, "--help")
        assert result.returncode == 0 and "--help" in result.stdout
    result = harness.run("version")
    assert result.returncode == 0 and result.stdout.strip()


def test_a_port_in_use(gateway, new_gateway):
    for listener, port in (("ingest", gateway.ingest_port), ("admin", gateway.admin_port)):
        second = new_gateway(**{listener: {"listen": f"127.0.0.1:{port}"}})
        result = harness.run("serve", "--config", second.config_path())
        assert result.returncode == 1
        assert str(port) in result.stderr and "in use" in result.stderr


def test_a_data_folder_that_cannot_be_used(new_gateway, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    gateway = new_gateway(storage={"path": str(tmp_path / "file" / "data")})
    result = harness.run("serve", "--config", gateway.config_path())
    assert result.returncode == 1
    assert str(tmp_path / "file" / "data") in result.stderr


def test_a_data_folder_without_permission(new_gateway, tmp_path):
    """Root may write anywhere, so root steps down to nobody for this."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    gateway = new_gateway(storage={"path": str(closed / "data")})
    command = [harness.BINARY, "serve", "--config", gateway.config_path()]
    if os.geteuid() == 0:
        for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            folder.chmod(0o755)
        options = {"user": 65534, "group": 65534, "extra_groups": []}
    else:
        options = {}
    result = subprocess.run(command, capture_output=True, text=True, check=False,
                                    timeout=60 * harness.PATIENCE, **options)
    assert result.returncode == 1, result.stderr
    assert str(closed / "data") in result.stderr
    assert "ermission" in result.stderr


def test_a_data_folder_in_use(gateway, new_gateway, sandbox):
    """Whoever comes second is told so, by its name or by another, and changes nothing; the first
    goes on under its load."""
    path = gateway.config["storage"]["path"]
    os.symlink(path, gateway.folder + "/other-name")
    load = loads.Load(1)
    finish = load.start(gateway, 0)
    try:
        for name in (path, path, gateway.folder + "/other-name"):
            second = new_gateway(storage={"path": name})
            goal = load.acknowledged_count() + 200
            result = harness.run("serve", "--config", second.config_path())
            assert result.returncode == 1
            assert name in result.stderr and "in use by another process" in result.stderr
            harness.wait_until(lambda: load.acknowledged_count() >= goal, "load beside it")
    finally:
        finish()
    assert gateway.ready()
    gateway.wait_drained()
    assert gateway.metrics().total("queue_commit_errors_total") == 0
    loads.check_arrivals(load, sandbox)
    # What the first one left is whole, and the next may have it.
    gateway.kill()
    gateway.start()
    gateway.assert_conserved()
    assert gateway.stop() == 0


def test_a_segment_that_is_not_there(tmp_path):
    """The gateway starts, accepts and keeps; the events go out when Segment is back."""
    port = harness.free_port()
    gateway = harness.Gateway(tmp_path, f"http://127.0.0.1:{port}")
    try:
        gateway.start()
        answer = gateway.client().post("/v1/track", {"userId": "u", "event": "e"})
        assert answer.status == 200
        harness.wait_until(lambda: gateway.metrics().total("delivery_retries_total") >= 2, "retry")
        assert gateway.pending() == 1
        assert gateway.stop() == 0
        gateway.start()
        assert gateway.pending() == 1
        gateway.assert_conserved()
    finally:
        gateway.kill()


def test_too_few_descriptors_stop_the_start(new_gateway):
    gateway = new_gateway()
    result = subprocess.run(
        ["sh", "-c", 'ulimit -n 500; exec "$@"', "sh", harness.BINARY, "serve", "--config",
         gateway.config_path()], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "500 open files are allowed" in result.stderr and "ulimit -n" in result.stderr
