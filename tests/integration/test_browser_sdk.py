# SPDX-License-Identifier: Apache-2.0
"""The unmodified @segment/analytics-next in Chromium, on a page of another origin than the
gateway's: what Segment receives is what the page sent, also when the gateway restarts, refuses
or loses answers."""

import json

import pytest

import browser
import clients
import harness
import wire as wires

KEY = harness.ingest_key("acme")
COUNT = 40


def batching(**config):
    return {"integrations": {"Segment.io": {
        "deliveryStrategy": {"strategy": "batching", "config": config}}}}


# The load options of each way the library has of sending.
STRATEGIES = {"standard": {}, "batching": batching()}
# The same where retries would take long: a batch that is not full waits for 5 s by default.
QUICK_STRATEGIES = {"standard": {}, "batching": batching(timeout=1000)}
# The first path of the tracking calls of each strategy.
PATHS = {"standard": {"/v1/i", "/v1/t", "/v1/p", "/v1/s", "/v1/g", "/v1/a"}, "batching": {"/v1/b"}}
ADDED_IP = "127.0.0.1"


@pytest.fixture(scope="module")
def chromium():
    instance = browser.Chromium()
    yield instance
    instance.stop()


@pytest.fixture(scope="module")
def site():
    instance = browser.Site()
    yield instance
    instance.stop()


@pytest.fixture
def page(chromium):
    instance = chromium.new_page()
    yield instance
    instance.close()


@pytest.fixture(params=STRATEGIES)
def strategy(request):
    return request.param


def visit(page, site):
    page.goto(site.url + "/", "Boolean(window.page && window.AnalyticsNext)")


def load(page, settings, options):
    page.evaluate(f"page.load({json.dumps(settings)}, {json.dumps(options)})")


def send(page, first, end):
    """The calls that the page made, by number."""
    calls = wires.parse(page.evaluate(f"page.send({first}, {end})"))
    return {int(number): entry for number, entry in calls.items()}


def delivered(wire):
    """The numbers of the calls that the library got a 200 for."""
    return {clients.number(event) for exchange in wire.calls(status=200)
            for event in exchange.events()}


def check(count, wire, gateway, sandbox):
    """Waits until the library was told that all is well, and compares with what arrived.
    Returns that, repetitions included."""
    harness.wait_until(lambda: delivered(wire) == set(range(count)),
                       f"success of {count} calls", 50)
    gateway.wait_drained()
    arrived = clients.received(sandbox)
    clients.assert_complete(range(count), wire.events(), arrived, ADDED_IP)
    gateway.assert_conserved()
    assert gateway.metrics().total("events_dead_total") == 0
    return arrived


def test_with_settings_from_the_gateway(strategy, page, site, wire, gateway, sandbox):
    wire.to(gateway)
    visit(page, site)
    load(page, {"writeKey": KEY, "cdnURL": wire.url}, STRATEGIES[strategy])
    calls = send(page, 0, COUNT)
    assert {entry["type"] for entry in calls.values()} == set(clients.CALLS)

    arrived = check(COUNT, wire, gateway, sandbox)
    assert len(arrived) == COUNT
    clients.assert_timestamps(wire.events(), arrived)
    assert {exchange.path for exchange in wire.calls()} == PATHS[strategy]
    assert {exchange.headers["origin"] for exchange in wire.exchanges} == {site.url}
    assert {exchange.key() for exchange in wire.calls()} == {KEY}
    assert any(exchange.method == "OPTIONS" for exchange in wire.exchanges)
    assert page.errors() == []
    for event in arrived:
        clients.assert_carries(calls[clients.number(event)], event)
        assert event["context"]["ip"] in (ADDED_IP, "203.0.113.9")


def test_with_settings_in_the_page(page, site, wire, gateway, sandbox):
    """And with the library's metrics about itself, which are answered and not kept."""
    wire.to(gateway)
    visit(page, site)
    load(page, {"writeKey": KEY, "cdnSettings": {"integrations": {"Segment.io": {"apiKey": KEY}},
                                                 "metrics": {"sampleRate": 1, "flushTimer": 100}}},
         {"integrations": {"Segment.io": {"apiHost": wire.url.removeprefix("http://") + "/v1",
                                          "protocol": "http"}}})
    send(page, 0, COUNT)
    arrived = check(COUNT, wire, gateway, sandbox)
    assert len(arrived) == COUNT
    harness.wait_until(lambda: any(exchange.path == "/v1/m" and exchange.status == 200
                                   for exchange in wire.exchanges), "metrics of the library")
    assert all(exchange.method != "GET" for exchange in wire.exchanges)
    assert page.errors() == []


