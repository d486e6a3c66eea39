# SPDX-License-Identifier: Apache-2.0
"""The way between a client and the gateway: passes bytes on unchanged, writes down what was
said, and fails as told. Its port stays when the gateway restarts on another one."""

import base64
import collections
import gzip
import json
import select
import socket
import socketserver
import struct
import threading

# What stands in an injected answer besides its body: as the gateway answers, browsers included.
_INJECTED = ("HTTP/1.1 {status} Injected\r\nContent-Type: application/json\r\n{retry_after}"
             "Access-Control-Allow-Origin: *\r\n"
             "Access-Control-Expose-Headers: Retry-After, X-RateLimit-Reset\r\n"
             "Content-Length: {length}\r\n\r\n")


# A JSON number by its text, so that 1, 1.0 and 1e0 are three values.
Number = collections.namedtuple("Number", "text")


def parse(text):
    """JSON in which numbers keep their text, so that equal means equal."""
    return json.loads(text, parse_int=Number, parse_float=Number)


class Fault:
    """One way to fail, for the next `times` POSTs.

    status:      answered with it, not passed on
    cut_before:  reset before anything is passed on
    cut_after:   passed on, and reset in place of the answer, which the client never learns
    """

    def __init__(self, times=1, status=0, retry_after=None, cut_before=False, cut_after=False):
        self.left = times
        self.status = status
        self.retry_after = retry_after
        self.cut_before = cut_before
        self.cut_after = cut_after

    def answer(self):
        body = json.dumps({"success": False, "code": "injected", "message": "injected",
                           "error": "injected"}).encode()
        retry_after = "" if self.retry_after is None else f"Retry-After: {self.retry_after}\r\n"
        return _INJECTED.format(status=self.status, retry_after=retry_after,
                                length=len(body)).encode() + body


class Exchange:
    """One request with what became of it; `status` is what the client saw, 0 for a cut."""

    def __init__(self, method, path, headers, body):
        self.method = method
        self.path = path
        self.headers = headers
        self.body = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.status = 0
        self.passed_on = False

    def events(self):
        """The events of a call, as the client wrote them; [] for anything else."""
        if self.method != "POST" or self.path.endswith("/m"):
            return []
        message = parse(self.body)
        return message["batch"] if "batch" in message else [message]

    def key(self):
        """The user of Basic authorization."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        assert scheme == "Basic", self.headers
        return base64.b64decode(value).decode().partition(":")[0]


class _Reader:
    """HTTP/1.1 messages from a socket, each also as the bytes it came in."""

    def __init__(self, connection):
        self._connection = connection
        self._buffer = b""

    def _more(self):
        try:
            data = self._connection.recv(1 << 16)
        except OSError:
            data = b""
        self._buffer += data
        return bool(data)

    def _until(self, mark):
        while mark not in self._buffer:
            if not self._more():
                return None
        return self._take(self._buffer.index(mark) + len(mark))

    def _take(self, count):
        while len(self._buffer) < count:
            if not self._more():
                return None
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _chunked(self):
        """(raw bytes, body) of a chunked body."""
        raw = body = b""
        while True:
            line = self._until(b"\r\n")
            chunk = line and self._take(int(line.split(b";")[0], 16) + 2)
            if not chunk:
                return None
            raw, body = raw + line + chunk, body + chunk[:-2]
            if chunk == b"\r\n":
                return raw, body

    def wait(self, *others):
        """Until there is something to read; False when one of the others has it first."""
        if self._buffer:
            return True
        readable, _, _ = select.select([self._connection, *others], [], [])
        return self._connection in readable

    def message(self, bodiless=False):
        """(raw bytes, first line, headers, body), or None when the peer is gone."""
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if bodiless:
            raw = body = b""
        elif headers.get("transfer-encoding") == "chunked":
            parts = self._chunked()
            if parts is None:
                return None
            raw, body = parts
        else:
            raw = body = self._take(int(headers.get("content-length", 0)))
            if body is None:
                return None
        return head + raw, first, headers, body


def _reset(connection):
    """Closes with RST in place of FIN, as a crash does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client, gateway, wire = _Reader(self.request), None, self.server.wire
        try:
            # An idle connection that the gateway closes is closed for the client too.
            while client.wait(*([gateway] if gateway else [])):
                message = client.message()
                if message is None:
                    return
                raw, first, headers, body = message
                method, path, _ = first.split(" ", 2)
                exchange = Exchange(method, path, headers, body)
                fault = wire.enter(exchange)
                if fault and fault.status:
                    self.request.sendall(fault.answer())
                    wire.leave(exchange, fault.status)
                    continue
                if fault and fault.cut_before:
                    break
                gateway = gateway or socket.create_connection(("127.0.0.1", wire.target))
                exchange.passed_on = True
                gateway.sendall(raw)
                answer = _Reader(gateway).message(bodiless=method == "HEAD")
                if answer is None or (fault and fault.cut_after):
                    break
                # Written down first: when the client knows, so do we.
                wire.leave(exchange, int(answer[1].split(" ")[1]))
                self.request.sendall(answer[0])
                if answer[2].get("connection", "").lower() == "close":
                    return
            else:
                return
        except OSError:
            pass
        finally:
            if gateway:
                gateway.close()
        _reset(self.request)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    wire = None


class Wire:
    """Listens for clients of a gateway. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._exchanges = []
        self._faults = []
        self.target = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.wire = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def to(self, gateway):
        """Passes on to this gateway, which runs; after each of its starts."""
        self.target = gateway.ingest_port
        return self

    def fail(self, *faults):
        """Applies each of the faults in turn, then none."""
        with self._lock:
            self._faults = list(faults)

    def faults_left(self):
        with self._lock:
            return sum(fault.left for fault in self._faults)

    def enter(self, exchange):
        with self._lock:
            self._exchanges.append(exchange)
            if exchange.method != "POST":
                return None
            while self._faults and self._faults[0].left == 0:
                self._faults.pop(0)
            if not self._faults:
                return None
            self._faults[0].left -= 1
            return self._faults[0]

    def leave(self, exchange, status):
        with self._lock:
            exchange.status = status

    @property
    def exchanges(self):
        with self._lock:
            return list(self._exchanges)

    def calls(self, status=None):
        return [exchange for exchange in self.exchanges if exchange.method == "POST"
                and (status is None or exchange.status == status)]

    def events(self):
        """Everything clients wrote, by messageId: a list, for a retry may say it otherwise."""
        found = {}
        for exchange in self.calls():
            for event in exchange.events():
                found.setdefault(event["messageId"], []).append(event)
        return found

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
