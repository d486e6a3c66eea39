# SPDX-License-Identifier: Apache-2.0
"""HTTPS on both sides of the real binary: to Segment with full verification, and from
services when the ingest listener has a certificate."""

import json
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request

import pytest

import harness

EVENT = {"userId": "u", "event": "e", "messageId": "m-1"}


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Authority:
    """A certificate authority of one test."""

    def __init__(self, folder, name):
        self.folder = folder
        self.certificate = str(folder / f"{name}-ca.pem")
        self._key = str(folder / f"{name}-ca.key")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                f"/CN={name}", "-keyout", self._key, "-out", self.certificate)

    def issue(self, name, subject_alt_name):
        """Paths of (certificate, key) for a server."""
        base = self.folder / name
        key, request, extensions = f"{base}.key", f"{base}.csr", f"{base}.ext"
        certificate = f"{base}.pem"
        with open(extensions, "w", encoding="utf-8") as file:
            file.write(f"subjectAltName={subject_alt_name}\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key,
                "-out", request)
        openssl("x509", "-req", "-in", request, "-days", "2", "-CA", self.certificate, "-CAkey",
                self._key, "-CAcreateserial", "-extfile", extensions, "-out", certificate)
        return certificate, key


@pytest.fixture(name="authority")
def make_authority(tmp_path):
    return Authority(tmp_path, "trusted")


@pytest.fixture(name="tls_sandbox")
def make_tls_sandbox(tmp_path):
    """A function that starts a sandbox with a certificate and returns its process."""
    started = []

    def start(certificate, key):
        process = harness.Process("sandbox", "--listen", "127.0.0.1:0", "--tls-certificate",
                                  certificate, "--tls-key", key)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


def stats(process, authority):
    context = ssl.create_default_context(cafile=authority.certificate)
    url = f"https://localhost:{process.port('sandbox')}/sandbox/events"
    with urllib.request.urlopen(url, context=context, timeout=20) as answer:
        return [json.loads(line) for line in answer.read().decode().splitlines()]


def gateway_to(tmp_path, process, authority):
    return harness.Gateway(
        tmp_path, f"https://localhost:{process.port('sandbox')}",
        segment={"endpoints": {"us": f"https://localhost:{process.port('sandbox')}"},
                 "ca_file": authority.certificate})


def test_events_reach_a_verified_segment(tmp_path, authority, tls_sandbox):
    process = tls_sandbox(*authority.issue("good", "DNS:localhost"))
    gateway = gateway_to(tmp_path, process, authority)
    try:
        gateway.start()
        assert gateway.client().post("/v1/track", EVENT).status == 200
        gateway.wait_drained()
        records = stats(process, authority)
        assert [record["event"]["messageId"] for record in records] == ["m-1"]
        assert gateway.stop() == 0
    finally:
        gateway.kill()


@pytest.mark.parametrize("what", ["wrong name", "unknown authority"])
def test_nothing_is_sent_to_a_server_that_is_not_verified(what, tmp_path, authority, tls_sandbox):
    if what == "wrong name":
        process = tls_sandbox(*authority.issue("elsewhere", "DNS:api.example.com"))
    else:
        process = tls_sandbox(*Authority(tmp_path, "stranger").issue("bad", "DNS:localhost"))
    gateway = gateway_to(tmp_path, process, authority)
    try:
        gateway.start()
        assert gateway.client().post("/v1/track", EVENT).status == 200
        harness.wait_until(
            lambda: gateway.metrics().total("delivery_transport_errors_total") >= 2, "refusals")
        assert gateway.pending() == 1
        warning = gateway.process.wait_for_log(event="delivery_retry")
        assert "certificate of localhost" in warning["error"]
        assert harness.write_key("acme") not in gateway.all_logs()
    finally:
        gateway.kill()


def test_the_ingest_listener_speaks_https(authority, new_gateway, sandbox):
    certificate, key = authority.issue("ingest", "DNS:localhost,IP:127.0.0.1")
    gateway = new_gateway(ingest={"tls": {"certificate": certificate, "key": key}}).start()
    request = urllib.request.Request(
        f"https://localhost:{gateway.ingest_port}/v1/track", json.dumps(EVENT).encode(),
        {"Authorization": harness.basic(harness.ingest_key("acme")),
         "Content-Type": "application/json"})
    context = ssl.create_default_context(cafile=authority.certificate)
    with urllib.request.urlopen(request, context=context, timeout=20) as answer:
        assert json.load(answer) == {"success": True}
    gateway.wait_drained()
    assert sandbox.ids("acme") == ["m-1"]


def test_certificates_that_cannot_be_used_stop_the_start(authority, new_gateway, tmp_path):
    certificate, _ = authority.issue("one", "DNS:localhost")
    _, other_key = authority.issue("two", "DNS:localhost")
    for tls, word in (({"certificate": certificate, "key": other_key}, "key"),
                      ({"certificate": str(tmp_path / "absent"), "key": other_key}, "absent")):
        gateway = new_gateway(ingest={"tls": tls})
        result = harness.run("serve", "--config", gateway.config_path())
        assert result.returncode == 2, result
        assert word in result.stderr and "ingest.tls" in result.stderr, result.stderr
        checked = harness.run("check-config", "--config", gateway.config_path())
        assert checked.returncode == 2 and word in checked.stderr, checked.stderr


def test_an_authority_that_cannot_be_read_is_a_configuration_error(new_gateway, tmp_path):
    gateway = new_gateway(segment={"ca_file": str(tmp_path / "absent")})
    for verb in ("serve", "check-config"):
        result = harness.run(verb, "--config", gateway.config_path())
        assert result.returncode == 2, result
        assert "segment.ca_file" in result.stderr and "gateway.yaml:" in result.stderr


def served_certificate(gateway, authority):
    context = ssl.create_default_context(cafile=authority.certificate)
    with socket.create_connection(("127.0.0.1", gateway.ingest_port), 20) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as stream:
            return dict(pair[0] for pair in stream.getpeercert()["subject"])["commonName"]


def test_a_new_certificate_is_taken_up_without_a_restart(authority, new_gateway, tmp_path):
    names = "DNS:localhost,IP:127.0.0.1"
    paths = [str(tmp_path / name) for name in ("tls.crt", "tls.key")]

    def put(pair):
        for source, target in zip(pair, paths):
            shutil.copyfile(source, target)

    put(authority.issue("old", names))
    gateway = new_gateway(ingest={"tls": {"certificate": paths[0], "key": paths[1]}}).start()
    assert served_certificate(gateway, authority) == "old"

    put((authority.issue("new", names)[0], authority.issue("other", names)[1]))
    gateway.process.signal(signal.SIGHUP)
    harness.wait_until(
        lambda: gateway.metrics().total("ingest_tls_certificate_problem") == 1, "a complaint")
    assert served_certificate(gateway, authority) == "old", "a wrong pair changes nothing"

    put(authority.issue("newer", names))
    gateway.process.signal(signal.SIGHUP)
    harness.wait_until(lambda: served_certificate(gateway, authority) == "newer", "new certificate")
    metrics = gateway.metrics()
    assert metrics.total("ingest_tls_certificate_problem") == 0
    assert metrics.total("ingest_tls_certificate_reloads_total") == 1
    assert metrics.total("ingest_tls_certificate_not_after_timestamp_seconds") > time.time()

    put(authority.issue("unasked", names))  # Without a signal: within a few seconds.
    harness.wait_until(lambda: served_certificate(gateway, authority) == "unasked", "reload")
