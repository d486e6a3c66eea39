# SPDX-License-Identifier: Apache-2.0
"""Tables that are gone, cut or destroyed where RocksDB itself needs them: the store opens, what is
whole is delivered, what is lost is counted, and no restart makes it worse."""

import http.client
import os

import pytest

import damage
from damage import BATCH


@pytest.fixture(name="store")
def fixture_store(new_gateway, sandbox):
    return damage.Store(new_gateway(), sandbox)


def index_of(path):
    """An offset at the end of the index, which lies before the properties, by their names."""
    with open(path, "rb") as file:
        return file.read().index(b"rocksdb.block.based.table") - 30


@pytest.mark.parametrize("harm", [
    os.unlink,
    lambda path: damage.cut(path, 0),
    lambda path: damage.cut(path, os.path.getsize(path) // 2),
    lambda path: damage.cut(path, -1),
    lambda path: damage.flip(path, -2, 2),
    lambda path: damage.flip(path, -51, 2),
    lambda path: damage.flip(path, index_of(path)),
], ids=["missing", "emptied", "half", "a byte short", "magic", "footer", "index"])
def test_a_table_that_cannot_be_opened(harm, store):
    """Its events may all be lost, but no others, and all of them are counted."""
    harm(store.flush())
    lost = store.deliver()
    in_table = {"acme": store.ids["acme"][:-BATCH], "globex": store.ids["globex"][:-BATCH]}
    for tenant, ids in lost.items():
        assert set(ids) <= set(in_table[tenant]), "what lies in the log file is whole"
    store.assert_counted(sum(map(len, lost.values())))
    store.assert_goes_on(sum(map(len, lost.values())))


def test_the_end_of_a_log_cannot_be_read(store):
    """Nothing tells how many events a block held that nothing lies behind; but that there were
    some is known, and new ones are not taken for them."""
    store.send("globex", 1)
    store.send("acme", 15, size=2000)
    store.gateway.kill()
    store.gateway.start()
    store.kill()
    [table] = damage.tables(store.gateway, store.ids["acme"][0])
    damage.flip(table, damage.find(table, store.ids["acme"][-BATCH + 3]) + 200, 4)
    lost = store.deliver()
    assert lost == {"acme": store.ids["acme"][-BATCH:], "globex": []}
    metrics = store.gateway.metrics()
    counted = metrics.total("queue_quarantined_events_total")
    assert 1 <= counted <= BATCH
    assert metrics.total("events_dead_total") == counted
    store.gateway.assert_conserved()
    store.assert_goes_on(counted)


def supervised(store, action):
    """As whoever runs the process does: where it ended for a restart, that comes, and all is tried
    again."""
    gateway = store.gateway
    for _ in range(3):
        try:
            return action()
        except (OSError, http.client.HTTPException, AssertionError):
            if gateway.process.running():
                gateway.process.wait_for_log(event="storage_needs_restart")
            assert gateway.process.wait() == 1
            gateway.process.assert_sound()
            gateway.start()
    raise AssertionError("it ends again and again")


def test_compactions_meet_damaged_blocks(store):
    """Each start writes one more table, until they are merged. RocksDB takes no writes then: the
    process ends, and the next start takes the damaged table out."""
    table = store.flush()
    victims = (0, 5, 6, 8)  # 7 is whole, and alone between others.
    for number in victims:
        damage.flip(table, damage.find(table, store.ids["acme"][number * BATCH + 3]) + 200, 4)
    lost = store.deliver()
    expected = [identity for number in victims
                for identity in store.ids["acme"][number * BATCH:(number + 1) * BATCH]]
    assert lost == {"acme": expected, "globex": []}

    def one_more_table():
        store.send("acme", 3, size=2000)
        store.gateway.kill()
        store.gateway.start()
        store.gateway.wait_drained()
        assert store.gateway.metrics().total("events_dead_total") == len(expected)
        store.gateway.assert_conserved()

    for _ in range(8):
        supervised(store, one_more_table)
    assert os.path.exists(os.path.join(store.folder, "damaged-" + os.path.basename(table)))
    assert store.sandbox.ids("acme")[-BATCH:] == store.ids["acme"][-BATCH:]
    supervised(store, lambda: store.assert_goes_on(len(expected)))
