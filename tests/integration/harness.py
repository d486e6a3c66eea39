# SPDX-License-Identifier: Apache-2.0
"""Runs the real binary: a gateway on free ports, the sandbox as its Segment, and clients.

Nothing here waits for a fixed time. Whatever takes time is waited for with wait_until, or
with wait_for_log, both with a deadline that says what did not happen.
"""

import base64
import collections
import http.client
import json
import os
import signal
import select
import socket
import subprocess
import threading
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("GATEWAY_BINARY",
                        os.path.join(ROOT, "build", "release", "segment-gateway"))
# Sanitizers make everything slower; the deadlines (never the waits) grow with them.
PATIENCE = float(os.environ.get("GATEWAY_TEST_PATIENCE", "1"))

TENANTS = ("acme", "globex", "initech")


def ingest_key(tenant):
    return f"{tenant}-ingest-key-1"


def write_key(tenant):
    return (f"{tenant}WriteKey" + "0" * 32)[:32]


def wait_until(condition, what, timeout=20.0):
    """The first true value of `condition()`, asked again and again until the deadline."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"within {timeout * PATIENCE:g} s: no {what}")
        time.sleep(0.01)


def free_port():
    """A port that was free a moment ago; for the tests that need a number beforehand."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """One run of the binary, with its log read as it comes. Not thread-safe but for
    `log` and wait_for_log."""

    def __init__(self, *arguments, env=None, cwd=None):
        self._log = []
        self._news = threading.Condition()
        self._popen = subprocess.Popen(
            [BINARY, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, cwd=cwd, env={**os.environ, **(env or {})})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for raw in self._popen.stderr:
            text = raw.decode("utf-8", "replace").rstrip("\n")
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if not isinstance(line, dict):
                line = {"text": text}
            line["raw"] = text
            with self._news:
                self._log.append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def log(self):
        with self._news:
            return list(self._log)

    def log_text(self):
        return "\n".join(line["raw"] for line in self.log)

    def assert_sound(self):
        """No sanitizer, assertion or uncaught exception has spoken."""
        for mark in ("Sanitizer", "runtime error:", "Assertion", "terminate called"):
            assert mark not in self.log_text(), self.log_text()[-20000:]

    def wait_for_log(self, timeout=30.0, **fields):
        """The first log line with these fields; fails when the process ends without it."""
        def found():
            return next((line for line in self._log
                         if all(line.get(name) == value for name, value in fields.items())), None)

        deadline = time.monotonic() + timeout * PATIENCE
        with self._news:
            while not found():
                left = deadline - time.monotonic()
                ended = not self._reader.is_alive()
                if ended or left <= 0:
                    raise AssertionError(
                        f"no log line with {fields}; the process "
                        + ("ended" if ended else "runs") + " and said:\n"
                        + "\n".join(line["raw"] for line in self._log[-30:]))
                self._news.wait(min(left, 0.2))
            return found()

    def port(self, listener):
        return int(self.wait_for_log(event="listening", listener=listener)["port"])

    @property
    def pid(self):
        return self._popen.pid

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def processor_seconds(self):
        """Time on a processor so far, all threads together."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def running(self):
        return self._popen.poll() is None

    def signal(self, number):
        self._popen.send_signal(number)

    def wait(self, timeout=30.0):
        """The exit code."""
        code = self._popen.wait(timeout * PATIENCE)
        self._reader.join(timeout * PATIENCE)
        return code

    def terminate(self, timeout=40.0):
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        """SIGKILL: the crash of the tests."""
        if self.running():
            self._popen.kill()
        self.wait()


