# SPDX-License-Identifier: Apache-2.0
"""The data directory is removed or replaced under a running gateway, which has its files open:
they take writes as before, but no start will find them."""

import os
import shutil

import pytest

import harness
from disks import Sender, assert_all_delivered, assert_refused


def assert_says_that_it_is_gone(gateway, sender):
    def refusing():
        return gateway.metrics().total("storage_refusing") == 1

    harness.wait_until(refusing, "notice", 10)
    assert_refused(sender.send())
    answer = gateway.admin("/readyz")
    assert answer.status == 503
    assert gateway.config["storage"]["path"] in answer.json["reasons"][0], answer
    gateway.process.wait_for_log(event="storage_refusing")


@pytest.mark.parametrize("replaced", [True, False], ids=["replaced", "removed"])
def test_a_folder_that_is_taken_away_and_put_back(replaced, new_gateway, sandbox):
    gateway = new_gateway().start()
    sender = Sender(gateway)
    sandbox.set_faults({"status": 503})
    assert sender.send().status == 200
    folder = gateway.config["storage"]["path"]
    os.rename(folder, folder + "-away")
    if replaced:
        shutil.copytree(folder + "-away", folder, ignore=shutil.ignore_patterns("*.sock"))
    assert_says_that_it_is_gone(gateway, sender)

    if replaced:
        shutil.rmtree(folder)
    os.rename(folder + "-away", folder)
    harness.wait_until(gateway.ready, "recovery without a restart")
    assert sender.send().status == 200
    # The files are those of before: a crash loses nothing.
    gateway.kill()
    sandbox.clear_faults()
    gateway.start()
    assert_all_delivered(gateway, sender, sandbox)


def test_a_folder_that_is_deleted(new_gateway, sandbox):
    """Its events are still in memory and go out; then a restart begins a new store."""
    gateway = new_gateway().start()
    sender = Sender(gateway)
    sandbox.set_faults({"status": 503})
    for _ in range(5):
        assert sender.send().status == 200
    shutil.rmtree(gateway.config["storage"]["path"])
    assert_says_that_it_is_gone(gateway, sender)
    sandbox.clear_faults()
    assert_all_delivered(gateway, sender, sandbox)
    gateway.stop()
    gateway.process.assert_sound()

    gateway.start()
    assert sender.send().status == 200
    assert_all_delivered(gateway, sender, sandbox)
    assert gateway.stop() == 0
