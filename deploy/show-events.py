#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints what the sandbox receives, one line an event: tenant, type, what, who, latency.

    deploy/show-events.py http://127.0.0.1:9090 CONFIG

CONFIG says which tenant a write key belongs to. Latency is from the moment the gateway
took the event to its arrival at the sandbox. Ends when the sandbox does.
"""

import datetime
import json
import sys
import urllib.request

import yaml


def tenants_by_write_key(path):
    with open(path, encoding="utf-8") as file:
        config = yaml.safe_load(file)
    return {tenant["segment"].get("write_key"): tenant["id"] for tenant in config["tenants"]}


def follow(sandbox):
    """Every event record from now on. The sandbox answers as soon as there is news."""
    after = 0
    while True:
        url = f"{sandbox}/sandbox/events?follow=1&after={after}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            after = answer.headers["X-Sandbox-Next-After"]
            for line in answer.read().decode().splitlines():
                yield json.loads(line)


def milliseconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000


def subject(event):
    for name in ("event", "name", "groupId", "previousId"):
        if event.get(name):
            return str(event[name])
    return "-"


def row(tenants, record):
    event = record["event"]
    latency = record["received_at_ms"] - milliseconds(event["timestamp"])
    who = event.get("userId") or event.get("anonymousId") or "-"
    tenant = tenants.get(record["write_key"], "?")
    note = "" if record["verdict"] == "accepted" else "  " + record["verdict"]
    return f"    {tenant:<10} {event['type']:<9} {subject(event):<18} {who:<8} {latency:6.0f} ms{note}"


def main():
    sandbox, config = sys.argv[1:]
    tenants = tenants_by_write_key(config)
    try:
        for record in follow(sandbox):
            print(row(tenants, record), flush=True)
    except (OSError, KeyboardInterrupt):
        pass


if __name__ == "__main__":
    main()
