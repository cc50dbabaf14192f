"""http.py - group 5: HTTP with keep-alive under wrk; the server on one core and wrk on another

The page is small, so that the server and not wrk has most to do.  Before and after the load the page is fetched and compared.
"""
import functools
import os
import re
import socket
import tempfile
import time

from suite.core import Bench, Failed, Goal, Side
from suite.programs import GROVE, LOAD_CORE, SERVER_CORE, Server, built, run

PAGE = b"".join(b"%03d: the quick brown fox jumps over the lazy dog\n" % line for line in range(10))

SERVERS = {
    "epoll": ("bench/http_epoll", [], "one loop by hand, edge-triggered"),
    "grove": ("demos/serve/http", [GROVE], "a thread for each connection, the binary of `threads'"),
    "threads": ("demos/serve/http", [], "a kernel thread for each connection"),
}


@functools.cache
def page_file():
    """Has no name in any folder, and is gone when we are."""
    file = tempfile.TemporaryFile()
    file.write(PAGE)
    file.flush()
    return file


def page_path():
    return f"/proc/{os.getpid()}/fd/{page_file().fileno()}"


def fetch(port):
    """What two requests on one connection get."""
    with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\nGET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
        got = b""
        while data := s.recv(65536):
            got += data
    return [part.partition(b"\r\n\r\n")[2] for part in got.split(b"HTTP/1.1 200 OK\r\n")[1:]]


def cpu_seconds(pid):
    """Of the process and its threads, also those that have ended: the clock that clock_getcpuclockid() tells."""
    return time.clock_gettime(~pid << 3 | 2)


def microseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 60e6}[unit]


def wrk(url, connections, seconds):
    out = run([*LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", url])
    errors = sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout|Non-2xx or 3xx responses:) (\d+)", out))
    return {"requests": int(re.search(r"(\d+) requests in", out)[1]),
            "requests_per_s": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
            "p50_us": microseconds(re.search(r"^ +50%\s+(\S+)", out, re.M)[1]),
            "p99_us": microseconds(re.search(r"^ +99%\s+(\S+)", out, re.M)[1]), "errors": errors}


class HttpSide(Side):
    def __init__(self, name, connections):
        self.program, self.under, about = SERVERS[name]
        super().__init__(measure=self.once, about=about, prepare=self.plan)
        self.connections, self.seconds = connections, 1

    def plan(self, seconds):
        self.seconds = min(max(int(seconds), 1), 10)       # wrk knows whole seconds only

    def once(self, _quick):
        with Server([*SERVER_CORE, *self.under, *built(self.program), "0", page_path()]) as server:
            before = fetch(server.port)
            cpu = cpu_seconds(server.pid)
            got = wrk(f"http://127.0.0.1:{server.port}/", self.connections, self.seconds)
            got["cpu_us"] = (cpu_seconds(server.pid) - cpu) * 1e6 / max(got["requests"], 1)
            if not got["requests"]:     # on a machine that is too busy all have waited all the time, and longer
                got["p50_us"] = got["p99_us"] = self.seconds * 1e6
            if before != [PAGE] * 2 or fetch(server.port) != [PAGE] * 2:
                raise Failed("a page that it sent is wrong")
        return got


def http(connections, share):
    rate = Goal(f"HTTP {connections:,}: requests/s, grove/epoll", "grove/epoll", 0.95, least=True)
    late = Goal(f"HTTP {connections:,}: p99, grove/threads", "grove/threads", 0.15, figure="p99_us")
    return Bench(f"http{connections}", f"HTTP, {connections:,} keep-alive connections by wrk", "requests_per_s", "requests/s",
                 "epoll", share=share, most=True, sides={name: HttpSide(name, connections) for name in SERVERS},
                 more={"cpu_us": "", "p50_us": "", "p99_us": "",
                       "errors": ""},
                 goals=[rate, late] if connections > 100 else [])


BENCHES = [http(100, (0, 45)), http(1000, (17, 45)), http(5000, (0, 45))]
