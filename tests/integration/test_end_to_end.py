# SPDX-License-Identifier: Apache-2.0
"""Events from HTTP to Segment: what arrives, for whom, once, and what the numbers say."""

import decimal
import json
import os
import threading

import harness

SIX_CALLS = {
    "track": {"userId": "u1", "event": "Paid", "properties": {"n": 1}},
    "identify": {"userId": "u1", "traits": {"name": "Zoë 漢字", "plan": None}},
    "group": {"userId": "u1", "groupId": "g1", "traits": {"employees": 12}},
    "page": {"userId": "u1", "name": "Start", "properties": {"url": "https://example.com/"}},
    "screen": {"anonymousId": "a1", "name": "Home", "properties": {}},
    "alias": {"userId": "u1", "previousId": "a1"},
}


def track(number, user="u1"):
    return {"type": "track", "userId": user, "event": "Counted", "messageId": f"m-{number}",
            "properties": {"number": number}}


def send_counted(client, numbers):
    for number in numbers:
        assert client.post("/v1/track", track(number)).status == 200


def test_six_calls_and_a_batch_arrive_once(gateway, sandbox):
    client = gateway.client()
    for kind, body in SIX_CALLS.items():
        answer = client.post(f"/v1/{kind}", body)
        assert (answer.status, answer.json) == (200, {"success": True})
        assert answer.headers["content-type"].startswith("application/json")
    batch = [{"type": kind, **body} for kind, body in SIX_CALLS.items()]
    for path in ("/v1/batch", "/v1/import", "/v1/import/"):
        answer = client.post(path, {"batch": batch})
        assert (answer.status, answer.json) == (200, {"success": True})

    expected = len(SIX_CALLS) * 4
    harness.wait_until(lambda: len(sandbox.events("acme")) >= expected, "arrival")
    gateway.wait_drained()
    events = sandbox.events()
    assert len(events) == expected
    assert len({event["messageId"] for event in events}) == expected
    assert [event["type"] for event in events] == list(SIX_CALLS) * 4
    for event in events:
        sent = SIX_CALLS[event["type"]]
        assert {name: event[name] for name in sent} == sent
        assert event["timestamp"].endswith("Z")
    gateway.assert_conserved()
    assert gateway.metrics().total("events_delivered_total") == expected


def test_the_event_is_kept_as_it_came(gateway, sandbox):
    """No number is rounded, no key renamed, no text re-encoded into another one."""
    text = ('{"userId":"u1","event":"x","messageId":"exact","own":{"email":"a@b.c"},"properties":'
            '{"big":9007199254740993,"huge":1e21,"money":14.90,"tiny":5e-324,"neg":-0.0,'
            '"total billed":"\\u6f22\\ud83d\\ude80 \\" \\\\ \\/","a":{"b":[[],{},null,true]},"":1}}')
    assert gateway.client().post("/v1/track", text).status == 200
    harness.wait_until(sandbox.events, "arrival")
    record = sandbox.raw_records()[0]

    def parse(json_text):
        return json.loads(json_text, parse_float=decimal.Decimal, parse_int=decimal.Decimal)

    received, sent = parse(record)["event"], parse(text)
    assert {name: received[name] for name in sent} == sent
    assert '"big":9007199254740993' in record


def test_message_ids_stay_the_same_over_retries(gateway, sandbox):
    sandbox.set_faults({"status": 500, "count": 3})
    client = gateway.client()
    client.post("/v1/track", {"userId": "u1", "event": "no id of its own"})
    client.post("/v1/track", track(1))
    gateway.wait_drained()
    assert len(sandbox.ids()) == 2 and "m-1" in sandbox.ids()

    attempts = sandbox.requests()
    assert [attempt["status"] for attempt in attempts][:3] == [500, 500, 500]
    first_ids = attempts[0]["message_ids"]
    for attempt in attempts[1:4]:
        assert attempt["message_ids"][:len(first_ids)] == first_ids
    assert [attempt["retry_count"] for attempt in attempts[:4]] == [0, 1, 2, 3]
    # sentAt is when it was sent, not when it came.
    assert len({attempt["sent_at"] for attempt in attempts[:4]}) == 4


