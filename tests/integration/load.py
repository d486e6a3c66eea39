# SPDX-License-Identifier: Apache-2.0
"""A load that remembers what was acknowledged, and the check that all of it arrived."""

import collections
import http.client
import random
import threading

import harness

WORKERS = 4
BATCH = 20


class Load:
    """Workers that send numbered events until told to stop, and remember every answer."""

    def __init__(self, seed):
        self._seed = seed
        self._next = [0] * WORKERS
        self.sent = [set() for _ in range(WORKERS)]
        self.acknowledged = [set() for _ in range(WORKERS)]

    def acknowledged_count(self):
        return sum(map(len, self.acknowledged))

    @staticmethod
    def tenant(worker):
        return harness.TENANTS[worker % len(harness.TENANTS)]

    def _take(self, worker, count):
        """The worker's next events, all of one user, numbered in order."""
        first = self._next[worker]
        self._next[worker] += count
        return [{"type": "track", "userId": f"user-{worker}", "event": "Crash",
                 "messageId": f"{worker}-{number}", "properties": {"number": number}}
                for number in range(first, first + count)]

    def _work(self, worker, gateway, stop, chance):
        client = gateway.client(self.tenant(worker))
        while not stop.is_set():
            events = self._take(worker, BATCH if chance.random() < 0.5 else 1)
            ids = {event["messageId"] for event in events}
            self.sent[worker] |= ids
            try:
                if len(events) > 1:
                    answer = client.post("/v1/batch", {"batch": events})
                else:
                    answer = client.post("/v1/track", events[0])
            except (OSError, http.client.HTTPException):
                return  # The gateway is gone; whether it has the events is not known.
            if answer.status == 200:
                self.acknowledged[worker] |= ids

    def start(self, gateway, number):
        """Returns a function that stops the workers of this round."""
        stop = threading.Event()
        threads = [threading.Thread(target=self._work, args=(
            worker, gateway, stop, random.Random(f"{self._seed}/{number}/{worker}")))
            for worker in range(WORKERS)]
        for thread in threads:
            thread.start()

        def finish():
            stop.set()
            for thread in threads:
                thread.join()
        return finish


def random_faults(chance):
    """A mixture of what Segment and the way to it can do wrong."""
    return [{"status": 500, "probability": chance.uniform(0, 0.3)},
            {"status": 429, "retry_after": 1, "probability": chance.uniform(0, 0.05)},
            {"reset": "before_body", "probability": chance.uniform(0, 0.1)},
            {"reset": "after_body", "probability": chance.uniform(0, 0.2)},
            {"drop_response": True, "probability": chance.uniform(0, 0.2)},
            {"latency_ms": 5, "latency_jitter_ms": 50, "probability": chance.uniform(0, 0.3)}]


Tally = collections.namedtuple("Tally", "acknowledged received lost")


def tally(load, sandbox):
    """Counts of events, each of them once."""
    arrived = {tenant: set(sandbox.ids(tenant)) for tenant in harness.TENANTS}
    lost = sum(len(load.acknowledged[worker] - arrived[load.tenant(worker)])
               for worker in range(WORKERS))
    return Tally(load.acknowledged_count(), sum(map(len, arrived.values())), lost)


def check_arrivals(load, sandbox):
    unknown, missing = [], []
    arrived = {tenant: sandbox.ids(tenant) for tenant in harness.TENANTS}
    for worker in range(WORKERS):
        mine = [identity for identity in arrived[load.tenant(worker)]
                if identity.startswith(f"{worker}-")]
        missing += load.acknowledged[worker] - set(mine)
        unknown += set(mine) - load.sent[worker]
        first_arrivals = list(collections.OrderedDict.fromkeys(mine))
        numbers = [int(identity.split("-")[1]) for identity in first_arrivals]
        assert numbers == sorted(numbers), f"order of worker {worker}"
    total = sum(len(set(ids)) for ids in arrived.values())
    assert total == len(set(sandbox.ids())), "an event arrived for the wrong tenant"
    assert not missing, f"{len(missing)} acknowledged events never arrived: {missing[:5]}"
    assert not unknown, f"{len(unknown)} events arrived that were never sent: {unknown[:5]}"
