# SPDX-License-Identifier: Apache-2.0
"""The machine's clock jumps by a day and back while the gateway runs: nothing is lost, and
nothing waits for the calendar. See clock.py."""

import collections
import datetime
import email.utils
import random
import time

import pytest

import harness
import load as loads
from clock import DAY

JUMPS = (DAY, -DAY, 3600, -3600, 0)


def track(number):
    return {"type": "track", "userId": "u", "event": "e", "messageId": f"m{number}"}


def post(gateway, *numbers):
    client = gateway.client()
    try:
        answer = client.post("/v1/batch", {"batch": [track(number) for number in numbers]})
    finally:
        client.close()
    assert answer.status == 200, answer


def attempts(sandbox):
    return len(sandbox.requests())


def wait_for_attempt(sandbox, number, timeout=5):
    harness.wait_until(lambda: attempts(sandbox) >= number, f"attempt {number}", timeout)


def calendar(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_the_gateway_goes_by_the_moved_clock(clock, new_gateway, sandbox):
    """Or every other test here would prove nothing."""
    gateway = clock.follow(new_gateway()).start()
    for number, offset in enumerate((0, DAY, -DAY)):
        clock.set(offset)
        post(gateway, number)
        gateway.wait_drained()
        request = sandbox.requests()[-1]
        event = sandbox.events()[-1]
        for stamp in (request["sent_at"], event["timestamp"]):
            assert abs(calendar(stamp) - time.time() - offset) < 60 * harness.PATIENCE, offset


def test_jumps_under_load(clock, new_gateway, sandbox):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance, load = random.Random(seed), loads.Load(seed)
    gateway = clock.follow(new_gateway()).start()
    finish = load.start(gateway, 0)
    try:
        for _ in range(30):
            sandbox.set_faults(*loads.random_faults(chance))
            clock.set(chance.choice(JUMPS))
            seen = gateway.metrics().total("events_delivered_total")
            goal = load.acknowledged_count() + chance.randrange(100, 1000)
            harness.wait_until(lambda: load.acknowledged_count() >= goal, "acknowledgements")
            harness.wait_until(
                lambda: gateway.metrics().total("events_delivered_total") > seen + 100,
                "delivery after a jump", 10)
    finally:
        finish()

    sandbox.clear_faults()
    gateway.wait_drained(20)
    assert gateway.metrics().total("events_dead_total") == 0
    gateway.assert_conserved()
    loads.check_arrivals(load, sandbox)
    assert gateway.stop() == 0


@pytest.mark.parametrize("fault", [
    {"status": 503},
    {"status": 429, "retry_after": "1"},
    {"status": 401},
    {"drop_response": True},
], ids=lambda fault: str(next(iter(fault.values()))))
def test_waits_are_not_of_the_calendar(fault, clock, new_gateway, sandbox):
    """Each wait, of about a second, is as long as ever over a jump; none burns the processor."""
    gateway = clock.follow(new_gateway(
        delivery={"retry": {"initial": "1s", "max": "1s", "jitter": 0}})).start()
    sandbox.set_faults(fault)
    post(gateway, 0)
    wait_for_attempt(sandbox, 1)
    busy = gateway.process.processor_seconds()
    for number, offset in enumerate((-DAY, DAY, 0), 2):
        began = time.monotonic()
        clock.set(offset)
        wait_for_attempt(sandbox, number)
        assert time.monotonic() - began > 0.5, "the jump cut the wait short"
    assert gateway.process.processor_seconds() - busy < 1 * harness.PATIENCE

    clock.set(-DAY)
    sandbox.clear_faults()
    gateway.wait_drained(5)
    assert set(sandbox.ids()) == {"m0"}
    assert gateway.stop() == 0


def test_a_date_to_retry_after(clock, new_gateway, sandbox):
    """A date of Segment's clock, seen by one that is a day behind, is no reason to wait a day."""
    gateway = clock.follow(new_gateway(delivery={"max_retry_after": "2s"})).start()
    clock.set(-DAY)
    sandbox.set_faults({"status": 429, "count": 1,
                        "retry_after": email.utils.formatdate(time.time() + 1, usegmt=True)})
    post(gateway, 0)
    gateway.wait_drained(10)
    assert attempts(sandbox) == 2


@pytest.mark.parametrize("fault", [
    {"status": 503}, {"status": 429, "retry_after": "3600"}, {"status": 401},
], ids=lambda fault: str(fault["status"]))
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "stopped"])
def test_a_store_from_tomorrow(fault, killed, clock, new_gateway, sandbox):
    """The clock was a day ahead, and was put right before a restart: what waited for a moment
    of tomorrow goes out within seconds."""
    gateway = clock.follow(new_gateway(
        delivery={"retry": {"initial": "1m", "max": "5m"}, "hold_probe_interval": "1m"}))
    clock.set(DAY)
    gateway.start()
    sandbox.set_faults(fault)
    post(gateway, *range(10))
    wait_for_attempt(sandbox, 1)
    # Its record is stored when a commit behind it is.
    post(gateway, *range(10, 20))
    if killed:
        gateway.kill()
    else:
        assert gateway.stop() == 0
    clock.set(0)
    sandbox.clear_faults()
    gateway.start()
    gateway.wait_drained(10)
    assert set(sandbox.ids()) == {f"m{number}" for number in range(20)}
    gateway.assert_conserved()


def test_letters_keep_their_ids(clock, new_gateway, sandbox):
    """Dead letters and refused events are named by the time: none overwrites another."""
    gateway = clock.follow(new_gateway()).start()
    sandbox.set_faults({"status": 400, "body": "malformed"})
    client, number = None, 0
    for offset in (DAY, -DAY, 0, -DAY, DAY):
        clock.set(offset)
        if offset == 0:
            gateway.kill()
            gateway.start()
        client = gateway.client()
        for _ in range(3):
            post(gateway, number)
            number += 1
            assert client.post("/v1/track", {"event": "of nobody"}).status == 200
        client.close()
        gateway.wait_drained()
    assert gateway.metrics().total("events_dead_total") == number
    assert gateway.stop() == 0
    result = harness.run("queue", "verify", "--path", gateway.config["storage"]["path"])
    assert result.stdout == f"ok: 0 pending events and {2 * number} letters are whole\n", result


def test_de_duplication(clock, new_gateway, sandbox):
    """An id is forgotten when its window is over, never before; an event with a new id is
    taken whatever the clock says."""
    tenant = harness.tenant_entry("acme", dedupe={"window": "1h"})
    gateway = clock.follow(new_gateway(tenants=[tenant])).start()
    expected = collections.Counter()

    def send(number, taken):
        before = gateway.metrics().total("events_accepted_total")
        post(gateway, number)
        expected[f"m{number}"] += 1 if taken else 0
        harness.wait_until(gateway.drained, "delivery", 10)
        accepted = gateway.metrics().total("events_accepted_total") - before
        assert accepted == (1 if taken else 0), f"m{number}"

    send(0, True)
    send(0, False)
    clock.set(-DAY)
    send(0, False)
    send(1, True)
    gateway.kill()
    gateway.start()
    send(0, False)
    send(1, False)
    send(2, True)
    clock.set(DAY)
    for number in range(3):
        send(number, True)
    clock.set(0)
    for number in range(3):
        send(number, False)
    send(3, True)
    gateway.kill()
    gateway.start()
    send(3, False)
    send(4, True)
    assert collections.Counter(sandbox.ids()) == expected
    assert gateway.stop() == 0
