# SPDX-License-Identifier: Apache-2.0
"""Cases 32 to 63: what an event must be, and what becomes of it."""

import datetime

import harness
from conformance.world import assert_ok, case, close, instant, iso, now


@case(32)
def nobodys_event(world):
    body = {"event": "e"}
    world.refused_event(world.send("/v1/track", body), "no_user_anon_id")
    world.strict_refuses("/v1/track", body, "no_user_anon_id")


@case(33)
def null_ids_are_no_ids(world):
    for ids in ({"userId": None, "anonymousId": "a"}, {"userId": "u", "anonymousId": None}):
        message_id = world.id()
        assert_ok(world.send("/v1/track", {"event": "e", "messageId": message_id, **ids}))
        world.arrived(message_id)


@case(34)
def an_empty_id(world):
    world.refused_event(world.send("/v1/track", {"userId": "", "event": "e"}), "id_not_string")
    world.strict_refuses("/v1/track", {"userId": "", "event": "e"}, "id_not_string")


@case(35)
def a_number_as_id(world):
    message_id = world.id()
    assert_ok(world.track(messageId=message_id, userId=12))
    assert world.arrived(message_id)["userId"] == "12"
    world.strict_refuses("/v1/track", {"userId": 12, "event": "e"}, "id_not_string")


@case(36)
def the_events_name(world):
    for fields, code in (({}, "event_not_defined"), ({"event": ""}, "event_not_defined"),
                         ({"event": 5}, "event_not_string")):
        world.refused_event(world.send("/v1/track", {"userId": "u", **fields}), code)
        world.strict_refuses("/v1/track", {"userId": "u", **fields}, code)


@case(37)
def track_without_properties(world):
    message_id = world.id()
    assert_ok(world.track(messageId=message_id))
    assert "properties" not in world.arrived(message_id)


@case(38)
def payloads_are_objects(world):
    for value in ([], "x", 5, True):
        world.refused_event(world.track(properties=value), "properties_not_object")
        world.refused_event(world.track(traits=value), "traits_not_object")
        for path in ("/v1/identify", "/v1/alias"):
            call = {"userId": "u", "previousId": "p"}
            world.refused_event(world.send(path, {**call, "traits": value}), "traits_not_object")
            world.refused_event(world.send(path, {**call, "properties": value}),
                                "properties_not_object")


@case(39)
def pages_without_a_name(world):
    first, second = world.id(), world.id()
    assert_ok(world.send("/v1/page", {"userId": "u", "messageId": first}))
    assert_ok(world.send("/v1/page", {"userId": "u", "messageId": second, "name": ""}))
    world.arrived(first)
    assert "name" not in world.arrived(second)


@case(40)
def names_are_strings(world):
    world.refused_event(world.send("/v1/page", {"userId": "u", "name": 5}), "name_not_string")
    world.refused_event(world.send("/v1/screen", {"userId": "u", "category": {}}),
                        "category_not_string")


@case(41)
def a_group_needs_its_id(world):
    world.refused_event(world.send("/v1/group", {"userId": "u"}), "group_id_missing")


@case(42)
def a_group_without_a_user(world):
    message_id, before = world.id(), world.note("group_without_user")
    assert_ok(world.send("/v1/group", {"groupId": "g", "messageId": message_id}))
    world.arrived(message_id)
    assert world.note("group_without_user") == before + 1
    world.strict_refuses("/v1/group", {"groupId": "g"}, "no_user_anon_id")


@case(43)
def an_alias_without_previous_id(world):
    message_id = world.id()
    assert_ok(world.send("/v1/alias", {"userId": "u", "messageId": message_id}))
    world.arrived(message_id)
    world.strict_refuses("/v1/alias", {"userId": "u"}, "previous_id_missing")


@case(44)
def a_missing_id_is_given_once(world):
    gateway, before = world.new_gateway().start(), len(world.sandbox.requests())

    def ids():
        return [message_id for request in world.sandbox.requests()[before:]
                for message_id in request["message_ids"]]

    world.sandbox.set_faults({"status": 503})
    assert_ok(world.send("/v1/track", {"userId": "u", "event": "e"}, gateway=gateway))
    harness.wait_until(lambda: len(ids()) >= 2, "two attempts")
    gateway.kill()
    world.sandbox.clear_faults()
    gateway.start()
    gateway.wait_drained()
    assert len(set(ids())) == 1 and len(ids()[0]) == 36


