"""waiting.py - group 7: many names asked for at once; a cold file read by many while others echo"""
import functools
import os
import re
import tempfile
import time

from suite.core import HERE, Bench, Failed, Side
from suite.programs import BUILD, GROVE, LOAD_CORE, SERVER_CORE, TOP, Server, built, peer_program, values

RESOLVER_MS = "20"


class NamesSide(Side):
    """@find: () -> a program that asks for so many names."""

    def __init__(self, find, under=(), about=""):
        super().__init__(measure=self.once, about=about, prepare=lambda _: self.ask("10"))
        self.find, self.under = find, list(under)

    def ask(self, names):
        resolver = [str(TOP / "bench/with_resolver"), *built("bench/dns_resolver"), RESOLVER_MS, LOAD_CORE[-1]]
        return values([*resolver, *SERVER_CORE, *self.under, *self.find(), names])

    def once(self, _quick):
        return self.ask("1000")


def program(path):
    return lambda: built(path)


DNS = Bench("dns", f"1,000 names looked up at once, at a name server that takes {RESOLVER_MS} ms for each", "ms",
            "ms until the last is known", "hand", share=(4, 25), quick_sides=("hand", "grove", "api", "threads", "go"),
            more={"cpu_ms": ""}, sides={
                "hand": NamesSide(program("bench/dns_hand"), about="all questions from one socket, by hand"),
                "grove": NamesSide(program("bench/dns_threads"), [GROVE], "a thread for each name; the binary of `threads'"),
                "api": NamesSide(program("bench/dns_api"), about="a greenlet for each name, getaddrinfo() made green"),
                "threads": NamesSide(program("bench/dns_threads"), about="a kernel thread for each name, getaddrinfo()"),
                "go": NamesSide(lambda: peer_program("dns_go"), about="Go, a goroutine for each name"),
                "gevent": NamesSide(lambda: peer_program("dns_gevent"), about="Python's gevent, which asks by ten threads")})


# --- a cold file -------------------------------------------------------------------------------------------------------------

RATE, CONNECTIONS, READERS = 2000, 100, 100
MB = (256, 1024)            # of the file, quick and full


@functools.cache
def cold_file(mb):
    """On the disk of the build; has no name in any folder, and is gone when we are."""
    file = tempfile.TemporaryFile(dir=BUILD)
    values([*built("bench/cold_file"), "-m", path_of(file), str(mb)])
    return file


def path_of(file):
    return f"/proc/{os.getpid()}/fd/{file.fileno()}"


def from_disk(pid):
    """Bytes that it had fetched from a disk; what is read ahead for it counts."""
    with open(f"/proc/{pid}/io", encoding="utf-8") as file:
        return int(re.search(r"^read_bytes: (\d+)", file.read(), re.M)[1])


class ColdSide(Side):
    def __init__(self, find, readers, under=(), about=""):
        super().__init__(measure=self.once, about=about, prepare=self.plan)
        self.find, self.readers, self.under, self.seconds = find, readers, list(under), 1

    def plan(self, seconds):
        self.seconds = min(max(seconds - 0.5, 0.5), 6)

    def once(self, quick):
        path = path_of(cold_file(MB[0 if quick else 1]))
        with Server([*SERVER_CORE, *self.under, *self.find(), path, str(self.readers)]) as server:
            disk, begin = from_disk(server.pid), time.monotonic()
            got = values([*LOAD_CORE, *built("bench/echo_load"), "-c", str(CONNECTIONS), "-w", "1", "-r", str(RATE),
                          "-t", f"{self.seconds:.2f}", server.port])
            got["mb_per_s"] = (from_disk(server.pid) - disk) / 1e6 / (time.monotonic() - begin)
            if self.readers and not got["mb_per_s"]:
                raise Failed(f"nothing came from a disk: the file system of {BUILD} is in memory")
        return got


COLD = Bench("cold_file", f"echo, {RATE:,} requests/s, while {READERS} threads read a cold file of 1 GB{HERE}",
             "p99_us", "us, p99", "alone", share=(11, 70), quick_size="256 MB",
             more={"p50_us": "", "p999_us": "", "mb_per_s": ""}, sides={
                 "alone": ColdSide(program("bench/cold_file"), 0, [GROVE], "the same under grove while nobody reads"),
                 "grove": ColdSide(program("bench/cold_file"), READERS, [GROVE], "the binary of `threads'"),
                 "threads": ColdSide(program("bench/cold_file"), READERS, about="kernel threads"),
                 "go": ColdSide(lambda: peer_program("cold_file_go"), READERS, about="Go, goroutines")})

BENCHES = [DNS, COLD]