def test_throttling_waits_as_told(gateway, sandbox):
    sandbox.set_faults({"status": 429, "retry_after": 1, "count": 1})
    gateway.client().post("/v1/track", track(1))
    gateway.client("globex").post("/v1/track", track(2))
    harness.wait_until(lambda: "m-1" in sandbox.ids() and "m-2" in sandbox.ids(), "delivery")
    times = [attempt["received_at_ms"] for attempt in sandbox.requests()
             if attempt["write_key"] == sandbox.requests()[0]["write_key"]]
    assert len(times) == 2 and times[1] - times[0] >= 1000


def test_a_hanging_tenant_moves_nobody_else(gateway, sandbox):
    sandbox.set_faults({"write_key": harness.write_key("acme"), "hang": True})
    assert gateway.client("acme").post("/v1/track", track(1)).status == 200
    for number in range(2, 12):
        assert gateway.client("globex").post("/v1/track", track(number)).status == 200
    harness.wait_until(lambda: len(sandbox.ids("globex")) == 10, "delivery of the other tenant")
    harness.wait_until(lambda: gateway.pending() == 1, "one event held")
    gateway.assert_conserved()


def test_a_refused_key_holds_the_events(gateway, sandbox):
    fault = {"write_key": harness.write_key("acme"), "status": 401}
    sandbox.set_faults(fault)
    assert gateway.client().post("/v1/track", track(1)).status == 200
    harness.wait_until(lambda: [a for a in sandbox.requests() if a["status"] == 401], "attempt")
    assert gateway.client().post("/v1/track", track(2)).status == 200
    harness.wait_until(lambda: gateway.pending() == 2, "two events held")
    assert gateway.metrics().total("events_dead_total") == 0
    sandbox.clear_faults()
    gateway.wait_drained()
    assert sandbox.ids() == ["m-1", "m-2"]


def test_a_poison_event_dies_alone(gateway, sandbox):
    sandbox.set_faults({"message_id": "m-5", "status": 400})
    answer = gateway.client().post("/v1/batch", {"batch": [track(n) for n in range(8)]})
    assert answer.status == 200
    gateway.wait_drained()
    assert sorted(sandbox.ids()) == [f"m-{n}" for n in range(8) if n != 5]
    assert gateway.metrics().total("events_dead_total") == 1
    gateway.assert_conserved()


def test_rejected_events_do_not_harm_their_neighbours(gateway, sandbox):
    batch = [track(1), {"type": "track", "event": "nobody"}, track(2), {"type": "dance"}, 7]
    answer = gateway.client().post("/v1/batch", {"batch": batch})
    assert answer.status == 200 and answer.json["success"] is True
    assert answer.json["accepted"] == 2
    assert [entry["index"] for entry in answer.json["rejected"]] == [1, 3, 4]
    assert answer.json["rejected"][0]["code"] == "no_user_anon_id"
    assert all(entry["message"] for entry in answer.json["rejected"])
    gateway.wait_drained()
    assert sandbox.ids() == ["m-1", "m-2"]
    gateway.assert_conserved()


def test_envelope_context_and_integrations_reach_each_event(gateway, sandbox):
    gateway.client().post("/v1/batch", {
        "batch": [{**track(1), "context": {"device": {"type": "tv"}},
                   "integrations": {"Mixpanel": True}}, track(2)],
        "context": {"device": {"type": "phone", "model": "X"}, "library": {"name": "analytics-go"}},
        "integrations": {"All": False}, "sequence": 4, "messageId": "envelope"})
    harness.wait_until(lambda: len(sandbox.events()) == 2, "arrival")
    first, second = sandbox.events()
    assert first["context"] == {"device": {"type": "tv", "model": "X"},
                                "library": {"name": "analytics-go"}}
    assert first["integrations"] == {"All": False, "Mixpanel": True}
    assert second["context"]["device"] == {"type": "phone", "model": "X"}
    assert second["messageId"] == "m-2" and "sequence" not in second