@case(45)
def the_length_of_an_id(world):
    longest = (world.id() + "x" * 100)[:100]
    assert_ok(world.track(messageId=longest))
    world.arrived(longest)
    before = world.note("message_id_replaced")
    assert_ok(world.track(messageId=longest + "y"))
    assert world.note("message_id_replaced") == before + 1
    world.strict_refuses("/v1/track", {"userId": "u", "event": "e", "messageId": longest + "y"},
                         "message_id_too_long")


@case(46)
def an_id_twice(world):
    message_id = world.id()
    for _ in range(2):
        assert_ok(world.track(messageId=message_id))
    world.gateway.wait_drained()
    assert 1 <= world.sandbox.ids("acme").count(message_id) <= 2
    deduped = world.id()
    for _ in range(3):
        assert_ok(world.track("deduped", messageId=deduped))
    world.gateway.wait_drained()
    assert world.sandbox.ids("deduped").count(deduped) == 1


@case(47)
def an_id_for_two_tenants(world):
    message_id = world.id()
    answer = world.send("/v1/batch", {"batch": [
        {"type": "track", "userId": "two", "event": "e", "messageId": message_id,
         "tenantId": tenant} for tenant in ("acme", "globex")]},
        headers={"Authorization": harness.basic("backend-service-key-1")})
    assert_ok(answer)
    world.gateway.wait_drained()
    ids = [event["messageId"] for tenant in ("acme", "globex")
           for event in world.sandbox.events(tenant) if event.get("userId") == "two"]
    assert len(ids) == 2 and len(set(ids)) == 2
    assert all(len(outgoing) <= 99 for outgoing in ids)


@case(48)
def a_wrong_clock_is_corrected(world):
    message_id, slow = world.id(), now() - datetime.timedelta(hours=1)
    sent = now()
    assert_ok(world.track(messageId=message_id, timestamp=iso(slow),
                          sentAt=iso(slow + datetime.timedelta(seconds=30))))
    event = world.arrived(message_id)
    assert close(event["timestamp"], sent - datetime.timedelta(seconds=30))
    assert "sentAt" not in event


@case(49)
def an_event_that_waited_keeps_its_time(world):
    message_id, an_hour_ago = world.id(), now() - datetime.timedelta(hours=1)
    world.sandbox.set_faults({"status": 503, "count": 3})
    assert_ok(world.track(messageId=message_id, timestamp=iso(an_hour_ago), sentAt=iso(now())))
    event = world.arrived(message_id)
    world.sandbox.clear_faults()
    assert close(event["timestamp"], an_hour_ago)
    sent_at = [record["sent_at"] for record in world.sandbox.records("acme")
               if record["event"]["messageId"] == message_id]
    assert close(sent_at[0], now(), 30), "the envelope's sentAt is that of the delivery"


@case(50)
def a_retry(world):
    message_id = world.id()
    world.sandbox.set_faults({"status": 500, "count": 1})
    before = len(world.sandbox.requests())
    assert_ok(world.track(messageId=message_id))
    world.arrived(message_id)
    world.sandbox.clear_faults()
    first, second = world.sandbox.requests()[before:][:2]
    assert (first["retry_count"], second["retry_count"]) == (0, 1)
    assert first["sent_at"] < second["sent_at"]


@case(51)
def no_timestamp(world):
    message_id = world.id()
    assert_ok(world.track(messageId=message_id))
    assert close(world.arrived(message_id)["timestamp"], now())


@case(52)
def forms_of_timestamps(world):
    forms = ["2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678901+00:00",
             "2026-01-02T05:04:05+02:00", "2026-01-02T03:04:05.1234567Z",
             "2015-2-02T00:30:08.276Z", "2026-01-02"]
    before = world.note("timestamp_kept")
    for form in forms:
        message_id = world.id()
        assert_ok(world.track(messageId=message_id, timestamp=form))
        assert world.arrived(message_id)["timestamp"] == form
        assert_ok(world.track("strict", timestamp=form))
    assert world.note("timestamp_kept") == before


@case(53)
def what_is_no_timestamp(world):
    for value in ("garbage", 1700000000):
        message_id, before = world.id(), world.note("timestamp_kept")
        assert_ok(world.track(messageId=message_id, timestamp=value))
        assert world.arrived(message_id)["timestamp"] == value
        assert world.note("timestamp_kept") == before + 1
        world.strict_refuses("/v1/track", {"userId": "u", "event": "e", "timestamp": value},
                             "timestamp_not_date")


