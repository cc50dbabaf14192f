"""The thread-per-connection server demos/serve/echo, and many connections to it; for the tests that look at the server from outside."""
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

BUILD = Path(os.environ["builddir"])
GROVE = os.environ["GROVE"]


def fail(what):
    sys.exit(f"FAILED: {what}")


def allow_files(wanted):
    """Raises the limit of open files; how many connections are possible then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard - 64)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 64), hard))
    return wanted


class Echo:
    """The server under grove; @before comes before the launcher on the command line."""

    def __init__(self, connections, before=()):
        self.process = subprocess.Popen([*before, GROVE, str(BUILD / "demos/serve/echo"), "0"], stdout=subprocess.PIPE, text=True)
        try:
            line = self.process.stdout.readline()
            if not line.startswith("port "):
                fail(f"the server did not start: {line!r}")
            self.port = int(line.split()[1])
            self.pid = self.process.pid
            if before:                  # strace leaves its child running when it ends
                self.pid = int(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()[0])
            self.sockets = [socket.create_connection(("127.0.0.1", self.port), timeout=30) for _ in range(connections)]
        except BaseException:
            self.process.kill()
            raise
        for s in self.sockets:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rounds = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        timer = threading.Timer(5, os.kill, (self.pid, signal.SIGKILL))
        timer.start()
        os.kill(self.pid, signal.SIGTERM)
        self.process.wait()
        timer.cancel()

    def round(self):
        """One message on every connection, all of them in flight at once; every byte is compared."""
        self.rounds += 1
        for i, s in enumerate(self.sockets):
            s.sendall(self.message(i))
        for i, s in enumerate(self.sockets):
            got, want = b"", self.message(i)
            while len(got) < len(want):
                more = s.recv(len(want) - len(got))
                if not more:
                    fail(f"connection {i} was closed")
                got += more
            if got != want:
                fail(f"connection {i}: {got!r} instead of {want!r}")

    def message(self, i):
        return b"%08d %08d " % (i, self.rounds) + bytes((i * 7 + self.rounds * 13 + k) % 256 for k in range(46))

    def status(self, name):
        return int(re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text(), re.M)[1])

    def switches(self):
        """How often any of its kernel threads was switched away from."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            total += sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", (task / "status").read_text())))
        return total
