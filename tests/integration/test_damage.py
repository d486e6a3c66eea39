# SPDX-License-Identifier: Apache-2.0
"""Files of the store that are not as they were written, against the real binary: what is whole
is delivered, and what is lost is counted, said and left out, exactly."""

import json
import os
import random

import pytest

import damage
from damage import BATCH


@pytest.fixture(name="store")
def fixture_store(new_gateway, sandbox):
    return damage.Store(new_gateway(storage={"write_buffer": "4MiB", "max_wal": "16MiB"}), sandbox)


def events_of(result):
    return [json.loads(line)["messageId"] for line in result.stdout.splitlines()]


def test_bits_in_the_log_file(store):
    """Anywhere in it, but before the last record of each tenant."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(20):
        store.send("acme", 1)
        store.send("globex", 1)
    store.kill()
    [log] = damage.write_ahead_logs(store.gateway)
    begin, end = damage.find(log, store.ids["acme"][0]), damage.find(log, store.ids["acme"][-BATCH])
    for _ in range(3):
        damage.flip(log, chance.randrange(begin, end - 4096), chance.randrange(8))

    lost = store.deliver()
    count = sum(map(len, lost.values()))
    assert BATCH <= count <= 3 * BATCH and count % BATCH == 0
    store.assert_counted(count)
    said = store.gateway.process.wait_for_log(event="queue_damaged_log_file")
    assert os.path.basename(log) in said["file"]
    assert os.path.exists(said["kept_as"])
    store.assert_goes_on(count)


def test_a_log_file_that_ends_early(store):
    """As a crash leaves it, for all that anybody can tell: what lies before the cut is whole."""
    store.send("acme", 20)
    store.kill()
    [log] = damage.write_ahead_logs(store.gateway)
    cut = damage.find(log, store.ids["acme"][-5 * BATCH])
    damage.cut(log, cut)
    lost = store.deliver()
    assert lost["acme"] == store.ids["acme"][-5 * BATCH:]
    # Neither the end of a log tells that there was more, nor, so soon, the file of tails.
    del store.ids["acme"][-5 * BATCH:]
    store.assert_counted(0)


@pytest.mark.parametrize("size", [0.5, 0.98])
def test_a_log_file_that_ends_early_after_a_clean_stop(size, store):
    """Nothing was torn then: what is missing was there."""
    store.send("acme", 20)
    assert store.gateway.stop() == 0
    [log] = damage.write_ahead_logs(store.gateway)
    damage.cut(log, int(os.path.getsize(log) * size))
    lost = store.deliver()
    assert lost["acme"]
    store.assert_counted(len(lost["acme"]))


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_an_older_log_file_that_ends_early(part, store):
    """A newer one knows of events behind the hole: no crash has made that."""
    store.send("globex", 1)
    while len(damage.write_ahead_logs(store.gateway)) < 2:
        store.send("acme", 5, size=8000)
    store.send("globex", 1)
    store.kill()
    log = damage.write_ahead_logs(store.gateway)[0]
    damage.cut(log, int(os.path.getsize(log) * part))
    lost = store.deliver()
    count = len(lost["acme"])
    begin = store.ids["acme"].index(lost["acme"][0])
    assert lost == {"acme": store.ids["acme"][begin:begin + count], "globex": []}
    assert begin + count < len(store.ids["acme"]), "what the newer file holds is used"
    store.assert_counted(count)
    store.assert_goes_on(count)


@pytest.mark.parametrize("harm", [lambda path: damage.cut(path, 0), os.unlink],
                         ids=["emptied", "gone"])
def test_an_older_log_file_that_held_the_registrations(harm, store):
    """Whose events a newer one holds is lost with it, and those events are not."""
    store.send("globex", 1)
    while len(damage.write_ahead_logs(store.gateway)) < 2:
        store.send("acme", 5, size=8000)
    store.send("globex", 1)
    store.kill()
    older, newer = damage.write_ahead_logs(store.gateway)
    whole = [identity for tenant in ("acme", "globex") for identity in store.ids[tenant]
             if damage.find(newer, identity) >= 0]
    assert store.ids["globex"][-BATCH:] == whole[-BATCH:]
    harm(older)
    store.assert_lost_logs(whole)


def test_an_empty_log_file_after_a_clean_stop(store):
    """Nothing but the file of tails knows that there were events."""
    store.send("acme", 3)
    store.send("globex", 1)
    assert store.gateway.stop() == 0
    [log] = damage.write_ahead_logs(store.gateway)
    damage.cut(log, 0)
    store.assert_lost_logs([])


def test_bits_in_the_blocks_of_a_table(store):
    table = store.flush()
    victims = [store.ids["acme"][number * BATCH + 3] for number in (0, 5, 6, 11)]
    for victim in victims:
        offset = damage.find(table, victim)
        assert offset >= 0
        damage.flip(table, offset + 200, 4)

    verified = store.tool("verify")
    assert verified.returncode == 1 and os.path.basename(table) in verified.stdout, verified
    expected = [identity for number in (0, 5, 6, 11)
                for identity in store.ids["acme"][number * BATCH:(number + 1) * BATCH]]
    exported = store.tool("export", "--tenant", "acme")
    assert exported.returncode == 1
    assert events_of(exported) == [identity for identity in store.ids["acme"]
                                   if identity not in expected]

    lost = store.deliver()
    assert lost == {"acme": expected, "globex": []}
    store.assert_counted(len(expected))
    inspected = store.tool("inspect", "--json").stdout
    assert f'"quarantined":{len(expected)}' in inspected.replace(" ", "")
    # RocksDB gives nothing of a block whose checksum is wrong, so nothing of it can be kept.
    kept = store.tool("export", "--quarantine")
    assert (kept.returncode, kept.stdout) == (1, ""), kept
    assert f"{len(expected)} events" in kept.stderr


@pytest.mark.parametrize("harm", [
    lambda path, size: damage.flip(path, size // 3),
    lambda path, size: damage.flip(path, size - 3),
    lambda path, size: damage.cut(path, 0),
    lambda path, size: os.unlink(path),
], ids=["a bit", "a bit at the end", "emptied", "missing"])
@pytest.mark.parametrize("which", ["CURRENT", "MANIFEST"])
def test_the_list_of_files(which, harm, store):
    """Without it nobody knows which files count: it is made anew, from all of them."""
    store.flush()
    [path] = [os.path.join(store.folder, name) for name in os.listdir(store.folder)
              if name.startswith(which)]
    harm(path, os.path.getsize(path))
    assert store.deliver() == {"acme": [], "globex": []}
    assert store.gateway.process.wait_for_log(event="queue_damaged_list")
    store.assert_counted(0)
    store.assert_goes_on(0)


@pytest.mark.parametrize("harm", [
    lambda path, offset, size: damage.cut(path, offset + size // 2),
    lambda path, offset, size: damage.cut(path, offset + 3),
    lambda path, offset, size: damage.flip(path, offset + 5, 5),
], ids=["cut", "cut in its header", "a length too large"])
@pytest.mark.parametrize("back", [1, 2, 3, 4])
def test_the_end_of_the_list_of_files(back, harm, store):
    """Looks like a crash in the midst of writing it. RocksDB goes by what lies before, and deletes
    the tables that it thinks nobody needs."""
    store.flush()
    [path] = damage.files(store.gateway, r"MANIFEST-\d+")
    harm(path, *damage.records(path)[-back])
    assert store.deliver() == {"acme": [], "globex": []}
    assert store.gateway.process.wait_for_log(event="queue_damaged_list")
    store.assert_counted(0)
    assert not [name for name in os.listdir(store.folder) if name.startswith("damaged-")]
    store.assert_goes_on(0)
