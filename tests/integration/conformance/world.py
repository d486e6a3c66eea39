# SPDX-License-Identifier: Apache-2.0
"""What the conformance cases share.

A case is what a client sends, and what Segment's contract says it must be answered and what
must arrive. In compat the tenant is acme, in strict the one of that name.
"""

import datetime

import harness

CASES = {}


def case(number):
    """Registers a function of one case."""
    def register(run):
        assert number not in CASES
        CASES[number] = run
        return run
    return register


class World:
    """A gateway, its sandbox, and short ways to ask both."""

    def __init__(self, gateway, sandbox, new_gateway):
        self.gateway = gateway
        self.sandbox = sandbox
        self.new_gateway = new_gateway
        self._number = 0

    def id(self):
        self._number += 1
        return f"conformance-{self._number}"

    def send(self, path, body, tenant="acme", headers=None, auth=True, gateway=None):
        key = harness.ingest_key(tenant) if auth else None
        client = harness.Client((gateway or self.gateway).ingest_port, key)
        try:
            return client.post(path, body, headers)
        finally:
            client.close()

    def track(self, tenant="acme", path="/v1/track", **fields):
        return self.send(path, {"userId": "u", "event": "e", **fields}, tenant)

    def batch(self, *items, tenant="acme", **envelope):
        return self.send("/v1/batch", {"batch": list(items), **envelope}, tenant)

    def arrived(self, message_id, tenant="acme"):
        """The one event with this id, as Segment got it."""
        self.gateway.wait_drained()
        found = [event for event in self.sandbox.events(tenant)
                 if event["messageId"] == message_id]
        assert len(found) == 1, found
        return found[0]

    def stored(self):
        """Events in the store, ever, of all tenants."""
        return self.gateway.metrics().total("events_accepted_total")

    def rejected(self, reason):
        metrics = self.gateway.metrics()
        return metrics.with_label("ingest_rejected_events_total", f'reason="{reason}"')

    def note(self, name):
        return self.gateway.metrics().with_label("ingest_event_notes_total", f'note="{name}"')

    def refused_event(self, answer, code):
        """Compat: answered 200, listed, counted, nothing of it stored."""
        assert answer.status == 200 and answer.json["success"] is True, answer
        assert [entry["code"] for entry in answer.json["rejected"]] == [code], answer
        assert answer.json["accepted"] == 0
        assert self.rejected(code) > 0

    def strict_refuses(self, path, body, code):
        before = self.stored()
        answer = self.send(path, body, "strict")
        assert_error(answer, 400)
        assert code in [answer.json["code"],
                        *(entry["code"] for entry in answer.json["rejected"])], answer
        assert self.stored() == before


def assert_ok(answer):
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"success": True}, answer


def assert_error(answer, *statuses):
    assert answer.status in statuses, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["success"] is False
    for name in ("code", "message", "error"):
        assert isinstance(answer.json[name], str) and answer.json[name], answer


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def iso(moment):
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def close(text, moment, seconds=5):
    return abs((instant(text) - moment).total_seconds()) < seconds * harness.PATIENCE


def chunked(path, body, headers):
    """A request as Kotlin's client sends it, for Raw."""
    lines = [f"POST {path} HTTP/1.1", "Host: g", "Transfer-Encoding: chunked", *headers]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part)
                      for part in (body[:7], body[7:]) if part)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + chunks + b"0\r\n\r\n"
