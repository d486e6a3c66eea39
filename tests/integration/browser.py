# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium, and a site for it to visit. The browser is spoken to in the DevTools
protocol over a pipe (JSON messages that end with a zero byte), which needs no port and no
library."""

import functools
import http.server
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading

import clients
import harness

_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
          "--disable-quic", "--no-first-run", "--disable-background-networking",
          "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
          # Whatever a library would fetch from elsewhere fails, and is seen to.
          "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1")


class Chromium:
    """One browser process. Its pages are used by one thread each."""

    def __init__(self):
        assert shutil.which("chromium"), "no chromium here; ./dev test installs it"
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        their_input, self._out = os.pipe()
        self._in, their_output = os.pipe()
        # The pipe's ends are 3 and 4 by convention.
        self._popen = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{their_input} 4>&{their_output}', "bash", "chromium",
             *_FLAGS, f"--user-data-dir={self._profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(their_input, their_output), start_new_session=True)
        os.close(their_input)
        os.close(their_output)
        self._next = 0
        self._answers = {}
        self._events = []
        self._gone = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with open(self._in, "rb", buffering=0) as source:
            rest = b""
            while data := source.read(1 << 16):
                *messages, rest = (rest + data).split(b"\0")
                with self._news:
                    for message in map(json.loads, messages):
                        if "id" in message:
                            self._answers[message["id"]] = message
                        else:
                            self._events.append(message)
                    self._news.notify_all()
        with self._news:
            self._gone = True
            self._news.notify_all()

    def call(self, method, session=None, timeout=60.0, **parameters):
        """The result of a DevTools command; RuntimeError with the browser's own words."""
        with self._news:
            self._next += 1
            message = {"id": self._next, "method": method, "params": parameters}
            if session:
                message["sessionId"] = session
            os.write(self._out, json.dumps(message).encode() + b"\0")
            answered = self._news.wait_for(
                lambda: self._gone or message["id"] in self._answers, timeout * harness.PATIENCE)
            if not answered or self._gone:
                raise RuntimeError(f"{method}: " + ("browser is gone" if answered else "no answer"))
            answer = self._answers.pop(message["id"])
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def events(self, session, method):
        with self._news:
            return [event["params"] for event in self._events
                    if event.get("sessionId") == session and event["method"] == method]

    def new_page(self):
        """A page with cookies and storage of its own."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank",
                           browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Page(self, context, session)

    def stop(self):
        try:
            os.killpg(self._popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._popen.wait()
        self._reader.join()
        os.close(self._out)
        shutil.rmtree(self._profile, ignore_errors=True)


class Page:
    def __init__(self, chromium, context, session):
        self._chromium = chromium
        self._context = context
        self._session = session
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def _call(self, method, **parameters):
        return self._chromium.call(method, self._session, **parameters)

    def goto(self, url, ready="true"):
        """Goes to a URL, and waits until the expression `ready` holds there."""
        self._call("Page.navigate", url=url)

        def arrived():
            try:
                return self.evaluate(f"location.href === {json.dumps(url)} && "
                                     f"document.readyState === 'complete' && {ready}")
            except RuntimeError:
                return False  # Between two documents.

        harness.wait_until(arrived, f"page {url}; errors: {self.errors()}", 30)

    def evaluate(self, expression):
        """The value of an expression, or of its promise."""
        result = self._call("Runtime.evaluate", expression=expression, awaitPromise=True,
                            returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def errors(self):
        """What the console shows in red: exceptions, failed or forbidden requests, and
        console.error."""
        said = [str(event["exceptionDetails"])
                for event in self._chromium.events(self._session, "Runtime.exceptionThrown")]
        said += [json.dumps(event["args"])
                 for event in self._chromium.events(self._session, "Runtime.consoleAPICalled")
                 if event["type"] == "error"]
        return said + [event["entry"]["text"] + " " + event["entry"].get("url", "")
                       for event in self._chromium.events(self._session, "Log.entryAdded")
                       if event["entry"]["level"] == "error"]

    def close(self):
        self._chromium.call("Target.disposeBrowserContext", browserContextId=self._context)


# ------------------------------------------------------------------------------- site

_LIBRARY = os.path.join(clients.NODE, "node_modules", "@segment", "analytics-next", "dist", "umd")
_FILES = {"/": "browser/page.html", "/snippet": "browser/snippet.html",
          "/page.mjs": "browser/page.mjs", "/corpus.mjs": "corpus.mjs"}
_TYPES = {".html": "text/html; charset=utf-8", ".mjs": "text/javascript", ".js": "text/javascript"}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path.startswith("/library/"):
            file = os.path.join(_LIBRARY, os.path.basename(path))
        else:
            file = os.path.join(clients.NODE, _FILES.get(path, "nothing"))
        found = os.path.isfile(file)
        body = b""
        if found:
            with open(file, "rb") as source:
                body = source.read()
        # Browsers ask for a /favicon.ico; nobody misses it.
        self.send_response(200 if found else 204)
        self.send_header("Content-Type", _TYPES.get(os.path.splitext(file)[1], "text/plain"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Site:
    """A web site with the library and a page that uses it, on an origin of its own."""

    def __init__(self):
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self.url = f"http://localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=functools.partial(self._server.serve_forever, 0.02), daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
