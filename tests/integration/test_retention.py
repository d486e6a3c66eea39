# SPDX-License-Identifier: Apache-2.0
"""Events that nobody takes become dead letters in time, and dead letters go in time; all of it is
counted."""

import json
import os

import harness


def inspect(gateway):
    result = harness.run("queue", "inspect", "--json", "--path",
                         os.path.join(gateway.folder, "data"))
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return next(line for line in lines if line["tenant"] == "acme")


def test_what_waits_too_long_becomes_a_dead_letter(new_gateway, sandbox):
    sandbox.set_faults({"status": 503})
    gateway = new_gateway(retention={"max_age": "1s"}).start()
    gateway.send("a", "b")
    harness.wait_until(lambda: gateway.metrics().total("events_dead_total") == 2, "expiry")
    assert gateway.process.wait_for_log(event="events_expired")["tenant"] == "acme"
    gateway.assert_conserved()
    seen = inspect(gateway)
    assert (seen["pending"], seen["dead"], seen["dead_kept"]) == (0, 2, 2)

    sandbox.clear_faults()
    gateway.send("c")
    gateway.wait_drained()
    assert sandbox.ids("acme") == ["c"]
    gateway.assert_conserved()
    assert gateway.stop() == 0


def test_a_backlog_from_before_the_start_expires_for_a_paused_tenant(new_gateway, sandbox):
    sandbox.set_faults({"status": 503})
    gateway = new_gateway().start()
    gateway.send("a", "b", "c")
    assert gateway.stop() == 0
    gateway.config["retention"] = {"max_age": "1s"}
    gateway.config["tenants"][0]["paused"] = True
    gateway.start()
    harness.wait_until(lambda: gateway.metrics().total("events_dead_total") == 3, "expiry")
    gateway.assert_conserved()
    assert gateway.stop() == 0


def test_dead_letters_beyond_their_size_are_counted_as_they_go(new_gateway, sandbox):
    sandbox.set_faults({"status": 400})
    gateway = new_gateway(retention={"tenant_max_dead_letters": "2KiB"},
                          delivery={"max_refused_in_a_row": 0}).start()
    gateway.send(*(f"m{n}" for n in range(40)))
    gateway.wait_drained()
    metrics = gateway.metrics()
    assert metrics.total("events_dead_total") == 40
    kept = inspect(gateway)["dead_kept"]
    assert 0 < kept < 40
    assert metrics.total("queue_dead_letters_evicted_total") == 40 - kept
    assert metrics.total("queue_dead_letter_bytes") <= 2048
    assert gateway.process.wait_for_log(event="dead_letters_dropped")["tenant"] == "acme"
    verified = harness.run("queue", "verify", "--path", os.path.join(gateway.folder, "data"))
    assert verified.returncode == 0, verified.stdout
