#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints what the sandbox receives, one line an event: tenant, type, what, who, latency.

    curl -sN http://127.0.0.1:9090/sandbox/events?follow=1 | deploy/show-events.py CONFIG

CONFIG says which tenant a write key belongs to. Latency is from the moment the gateway
took the event to its arrival at the sandbox.
"""

import datetime
import json
import sys

import yaml


def tenants_by_write_key(path):
    with open(path, encoding="utf-8") as file:
        config = yaml.safe_load(file)
    return {tenant["segment"].get("write_key"): tenant["id"] for tenant in config["tenants"]}


def milliseconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000


def subject(event):
    return event.get("event") or event.get("name") or event.get("groupId") or \
        event.get("previousId") or "-"


def row(tenants, record):
    event = record["event"]
    latency = milliseconds(record["received_at"]) - milliseconds(event["timestamp"])
    who = event.get("userId") or event.get("anonymousId") or "-"
    tenant = tenants.get(record["write_key"], "?")
    return f"    {tenant:<10} {event['type']:<9} {subject(event):<18} {who:<10} {latency:6.0f} ms"


def main():
    tenants = tenants_by_write_key(sys.argv[1])
    for line in sys.stdin:
        if line.strip():
            print(row(tenants, json.loads(line)), flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
