"""echo.py - group 4: TCP echo of 64 bytes, the server on one core and the load on another; what a connection costs, and a request

The load (bench/echo_load) has one message in flight on each connection and compares every byte that returns.  CPU time is the
server's own, read from its process clock, without the load.
"""
import functools
import re
import signal
import subprocess
import tempfile
import time

from suite.core import HERE, Bench, Failed, Goal, Missing, Side
from suite.memory import field, kernel_kb
from suite.programs import GROVE, LEAN, LEAN_ABOUT, LOAD_CORE, SERVER_CORE, Server, built, peer_program, values

IDLE_COUNT, QUICK_IDLE_COUNT = 5000, 1000
PTH_MOST = 1000             # connections; select(2) ends at descriptor 1,024


def program(path):
    return lambda: built(path)


def peer(name):
    return lambda: peer_program(name)


# side -> (its command, what it runs under, about)
SERVERS = {
    "epoll": (program("bench/echo_epoll"), [], "one loop by hand, edge-triggered"),
    "grove": (program("demos/serve/echo"), [GROVE], "a thread for each connection, the binary of `threads'"),
    "api": (program("bench/echo_api"), [], "a greenlet for each connection, by the C API"),
    "threads": (program("demos/serve/echo"), [], "a kernel thread for each connection"),
    "uring": (peer("echo_uring"), [], "io_uring by hand: multishot receive, a ring of buffers"),
    "libev": (peer("echo_libev"), [], "callbacks on libev by hand"),
    "st": (peer("echo_st"), [], "State Threads, which Debian builds to wait by poll"),
    "pth": (peer("echo_pth"), [], "GNU Pth, which waits by select"),
    "fiber": (peer("echo_fiber"), [], "Boost.Fiber, with an epoll of ours"),
    "go": (peer("echo_go"), [], "Go, a goroutine for each connection"),
    "gevent": (peer("echo_gevent"), [], "Python's gevent, a greenlet for each connection"),
}