def test_server_owned_fields_and_keys_are_stripped(gateway, sandbox):
    gateway.client().post("/v1/batch", {"batch": [
        {**track(1), "writeKey": harness.write_key("globex"), "receivedAt": "2020-01-01T00:00:00Z",
         "originalTimestamp": "2020-01-01T00:00:00Z", "projectId": "p", "version": 2}]})
    harness.wait_until(sandbox.events, "arrival")
    assert sandbox.events("globex") == []
    event = sandbox.events("acme")[0]
    for name in ("writeKey", "receivedAt", "originalTimestamp", "projectId", "version", "sentAt"):
        assert name not in event


def test_a_paused_tenant_is_stored_and_held(new_gateway, sandbox):
    paused = harness.tenant_entry("acme", paused=True)
    gateway = new_gateway(tenants=[paused, harness.tenant_entry("globex")]).start()
    send_counted(gateway.client("acme"), range(3))
    send_counted(gateway.client("globex"), range(10, 12))
    harness.wait_until(lambda: len(sandbox.ids("globex")) == 2, "delivery of the other tenant")
    harness.wait_until(lambda: gateway.pending() == 3, "three events held")
    gateway.assert_conserved()
    assert gateway.stop() == 0

    gateway.config["tenants"][0]["paused"] = False
    gateway.start()
    gateway.wait_drained()
    assert sandbox.ids("acme") == ["m-0", "m-1", "m-2"]


def test_a_switched_off_tenant_is_answered_and_counted(new_gateway, sandbox):
    off = {"id": "acme", "ingest_keys": [harness.ingest_key("acme")],
           "segment": {"enabled": False}}
    gateway = new_gateway(tenants=[off, harness.tenant_entry("globex")]).start()
    answer = gateway.client("acme").post("/v1/track", track(1))
    assert (answer.status, answer.json) == (200, {"success": True})
    answer = gateway.client("acme").post("/v1/batch", {"batch": [track(2), track(3)]})
    assert answer.status == 200
    send_counted(gateway.client("globex"), [4])
    gateway.wait_drained()
    metrics = gateway.metrics()
    assert metrics.total("events_not_forwarded_total") == 3
    assert metrics.total("events_accepted_total") == 1
    assert sandbox.ids() == ["m-4"]
    gateway.assert_conserved()


def test_a_service_key_sends_for_any_tenant(gateway, sandbox):
    client = harness.Client(gateway.ingest_port, "backend-service-key-1")
    assert client.post("/v1/track", track(1), {"X-Tenant-Id": "globex"}).status == 200
    assert client.post("/v1/track", {**track(2), "tenantId": "acme"}).status == 200
    answer = client.post("/v1/batch", {"batch": [
        {**track(3), "tenantId": "acme"}, {**track(4), "tenantId": "globex"},
        {**track(5), "tenantId": "nobody"}, {**track(6), "tenantId": "acme"}, track(7)]},
                         {"X-Tenant-Id": "globex"})
    assert answer.status == 200
    body = json.loads(answer.body)
    assert body["accepted"] == 4
    assert [(r["index"], r["code"]) for r in body["rejected"]] == [(2, "tenant_unknown")]
    answer = client.post("/v1/track", track(8))
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "tenant_missing")
    gateway.wait_drained()
    assert [sandbox.ids(name) for name in harness.TENANTS] == [
        ["m-2~acme", "m-3~acme", "m-6~acme"], ["m-1~globex", "m-4~globex", "m-7~globex"], []]
    assert all("tenantId" not in event for event in sandbox.events())


def test_a_restart_continues_from_the_cursor(gateway, sandbox):
    for first in range(0, 60, 20):
        send_counted(gateway.client(), range(first, first + 20))
        gateway.wait_drained()
        assert gateway.stop() == 0
        gateway.start()
    send_counted(gateway.client(), range(60, 80))
    gateway.wait_drained()
    assert sandbox.ids() == [f"m-{n}" for n in range(80)]
    gateway.assert_conserved()


