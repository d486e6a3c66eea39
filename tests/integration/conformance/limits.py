# SPDX-License-Identifier: Apache-2.0
"""Cases 64 to 68: addresses, quotas, a full disk and a crash."""

import harness
from conformance.world import assert_error, assert_ok, case


@case(64)
def the_address_of_a_browser(world):
    forwarded = {"X-Forwarded-For": "203.0.113.9, 127.0.0.1"}
    first, second = world.id(), world.id()
    body = {"userId": "u", "event": "e"}
    assert_ok(world.send("/v1/t", {**body, "messageId": first}, headers=forwarded))
    assert_ok(world.send("/v1/t", {**body, "messageId": second, "context": {"ip": "1.2.3.4"}},
                         headers=forwarded))
    assert world.arrived(first)["context"]["ip"] == "203.0.113.9"
    assert world.arrived(second)["context"]["ip"] == "1.2.3.4"


@case(65)
def a_backend_that_asks_for_its_address(world):
    message_id = world.id()
    assert_ok(world.send("/v1/track", {"userId": "u", "event": "e", "messageId": message_id,
                                       "context": {"direct": True}},
                         headers={"X-Forwarded-For": "198.51.100.7"}))
    context = world.arrived(message_id)["context"]
    assert context["ip"] == "198.51.100.7" and "direct" not in context


@case(66)
def over_the_quota(world):
    answers = [world.track("limited") for _ in range(4)]
    assert [answer.status for answer in answers[:2]] == [200, 200]
    answer = next(answer for answer in answers if answer.status != 200)
    assert_error(answer, 429)
    seconds = int(answer.headers["retry-after"])
    assert 1 <= seconds <= 300
    assert answer.headers["x-ratelimit-reset"] == answer.headers["retry-after"]
    assert_ok(world.track())


@case(67)
def no_room_on_the_disk(world):
    gateway = world.new_gateway(storage={"min_free_disk": "16TiB"})
    process = harness.Process("serve", "--config", gateway.config_path(), cwd=gateway.folder)
    try:
        gateway.ingest_port, gateway.admin_port = process.port("ingest"), process.port("admin")
        process.wait_for_log(event="storage_refusing")
        answer = world.send("/v1/batch", {"batch": [
            {"type": "track", "userId": "u", "event": "e"}] * 2}, gateway=gateway)
        assert_error(answer, 503)
        assert int(answer.headers["retry-after"]) >= 1
        assert gateway.metrics().total("events_accepted_total") == 0
        assert gateway.admin("/readyz").status == 503
    finally:
        process.kill()


@case(68)
def a_crash_after_the_answer(world):
    gateway = world.new_gateway().start()
    world.sandbox.set_faults({"status": 503})
    ids = [world.id() for _ in range(20)]
    for message_id in ids:
        assert_ok(world.send("/v1/track", {"userId": "u", "event": "e", "messageId": message_id},
                             gateway=gateway))
    gateway.kill()
    world.sandbox.clear_faults()
    gateway.start()
    gateway.wait_drained()
    assert set(ids) <= set(world.sandbox.ids("acme"))
