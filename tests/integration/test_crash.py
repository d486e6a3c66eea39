# SPDX-License-Identifier: Apache-2.0
"""kill -9, again and again, under load, with Segment failing at random: every event that was
acknowledged arrives; nothing arrives that was never sent; each user's order is kept.

`./dev soak` sets the variables: more rounds, and a clock that jumps in each of them.
"""

import os
import random

import harness
import load as loads
from clock import DAY

ROUNDS = int(os.environ.get("GATEWAY_CRASH_ROUNDS", "25"))
CLOCK_JUMPS = os.environ.get("GATEWAY_CRASH_CLOCK_JUMPS", "0") == "1"


def test_kill_9_loses_nothing_acknowledged(new_gateway, sandbox, clock):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance, load, gateway = random.Random(seed), loads.Load(seed), new_gateway()
    if CLOCK_JUMPS:
        clock.follow(gateway)
    for number in range(ROUNDS):
        sandbox.set_faults(*loads.random_faults(chance))
        gateway.start()
        finish = load.start(gateway, number)
        try:
            for _ in range(2):
                goal = load.acknowledged_count() + chance.randrange(50, 1500)
                harness.wait_until(lambda: load.acknowledged_count() >= goal,
                                   f"load, round {number}")
                if CLOCK_JUMPS:
                    clock.set(chance.uniform(-DAY, DAY))
            gateway.kill()
        finally:
            finish()

    sandbox.clear_faults()
    gateway.start()
    gateway.wait_drained()
    metrics = gateway.metrics()
    assert metrics.total("events_dead_total") == 0
    assert metrics.total("events_accepted_total") >= load.acknowledged_count()
    gateway.assert_conserved()
    assert gateway.stop() == 0
    tally = loads.tally(load, sandbox)
    print(f"{ROUNDS} rounds: {tally.acknowledged} acknowledged, {tally.received} received "
          f"(and {len(sandbox.records()) - tally.received} once more), {tally.lost} lost")
    loads.check_arrivals(load, sandbox)