def test_sigterm_under_load_exits_cleanly_and_loses_nothing(gateway, sandbox):
    acknowledged, stop = [], threading.Event()

    def produce(worker):
        client = gateway.client()
        for number in range(10000):
            if stop.is_set():
                return
            identity = worker * 100000 + number
            try:
                answer = client.post("/v1/track", track(identity, f"u{worker}"))
            except OSError:
                return
            except Exception as error:  # http.client raises its own kinds on a closed peer
                assert type(error).__module__ == "http.client"
                return
            if answer.status == 200:
                acknowledged.append(f"m-{identity}")
            else:
                assert answer.status == 503 and "retry-after" in answer.headers
                return

    workers = [threading.Thread(target=produce, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    harness.wait_until(lambda: len(acknowledged) > 200, "load")
    assert gateway.stop(timeout=15) == 0
    stop.set()
    for worker in workers:
        worker.join()

    gateway.start()
    gateway.wait_drained()
    received = sandbox.ids()
    assert set(acknowledged) <= set(received)
    gateway.assert_conserved()


def test_a_second_sigterm_exits_at_once(gateway, sandbox):
    sandbox.set_faults({"hang": True})
    gateway.client().post("/v1/track", track(1))
    harness.wait_until(lambda: gateway.metrics().total("delivery_in_flight") == 1, "an attempt")
    gateway.process.signal(harness.signal.SIGTERM)
    gateway.process.wait_for_log(event="stopping")
    gateway.process.signal(harness.signal.SIGTERM)
    gateway.process.wait(5)


def test_no_key_shows_in_logs_metrics_or_answers(gateway, sandbox):
    sandbox.set_faults({"status": 401, "count": 2})
    text = ""
    for key in (harness.ingest_key("acme"), "unknown-key-77"):
        client = harness.Client(gateway.ingest_port, key)
        text += client.post("/v1/track", track(1)).body.decode()
        text += client.post("/v1/track", {"writeKey": key, "nonsense": "]"}).body.decode()
    gateway.wait_drained()
    for path in ("/metrics", "/livez", "/readyz", "/api/v1/status"):
        text += gateway.admin(path).body.decode()
    assert gateway.stop() == 0
    text += gateway.all_logs()
    for folder, _, names in os.walk(os.path.join(gateway.folder, "data")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                text += file.read().decode("latin-1")
    for secret in (harness.ingest_key("acme"), harness.write_key("acme"), "unknown-key-77",
                   "backend-service-key-1"):
        assert secret not in text
        assert harness.basic(secret).split()[1] not in text


def test_repeated_ids_are_stored_once_through_a_crash(new_gateway, sandbox):
    tenants = [harness.tenant_entry("acme", dedupe={"window": "1h"})]
    gateway = new_gateway(tenants=tenants).start()

    def send_all():
        client = gateway.client()
        for start in range(0, 200, 20):
            items = [track(number) for number in range(start, start + 20)]
            assert client.post("/v1/batch", {"batch": items + items[:5]}).json == {"success": True}

    send_all()
    gateway.kill()
    gateway.start()
    send_all()
    gateway.wait_drained()
    assert sorted(set(sandbox.ids("acme"))) == sorted(f"m-{number}" for number in range(200))
    metrics = gateway.metrics()
    assert metrics.total("events_accepted_total") == 200
    assert metrics.total("queue_duplicate_events_total") == 250
    assert metrics.total("queue_remembered_ids") > 0


def test_a_flood_of_rubbish_keeps_to_its_share_of_the_disk(new_gateway, sandbox):
    gateway = new_gateway(storage={"tenant_max_rejected": "1MiB"}).start()
    rubbish = {"batch": [{"type": "track", "event": "whose?", "properties": {"f": "x" * 2000}}] * 200}
    client = gateway.client()
    for _ in range(10):
        answer = client.post("/v1/batch", rubbish)
        assert answer.status == 200 and answer.json["accepted"] == 0
        assert len(answer.json["rejected"]) == 200
    assert gateway.client("globex").post("/v1/track", track(1)).json == {"success": True}
    metrics = gateway.metrics()
    assert 500_000 < metrics.total("queue_rejected_bytes") <= 1 << 20
    assert metrics.total("queue_rejected_events_evicted_total") > 1000
    assert metrics.with_label("ingest_rejected_events_total", 'reason="no_user_anon_id"') == 2000
    gateway.wait_drained()
    gateway.assert_conserved()


def test_health(gateway):
    assert gateway.admin("/livez").status == 200
    assert gateway.admin("/readyz").status == 200
    assert gateway.admin("/nothing").status == 404
    for name in ("events_accepted_total", "events_delivered_total", "events_dead_total",
                 "events_pending"):
        assert gateway.metrics().total(name) == 0