@case(54)
def history(world):
    first, second = world.id(), world.id()
    assert_ok(world.track(messageId=first, timestamp="2012-12-02T00:30:08.276Z"))
    assert_ok(world.track(messageId=second, timestamp="2012-12-02T00:30:08.276Z",
                          sentAt=iso(now())))
    assert world.arrived(first)["timestamp"] == "2012-12-02T00:30:08.276Z"
    assert close(world.arrived(second)["timestamp"], instant("2012-12-02T00:30:08.276Z"))


def enveloped(world, item, **envelope):
    message_id = world.id()
    assert_ok(world.batch({"type": "track", "userId": "u", "event": "e",
                           "messageId": message_id, **item}, **envelope))
    return world.arrived(message_id)


@case(55)
def the_library_of_the_envelope(world):
    event = enveloped(world, {"context": {"whatever": "here"}},
                      context={"library": {"name": "analytics-go", "version": "3.0.0"}})
    assert event["context"] == {"whatever": "here",
                                "library": {"name": "analytics-go", "version": "3.0.0"}}


@case(56)
def the_items_context_wins(world):
    event = enveloped(world, {"context": {"device": {"type": "phone", "own": 1}}},
                      context={"device": {"type": "tablet", "id": "d"}, "locale": "de"})
    context = event["context"]
    assert context["device"] == {"type": "phone", "own": 1, "id": "d"}
    assert context["locale"] == "de"


@case(57)
def integrations_are_merged(world):
    event = enveloped(world, {"integrations": {"Mixpanel": True}}, integrations={"All": False})
    assert event["integrations"] == {"All": False, "Mixpanel": True}


@case(58)
def the_envelopes_own_fields_stay_there(world):
    event = enveloped(world, {}, messageId="batch-1", sequence=7,
                      timestamp="2012-12-02T00:30:08.276Z")
    assert event["messageId"] != "batch-1" and "sequence" not in event
    assert close(event["timestamp"], now())


def round_trip(world, **fields):
    message_id = world.id()
    assert_ok(world.track(messageId=message_id, **fields))
    event = world.arrived(message_id)
    for name, value in fields.items():
        assert event[name] == value, name


@case(59)
def arbitrary_structures(world):
    round_trip(world, integrations={"All": True, "Salesforce": {}, "Nested": {"a": {"b": [1]}}},
               properties={"mixed": [1, "two", None, True, 2.5, {}, []], "deep": {"a": {"b": {}}}})
    event = enveloped(world, {"context": {"own": {"x": [None, {"y": 1}]}, "groupId": "g",
                                          "library": {"name": "l", "version": "1"}}})
    assert event["context"] == {"own": {"x": [None, {"y": 1}]}, "groupId": "g",
                                "library": {"name": "l", "version": "1"}}


@case(60)
def numbers_and_texts_stay_as_written(world):
    numbers = '{"a":0,"b":-0.0,"c":1e21,"d":9007199254740993,"e":14.99,"total billed":830}'
    message_id = world.id()
    assert_ok(world.send("/v1/track", '{"userId":"u","event":"Zo\u00eb 漢字 🚀","messageId":"%s",'
                                      '"properties":%s}' % (message_id, numbers)))
    world.arrived(message_id)
    line = next(text for text in world.sandbox.raw_records() if message_id in text)
    assert numbers in line and "Zoë 漢字 🚀" in line


@case(61)
def a_null_trait(world):
    message_id = world.id()
    assert_ok(world.send("/v1/group", {"userId": "u", "groupId": "g", "traits": {"plan": None},
                                       "messageId": message_id}))
    assert world.arrived(message_id)["traits"] == {"plan": None}


@case(62)
def unknown_keys_stay(world):
    round_trip(world, email="e@example.com", _metadata={"nodeVersion": "v20"},
               options={"a": [1]}, channel="server")


@case(63)
def server_fields_are_taken_off(world):
    message_id = world.id()
    server_owned = {"receivedAt": iso(now()), "originalTimestamp": iso(now()),
                    "projectId": "p", "version": 2}
    assert_ok(world.track(messageId=message_id, **server_owned))
    assert not set(server_owned) & set(world.arrived(message_id))