def run(*arguments, env=None, timeout=60.0):
    """A command that ends by itself."""
    return subprocess.run([BINARY, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=timeout * PATIENCE, check=False,
                          env={**os.environ, **(env or {})})


# ------------------------------------------------------------------------------- HTTP

Answer = collections.namedtuple("Answer", "status headers body json")


def _json_or_none(body):
    try:
        return json.loads(body)
    except ValueError:
        return None


class Client:
    """A keep-alive client of one listener. Not thread-safe: one a thread."""

    def __init__(self, port, key=None, timeout=30.0):
        self.key = key
        self._connection = http.client.HTTPConnection("127.0.0.1", port,
                                                      timeout=timeout * PATIENCE)

    def request(self, method, path, body=None, headers=None):
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        self._connection.request(method, path, body=body, headers=dict(headers or {}))
        response = self._connection.getresponse()
        data = response.read()
        return Answer(response.status, {name.lower(): value
                                        for name, value in response.getheaders()},
                      data, _json_or_none(data))

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def post(self, path, body, headers=None):
        """With Basic auth when the client has a key."""
        headers = {"Content-Type": "application/json", **(headers or {})}
        if self.key is not None and "Authorization" not in headers:
            headers["Authorization"] = basic(self.key)
        return self.request("POST", path, body, headers)

    def close(self):
        self._connection.close()


def basic(key, colon=True):
    return "Basic " + base64.b64encode((key + (":" if colon else "")).encode()).decode()


class Raw:
    """A bare socket, for what an HTTP library would not do."""

    def __init__(self, port, timeout=20.0):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout * PATIENCE)
        self._buffer = b""

    def send(self, data):
        self._socket.sendall(data)

    def heard(self):
        """Whether something came that nobody has read yet, the end included."""
        return bool(self._buffer or select.select([self._socket], [], [], 0)[0])

    def answer(self):
        """The next answer as (status, body); (0, b"") when the peer closed instead."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._fill():
                return 0, b""
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                      if line.lower().startswith(b"content-length:"))
        while len(self._buffer) < length and self._fill():
            pass
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return int(head.split(b" ")[1]), body

    def closed(self):
        """Waits for the peer to close; False when it sends more or the time is over."""
        try:
            return not self._buffer and not self._fill()
        except socket.timeout:
            return False

    def _fill(self):
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            return False
        self._buffer += data
        return bool(data)

    def close(self):
        self._socket.close()


def post_bytes(path, body, key, headers=()):
    """A request as bytes, for Raw."""
    lines = [f"POST {path} HTTP/1.1", "Host: gateway", f"Authorization: {basic(key)}",
             f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# ---------------------------------------------------------------------------- metrics

class Metrics:
    """A scrape of /metrics."""

    def __init__(self, text):
        self.text = text
        self.samples = collections.defaultdict(list)
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            series, value = line.rsplit(" ", 1)
            name, _, labels = series.partition("{")
            self.samples[name].append((labels.rstrip("}"), float(value)))

    def total(self, name):
        """The sum over all labels; fails when there is no such metric."""
        name = "segment_gateway_" + name
        assert name in self.samples, f"no metric {name}"
        return sum(value for _, value in self.samples[name])

    def with_label(self, name, label):
        return sum(value for labels, value in self.samples["segment_gateway_" + name]
                   if label in labels)


# ---------------------------------------------------------------------------- sandbox

class Sandbox:
    """`segment-gateway sandbox` on a free port, and its control interface."""

    def __init__(self):
        self.process = Process("sandbox", "--listen", "127.0.0.1:0", "--max-events", "1000000")
        self.port = self.process.port("sandbox")
        self.url = f"http://127.0.0.1:{self.port}"

    def _control(self, method, path, body=None):
        client = Client(self.port)
        try:
            answer = client.request(method, path, body)
        finally:
            client.close()
        assert answer.status == 200, (method, path, answer)
        return answer

    def _lines(self, path, **query):
        """Every line of a list, page after page."""
        lines, after, more = [], "0", True
        while more:
            answer = self._control("GET", path + "?" + urllib.parse.urlencode(
                {**query, "after": after}))
            assert answer.headers["x-sandbox-missed"] == "0"
            after = answer.headers["x-sandbox-next-after"]
            more = answer.headers["x-sandbox-more"] == "true"
            # Not splitlines: U+2028 inside an event is no end of a line.
            lines += answer.body.decode().split("\n")[:-1]
        return lines

    def records(self, tenant=None):
        """Every event that was taken, in the order of arrival, repetitions included:
        {write_key, retry_count, verdict, event, ...}."""
        query = {"write_key": write_key(tenant)} if tenant else {}
        return [json.loads(line) for line in self._lines("/sandbox/events", **query)]

    def events(self, tenant=None):
        return [record["event"] for record in self.records(tenant)]

    def ids(self, tenant=None):
        return [event["messageId"] for event in self.events(tenant)]

    def raw_records(self):
        """The records as they are written, for what a JSON parser would round."""
        return self._lines("/sandbox/events")

    def requests(self):
        """Every delivery attempt: {write_key, status, events, retry_count, sent_at, ...}."""
        return [json.loads(line) for line in self._lines("/sandbox/requests")]

    def complaints(self):
        """What Segment would not have liked: refusals that no fault rule asked for, and
        events that it would have dropped in silence."""
        return ([record for record in self.records()
                 if record["verdict"] not in ("accepted", "duplicate")]
                + [attempt for attempt in self.requests()
                   if attempt["status"] >= 300 and attempt["fault"] is None])

    def set_faults(self, *faults):
        """Replaces the rules; `segment-gateway sandbox --help` lists what one may say. The
        first that matches a request applies."""
        self._control("PUT", "/sandbox/faults", list(faults))

    def clear_faults(self):
        self.set_faults()

    def stop(self):
        self.process.kill()
        self.process.assert_sound()


# ---------------------------------------------------------------------------- gateway

def tenant_entry(name, **changes):
    entry = {"id": name, "ingest_keys": [ingest_key(name)],
             "segment": {"write_key": write_key(name), "region": "us", "enabled": True}}
    entry["segment"].update(changes.pop("segment", {}))
    entry.update(changes)
    return entry


def merged(base, changes):
    """`base` with nested mappings of `changes` merged in."""
    result = dict(base)
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(name), dict):
            value = merged(result[name], value)
        result[name] = value
    return result


def gateway_config(folder, segment_url, changes=None):
    """A configuration for tests: free ports, quick retries, three tenants."""
    return merged({
        "ingest": {"listen": "127.0.0.1:0"},
        "admin": {"listen": "127.0.0.1:0"},
        "storage": {"path": os.path.join(folder, "data"), "min_free_disk": "1MiB"},
        "segment": {"endpoints": {"us": segment_url}},
        "delivery": {"flush_interval": "20ms", "tenant_events_per_second": 0,
                     "retry": {"initial": "20ms", "max": "200ms"},
                     "hold_probe_interval": "1s"},
        "shutdown": {"deadline": "10s"},
        "log": {"level": "info", "format": "json"},
        "tenants": [tenant_entry(name) for name in TENANTS],
        "service_keys": [{"name": "backend", "key": "backend-service-key-1"}],
    }, changes or {})


class Gateway:
    """`segment-gateway serve` over one folder; survives restarts of its process."""

    def __init__(self, folder, segment_url, **changes):
        self.folder = str(folder)
        self.config = gateway_config(self.folder, segment_url, changes)
        self.env = {}  # Of the next process, besides the tests' own.
        self.process = None
        self.ingest_port = self.admin_port = 0
        self._ended = []

    def config_path(self):
        # JSON is YAML.
        path = os.path.join(self.folder, "gateway.yaml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.config, file, indent=1)
        return path

    def launch(self):
        """Starts the process, which may not be ready for a reason of its own."""
        if self.process:
            self._ended.append(self.process)
        self.process = Process("serve", "--config", self.config_path(), env=self.env,
                               cwd=self.folder)
        self.ingest_port = self.process.port("ingest")
        self.admin_port = self.process.port("admin")
        return self

    def start(self):
        self.launch()
        wait_until(self.ready, "readiness")
        return self

    def ready(self):
        return self.admin("/readyz").status == 200

    def client(self, tenant="acme"):
        return Client(self.ingest_port, ingest_key(tenant))

    def send(self, *message_ids, tenant="acme"):
        """A track call for each of them, in this order; all are accepted."""
        client = self.client(tenant)
        try:
            for message_id in message_ids:
                event = {"type": "track", "userId": "u", "event": "e", "messageId": message_id}
                assert client.post("/v1/track", event).status == 200
        finally:
            client.close()

    def admin(self, path):
        client = Client(self.admin_port)
        try:
            return client.get(path)
        finally:
            client.close()

    def metrics(self):
        answer = self.admin("/metrics")
        assert answer.status == 200
        return Metrics(answer.body.decode())

    def pending(self):
        return self.metrics().total("events_pending")

    def drained(self):
        """Whether all that was acknowledged until now is settled. `events_pending` alone may
        not know yet of what was acknowledged a moment ago."""
        metrics = self.metrics()
        return (metrics.total("events_pending") == 0
                and metrics.total("events_accepted_total")
                == metrics.total("events_delivered_total") + metrics.total("events_dead_total"))

    def wait_drained(self, timeout=60.0):
        wait_until(self.drained, "empty queue", timeout)

    def balance(self):
        metrics = self.metrics()
        return [metrics.total(name) for name in
                ("events_accepted_total", "events_delivered_total", "events_dead_total",
                 "events_pending")]

    def assert_conserved(self):
        """accepted = delivered + dead + pending, at the latest when the last commit has been
        counted; for a moment without traffic."""
        def balanced():
            accepted, *parts = self.balance()
            return accepted == sum(parts)

        try:
            wait_until(balanced, "balance", 5)
        except AssertionError:
            raise AssertionError("accepted, delivered, dead, pending: "
                                 f"{self.balance()}") from None

    def stop(self, timeout=40.0):
        """SIGTERM; the exit code."""
        return self.process.terminate(timeout)

    def kill(self):
        """SIGKILL, and then a look at what this and the earlier processes had said."""
        if self.process:
            self.process.kill()
            for process in [*self._ended, self.process]:
                process.assert_sound()

    def all_logs(self):
        """What every run so far wrote."""
        return "\n".join(process.log_text() for process in self._ended + [self.process])