class EchoSide(Side):
    """@name: of SERVERS.  @options: of grove."""

    def __init__(self, name, connections, options=()):
        self.find, self.under, about = SERVERS[name]
        self.under = [*self.under, *options]
        super().__init__(measure=self.once, about=about, prepare=self.warm)
        self.name, self.connections, self.seconds = name, connections, 1.0

    def server(self):
        if self.name == "pth" and self.connections > PTH_MOST:
            raise Missing(f"select(2) ends at 1,024 descriptors, here are {self.connections:,} connections")
        return Server([*SERVER_CORE, *self.under, *self.find(), "0"])

    def load(self, server, *args):
        return values([*LOAD_CORE, *built("bench/echo_load"), "-c", str(self.connections), "-p", str(server.pid), *args,
                       server.port])

    def warm_up(self):
        return ["-w", str(min(max(5000 // self.connections, 2), 20))]

    def run(self, seconds):
        with self.server() as server:
            return self.load(server, *self.warm_up(), "-t", f"{seconds:.3f}")

    def warm(self, seconds):
        """Also finds out what it takes to start and to connect; the rest is for the measurement, some round trips each."""
        begin = time.monotonic()
        self.run(0.01)
        self.seconds = min(max(seconds - (time.monotonic() - begin), 0.15 if self.connections <= 1000 else 0.5), 4)

    def once(self, _quick):
        return self.run(self.seconds)


QUICK_SIDES = {1000: ("epoll", "grove", "api", "threads", "go"), 10000: ("epoll", "grove", "api")}


def echo(connections, share, goals):
    return Bench(f"echo{connections}", f"64-byte echo over {connections:,} connection{'s' if connections > 1 else ''}",
                 "server_cpu_ns_per_request", "ns of server CPU each", "epoll", share=share,
                 sides={name: EchoSide(name, connections) for name in SERVERS},
                 quick_sides=QUICK_SIDES.get(connections, ()),
                 more={"requests_per_s": "", "p50_us": "", "p99_us": "", "p999_us": ""}, goals=goals)


def cpu_goals(connections):
    return [Goal(f"echo {connections:,}: CPU, grove/epoll", "grove/epoll", 1.05),
            Goal(f"echo {connections:,}: CPU, api/epoll", "api/epoll", 1.03)]


# --- system calls ------------------------------------------------------------------------------------------------------------

PATIENCE_TRACED = 30        # seconds: under strace each system call takes some switches, and GNU Pth makes many


class Traced:
    """Counts the system calls of a process and its threads by strace while the block lasts.  Not to be timed."""

    def __init__(self, pid):
        self.report = tempfile.NamedTemporaryFile("r", encoding="utf-8")
        try:
            self.strace = subprocess.Popen(["strace", "-f", "-c", "-o", self.report.name, "-p", str(pid)], stderr=subprocess.PIPE,
                                           text=True)
        except FileNotFoundError:
            raise Missing("needs the package strace") from None
        line = self.strace.stderr.readline()
        if "attached" not in line:
            self.strace.kill()
            self.strace.wait()
            raise Missing(f"strace may not look at it: {line.strip()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.strace.send_signal(signal.SIGINT)
        self.strace.communicate(timeout=30)
        total = re.search(r"^100\.00 .*?(\d+)\s+(?:\d+ )?total$", self.report.read(), re.M)
        self.calls = int(total[1]) if total else 0
        self.report.close()


class CallsSide(EchoSide):
    """Two loads of different length: the difference is free of what it takes to start, to connect and to end."""
    def __init__(self, name):
        super().__init__(name, 1)
        self.measure, self.prepare, self.patience = self.count, None, PATIENCE_TRACED

    def calls_each(self, connections, few, many):
        self.connections, calls = connections, []
        with self.server() as server:
            for n in few, many:
                with Traced(server.pid) as traced:
                    self.load(server, "-w", "2", "-n", str(n))
                calls.append(traced.calls)
        if calls[0] == calls[1]:
            raise Failed("strace counted nothing")
        return (calls[1] - calls[0]) / (many - few)

    def count(self, quick):
        waiting = {"calls": self.calls_each(1, 100, 700)}
        return waiting if quick else waiting | {"busy": self.calls_each(100, 1000, 3000)}


CALLS = Bench("echo_calls", "system calls for each echo: one connection, so that each has to wait; busy: 100, not in a quick run",
              "calls", "calls each", "epoll", share=(8, 40), rounds=5, sides={name: CallsSide(name) for name in SERVERS},
              quick_sides=("epoll", "grove", "api", "threads"), more={"busy": ""}, goals=[
                  Goal("system calls for each echo that has to wait, grove", "grove", 3.02),
                  Goal("system calls for each echo that has to wait, api", "api", 3.02)])


# --- memory ------------------------------------------------------------------------------------------------------------------


def memory_of(pid):
    """KB: resident, of page tables, and in the kernel, which has an account for the whole system only."""
    return [field(f"/proc/{pid}/smaps_rollup", "Pss"), field(f"/proc/{pid}/status", "VmPTE"), kernel_kb()]


class Idle:
    """Connections that have had one echo each and stay, until the block ends."""

    def __init__(self, server, count):
        self.process = subprocess.Popen([*LOAD_CORE, *built("bench/echo_load"), "-c", str(count), "-w", "1", "-i", server.port],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        if not self.process.stdout.readline().startswith("idle "):
            raise Failed(self.process.communicate()[1].strip())
        time.sleep(0.2)         # the kernel frees the last of what was there before
        return self

    def __exit__(self, *_):
        self.process.communicate()


def each_connection(server, count):
    """KB for each of @count more connections; the kernel's share has the sockets of both ends in it."""
    with Idle(server, 10):
        before = memory_of(server.pid)
        with Idle(server, count):
            return [(full - empty) / count for full, empty in zip(memory_of(server.pid), before)]


@functools.cache
def sockets_kb(count):
    """In the kernel for each connection, whatever the server is."""
    with Server([*SERVER_CORE, *built("bench/echo_poll"), "0"]) as server:
        return sorted(each_connection(server, count)[2] for _ in range(3))[1]


class IdleSide(EchoSide):
    def __init__(self, name, lean=False):
        super().__init__(name, IDLE_COUNT)
        self.measure, self.prepare = self.weigh, None
        if lean:
            self.under, self.about = [*LEAN, *self.under], f"`{name}' {LEAN_ABOUT}"

    def weigh(self, quick):
        count = QUICK_IDLE_COUNT if quick else IDLE_COUNT
        with self.server() as server:
            resident, tables, kernel = each_connection(server, count)
        kernel -= sockets_kb(count)
        return {"kb": resident + tables + kernel, "resident_kb": resident, "tables_kb": tables, "kernel_kb": kernel}


IDLE = Bench("echo_idle", f"memory of the server for each of {IDLE_COUNT:,} idle connections{HERE}, sockets apart",
             "kb", "KB each", "epoll", share=(13, 85), rounds=5,
             sides={name: IdleSide(name) for name in SERVERS} |
                   {f"{name}_lean": IdleSide(name, lean=True) for name in ("grove", "api")},
             quick_sides=("epoll", "grove", "grove_lean", "api", "api_lean"), quick_size=f"{QUICK_IDLE_COUNT:,}",
             more={"resident_kb": "", "tables_kb": "", "kernel_kb": ""},
             goals=[Goal(f"memory for each idle connection of {IDLE_COUNT:,}{HERE}: {side}", side, 10, unit="KB")
                    for side in ("grove", "grove_lean", "api", "api_lean")])


BENCHES = [
    echo(1, (10, 70), [Goal("echo 1: time for each, grove/threads", "threads/grove", 1.05, figure="requests_per_s")]),
    echo(100, (12, 110), [*cpu_goals(100), Goal("echo 100: CPU, grove/threads", "grove/threads", 0.75)]),
    echo(1000, (14, 110), [*cpu_goals(1000), Goal("echo 1,000: CPU, grove/threads", "grove/threads", 0.75)]),
    echo(10000, (20, 175), [*cpu_goals(10000), Goal("echo 10,000: p99, grove/epoll", "grove/epoll", 1.2, figure="p99_us")]),
    Bench("echo_preempt", "echo over 100 connections, with the timer for threads that compute and without",
          "server_cpu_ns_per_request", "ns of server CPU each", "off", share=(3, 30),
          sides={"off": EchoSide("grove", 100, ["--preempt=0"]), "on": EchoSide("grove", 100)},
          goals=[Goal("preemption: echo 100, on/off", "on/off", 1.02)]),
    CALLS,
    IDLE,
]