def test_the_snippet_with_a_library_of_your_own(page, site, wire, gateway, sandbox):
    wire.to(gateway)
    page.goto(f"{site.url}/snippet?key={KEY}&gateway={wire.url}")
    harness.wait_until(lambda: len(wire.calls(status=200)) == 1, "page call")
    gateway.wait_drained()
    (event,) = clients.received(sandbox)
    assert event["type"] == "page"
    assert clients.same(wire.events()[event["messageId"]], event, ADDED_IP)
    assert page.errors() == []


@pytest.mark.parametrize("end", (harness.Gateway.stop, harness.Gateway.kill),
                         ids=("sigterm", "kill_9"))
def test_a_restart_in_the_middle(end, strategy, page, site, wire, gateway, sandbox):
    wire.to(gateway)
    visit(page, site)
    load(page, {"writeKey": KEY, "cdnURL": wire.url}, QUICK_STRATEGIES[strategy])
    send(page, 0, 20)
    harness.wait_until(lambda: delivered(wire), "delivery before the restart")
    end(gateway)
    send(page, 20, 40)
    harness.wait_until(lambda: any(exchange.status == 0 for exchange in wire.exchanges),
                       "request that fails")
    wire.to(gateway.start())
    send(page, 40, 60)
    check(60, wire, gateway, sandbox)


def test_refusals_and_cuts(strategy, page, site, wire, gateway, sandbox):
    wire.to(gateway)
    visit(page, site)
    load(page, {"writeKey": KEY, "cdnURL": wire.url}, QUICK_STRATEGIES[strategy])
    wire.fail(wires.Fault(status=503, retry_after=1), wires.Fault(status=429, retry_after=1),
              wires.Fault(cut_before=True), wires.Fault(cut_after=True))
    send(page, 0, COUNT)
    arrived = check(COUNT, wire, gateway, sandbox)
    assert wire.faults_left() == 0
    assert len(arrived) > COUNT, "what was cut off after the gateway had it was not sent again"


def test_a_tenant_over_its_limit(page, site, wire, new_gateway, sandbox):
    gateway = new_gateway(tenants=[harness.tenant_entry(
        "acme", limits={"events_per_second": 10, "burst_events": 10})]).start()
    wire.to(gateway)
    visit(page, site)
    load(page, {"writeKey": KEY, "cdnURL": wire.url}, {})
    send(page, 0, COUNT)
    check(COUNT, wire, gateway, sandbox)
    assert wire.calls(status=429)
    assert not [error for error in page.errors() if "CORS" in error]


def test_a_gateway_without_room(page, site, wire, new_gateway, sandbox):
    """It still tells pages their settings, and they can read its refusals."""
    gateway = new_gateway(storage={"min_free_disk": "16TiB"}).launch()
    wire.to(gateway)
    visit(page, site)
    load(page, {"writeKey": KEY, "cdnURL": wire.url}, {})
    send(page, 0, 10)
    harness.wait_until(lambda: wire.calls(status=503), "refusal")
    gateway.stop()
    gateway.config["storage"]["min_free_disk"] = "1MiB"
    wire.to(gateway.start())
    check(10, wire, gateway, sandbox)
    assert not [error for error in page.errors() if "CORS" in error]


def test_events_of_a_page_that_was_left(page, site, wire, gateway, sandbox):
    """The library keeps what it could not send in the browser's storage, and sends it when the
    visitor returns to a page of the site."""
    wire.to(gateway)
    visit(page, site)
    load(page, {"writeKey": KEY, "cdnURL": wire.url}, {})
    gateway.kill()
    send(page, 0, 10)
    harness.wait_until(lambda: any(exchange.status == 0 for exchange in wire.exchanges),
                       "request that fails")
    page.goto("about:blank")
    wire.to(gateway.start())
    visit(page, site)
    load(page, {"writeKey": KEY, "cdnURL": wire.url}, {})
    check(10, wire, gateway, sandbox)
