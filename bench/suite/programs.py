"""programs.py - the programs that sides are made of: where they are, how they are run, what they say

A program prints `name value` lines.  grove's own are built by `make'; those of bench/peers by `make bench', from packages that
need not be there: a peer that was not built, or that leaves with status 77, is a side that is missing.
"""
import os
import re
import subprocess
import threading
from pathlib import Path

from suite.core import Failed, Missing, Side

TOP = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("builddir") or (TOP / "build" if (TOP / "build/bench").is_dir() else TOP)).resolve()
GROVE = os.environ.get("GROVE", str(BUILD / "grove"))
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = ["taskset", "-c", str(CORES[0])]
LOAD_CORE = ["taskset", "-c", str(CORES[min(1, len(CORES) - 1)])]
PEERS = TOP / "bench/peers"
# Threads as small as they may be: stacks of 256 KiB, and no room in each for thread-local variables of libraries that come later
LEAN = ["env", "GLIBC_TUNABLES=glibc.rtld.nns=1:glibc.rtld.optional_static_tls=0", "sh", "-c", 'ulimit -s 256; exec "$@"', "sh"]
LEAN_ABOUT = "with `ulimit -s 256`, and no room kept in each thread for libraries that come later (GLIBC_TUNABLES)"


def built(path):
    """A program of the build tree."""
    found = BUILD / path
    if not os.access(found, os.X_OK):
        raise Missing(f"{path} is not built; run make first")
    return [str(found)]


def needs(source):
    """The package that the head of a peer's source names."""
    found = re.search(r"Needs: (\S+)", source.read_text(encoding="utf-8"))
    return found[1] if found else "nothing"


def peer_program(name):
    """A program of bench/peers: a script, or what bench/peers/build has built."""
    script = PEERS / f"{name}.py"
    if script.exists():
        return [str(script)]
    program = BUILD / "bench/peers/built" / name
    if os.access(program, os.X_OK):
        return [str(program)]
    source = next(iter(sorted(PEERS.glob(f"{name}.*"))), None)
    if not source:
        raise Missing(f"no source bench/peers/{name}")
    raise Missing(f"needs the package {needs(source)}, and `make bench' to build it")


def run(command, **how):
    """Runs it; what it prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **how)
    except FileNotFoundError as why:
        raise Missing(f"{why.filename} is not installed") from None
    if done.returncode == 77:
        raise Missing(done.stderr.strip() or "it says that it cannot run here")
    if done.returncode:
        raise Failed(f"status {done.returncode} from {' '.join(command)}: {done.stderr.strip()[-300:]}")
    return done.stdout


def values(command, **how):
    """Runs it and reads its `name value` lines."""
    out = run(command, **how)
    try:
        return {name: float(value) + 0.0 for name, value in (line.split()[:2] for line in out.splitlines())}      # no -0
    except ValueError:
        raise Failed(f"not to be understood, from {' '.join(command)}: {out[:300]}") from None


class Program(Side):
    """A side that is a program.

    @find: () -> its command.  Its arguments are @args, then how many, then @then.  How many: @n, and @quick_n in a quick run; or,
    where the program tells the nanoseconds for each, as many as fill the time of a measurement, found out by a run of @trial.
    @scale: of what it tells and how many there were, what the bench shows.
    """

    def __init__(self, find, *args, n=None, quick_n=None, trial=None, then=(), under=(), about="", scale=None):
        super().__init__(measure=self.once, about=about, prepare=self.find_n if trial else self.warm)
        self.find, self.args, self.then, self.under = find, args, list(then), list(under)
        self.scale = scale
        self.n, self.quick_n, self.trial = n, quick_n if quick_n is not None else n, trial

    def command(self, n):
        return [*SERVER_CORE, *self.under, *self.find(), *self.args, *([] if n is None else [str(n)]), *self.then]

    def once(self, quick):
        n = self.quick_n if quick else self.n
        got = values(self.command(n))
        return self.scale(got, n) if self.scale else got

    def find_n(self, seconds):
        each = values(self.command(self.trial))["ns"]
        self.n = self.quick_n = max(self.trial, int(min(seconds, 1) * 1e9 / max(each, 0.1)))

    def warm(self, _seconds):
        self.find()


def program(path, *args, **how):
    """A program of the build tree."""
    return Program(lambda: built(path), *args, **how)


def under_grove(path, *args, options=(), **how):
    """The same, under grove."""
    return Program(lambda: built(path), *args, under=[GROVE, *options], **how)


def peer(name, *args, **how):
    """A program of bench/peers."""
    return Program(lambda: peer_program(name), *args, **how)


class Server:
    """A server that prints `port N` once it listens; ends with the block."""

    def __init__(self, command):
        try:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        except FileNotFoundError as why:
            raise Missing(f"{why.filename} is not installed") from None
        try:
            line = self.process.stdout.readline()
        except BaseException:
            self.process.kill()
            raise
        if not line.startswith("port "):
            self.process.kill()
            _, said = self.process.communicate()
            if self.process.returncode == 77:
                raise Missing(said.strip())
            raise Failed(f"{' '.join(command)} did not start: {said.strip()}")
        self.port, self.pid = line.split()[1], self.process.pid
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        timer = threading.Timer(5, self.process.kill)
        timer.start()
        self.process.terminate()
        self.process.wait()
        timer.cancel()
