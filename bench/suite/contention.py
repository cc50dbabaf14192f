"""contention.py - group 6: programs of others in which many threads wait for each other, and CPython's GIL; one core for all

The limit is one thread that does the same work alone, so that nobody waits; for the GIL, greenlets that switch to each other.
"""
import re
import resource

from suite.core import Bench, Failed, Goal, Side
from suite.programs import GROVE, SERVER_CORE, TOP, built, run


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Timed(Side):
    """@command: n -> what does so many.  @seconds_of: what it prints -> how long that took.  @each: how much is done when n is 1.

    How many fill the time is found out.  CPU time is that of the whole process, less what it takes to do it but once.
    """

    def __init__(self, command, seconds_of, each=1, trial=1000, under=(), about=""):
        super().__init__(measure=self.once, about=about, prepare=self.find_n)
        self.command, self.seconds_of, self.each, self.trial, self.under = command, seconds_of, each, trial, list(under)
        self.n, self.start = trial, 0

    def took(self, n):
        """Seconds as it tells them, and seconds of CPU."""
        before = cpu_of_children()
        out = run([*SERVER_CORE, *self.under, *self.command(n)])
        return self.seconds_of(out, n), cpu_of_children() - before

    def once(self, _quick):
        told, cpu = self.took(self.n)
        if cpu <= self.start:
            raise Failed(f"{self.n} took no more CPU time than one")
        return {"cpu_ns": (cpu - self.start) * 1e9 / ((self.n - 1) * self.each), "told_ns": told * 1e9 / (self.n * self.each)}

    def find_n(self, seconds):
        self.start = min(self.took(1)[1] for _ in range(3))
        cpu = self.took(self.trial)[1] - self.start
        self.n = max(self.trial, int(self.trial * min(seconds, 4) / max(cpu, 1e-3)))


TOLD = {"told_ns": ""}      # each, by the clock, as the program tells it


def told(pattern):
    """Seconds, as a program tells them."""
    def seconds_of(out, _n):
        found = re.search(pattern, out)
        if not found:
            raise Failed(f"it does not tell the time: {out[-200:]}")
        return float(found[1])
    return seconds_of


def both(command, *how, **more):
    return {"grove": Timed(command, *how, under=[GROVE], about="green threads", **more),
            "threads": Timed(command, *how, about="kernel threads", **more)}


def own(command, trial, under=(), about=""):
    """A program of ours, which prints `ns' for each of n."""
    return Timed(command, lambda out, n: float(out.split()[1]) * n / 1e9, 1, trial, under, about)


def hackbench(way, groups, share):
    """20 senders and 20 receivers in each group; each sender sends each receiver so many messages of 100 bytes."""
    def command(loops):
        return ["hackbench", "-T", *(["-p"] if way == "pipes" else []), "-g", str(groups), "-l", str(loops)]

    alone = own(lambda n: [*built("bench/messages"), way, str(n)], 100000, about="one thread that sends to itself")
    goal = Goal("hackbench, 10 groups: threads/grove", "threads/grove", 3, least=True)
    return Bench(f"hackbench_{way}{groups}", f"hackbench -T: {groups} groups of 40 threads over {way}", "cpu_ns",
                 "ns of CPU each message", "one", share=share, more=TOLD,
                 sides={"one": alone, **both(command, told(r"Time: ([\d.]+)"), groups * 400, 5)},
                 goals=[goal] if (way, groups) == ("sockets", 10) else [])


def sysbench(test, what, unit, options, each, threads, trial, counts):
    def command(count):
        return lambda n: ["sysbench", test, f"--threads={count}", *options, *(argument.format(n=n) for argument in counts), "run"]

    seconds_of = told(r"total time:\s+([\d.]+)s")
    return Bench(f"sysbench_{test}", what, "cpu_ns", unit, "one", more=TOLD, share=(3, 18), sides={
        "one": Timed(command(1), seconds_of, 1 if test == "mutex" else each, trial, about="one thread"),
        **both(command(threads), seconds_of, each, trial)})


def gil(side):
    return lambda n: ["/usr/bin/python3", "-B", str(TOP / "bench/gil.py"), side, str(n)]


BENCHES = [
    *(hackbench(way, groups, (4 if groups == 10 else 0, 18)) for way in ("sockets", "pipes") for groups in (5, 10, 20, 40)),
    sysbench("threads", "sysbench threads: 64 threads, 8 locks, 1,000 times locking and yielding for each event",
             "ns of CPU each event", ["--thread-locks=8", "--time=0"], 1, 64, 50, ["--events={n}"]),
    sysbench("mutex", "sysbench mutex: 32 threads, 8 locks, little to do outside of them", "ns of CPU each lock",
             ["--mutex-num=8", "--mutex-loops=100"], 32, 32, 2000, ["--mutex-locks={n}"]),
    Bench("gil", "CPython: two threads hand each other a lock, and with it the interpreter", "cpu_ns", "ns of CPU each hand-off",
          "hand", more=TOLD, share=(3, 18), sides={
        "hand": own(gil("hand"), 20000, about="Python's greenlets that switch to each other by name"),
        "grove": own(gil("threads"), 20000, [GROVE], "green threads"),
        "threads": own(gil("threads"), 20000, about="kernel threads"),
        "gevent": own(gil("gevent"), 20000, about="the same program patched by gevent.monkey")}),
]
