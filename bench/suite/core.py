"""core.py - what a bench is, and how one is run

A bench measures sides: grove, its peers, and the limit, which is the least that the machine must do for the same end.  Each round
measures every side once, a different one first each time, so what disturbs one disturbs all; each round gives one ratio to the
limit per side. There are at least ROUNDS rounds, then more while the bench's share of the time lasts.  A median is of rounds,
never of a mean.

Names of sides, the same everywhere: `api' the C API; `threads' a plain POSIX threads program bare, `grove' the same file under
grove; `hand' written by hand for the purpose; st, pth, fiber, go, gevent, libev, epoll, uring the peers.
"""
import dataclasses
import statistics
import sys
import time
from collections.abc import Callable

ROUNDS = 5


class Missing(Exception):
    """A side cannot run here: says why, and what to install."""


class Failed(Exception):
    """A side ran and went wrong."""


@dataclasses.dataclass
class Side:
    """@measure: quick -> {figure: value}.  @prepare, if there is one, is told first how long a measurement should take."""
    measure: Callable[[bool], dict]
    about: str = ""
    prepare: Callable[[float], None] | None = None


@dataclasses.dataclass
class Goal:
    """The median of @of over the rounds is at most @limit, or at least.  @of: "a/b" or "a-b" of two sides, or one side itself."""
    what: str
    of: str
    limit: float
    least: bool = False
    figure: str = ""            # if it is not the bench's own
    unit: str = ""

    def numbers(self, rounds, figure):
        """One number per round; None when a side of it was not measured."""
        parts = self.of.replace("/", " / ").replace("-", " - ").split()
        try:
            taken = [[r[side][self.figure or figure] for r in rounds] for side in parts[::2]]
        except KeyError:
            return None
        if len(taken) == 1:
            return taken[0]
        return [a / b if parts[1] == "/" else a - b for a, b in zip(*taken)]


@dataclasses.dataclass
class Bench:
    """@figure: which of the figures that its sides report the ratios are made of, in @unit.  @limit: the side that is the limit.
    @share: seconds that it may take, quick and full; without any for quick it is left out of a quick run that does not name it.
    @more: figures shown beside it, {name: unit}.  Less is better, unless @most.  @quick_sides: those of a quick run, if not all.
    """
    name: str
    what: str
    figure: str
    unit: str
    limit: str
    sides: dict[str, Side]
    share: tuple[float, float]
    goals: list[Goal] = dataclasses.field(default_factory=list)
    more: dict[str, str] = dataclasses.field(default_factory=dict)
    most: bool = False
    rounds: int = 15            # at most
    quick_sides: tuple[str, ...] = ()
    group: str = ""

    def peers(self):
        return [side for side in self.sides if side != self.limit]


def say_progress(text):
    """On a terminal: what is running."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


class Run:
    """One run of one bench."""

    def __init__(self, bench, quick, sides=None):
        self.bench, self.quick = bench, quick
        self.share = bench.share[0 if quick else 1] or bench.share[1] / 4
        wanted = sides or quick and bench.quick_sides or bench.sides
        self.sides = {name: side for name, side in bench.sides.items() if name in wanted}
        self.missing, self.failed, self.rounds = {}, {}, []

    def attempt(self, name, what):
        """Runs what(side); a side that cannot is left out from now on, of the rounds before as well, so all rounds are whole."""
        say_progress(f"{self.bench.name}: round {len(self.rounds)}, {name}")
        try:
            return what(self.sides[name])
        except Missing as why:
            self.missing[name] = str(why)
        except Failed as why:
            self.failed[name] = str(why)
        del self.sides[name]
        for r in self.rounds:
            r.pop(name, None)
        return None

    def prepare(self):
        """Also the warm-up: what a side reads from disk for the first time is read here."""
        seconds = 0.7 * self.share / ROUNDS / max(len(self.sides), 1)
        for name in list(self.sides):
            if self.sides[name].prepare:
                self.attempt(name, lambda side: side.prepare(seconds))

    def one_round(self):
        names, got = list(self.sides), {}
        first = len(self.rounds) % max(len(names), 1)
        for name in names[first:] + names[:first]:
            values = self.attempt(name, lambda side: side.measure(self.quick))
            if values is not None:
                got[name] = values
        self.rounds.append(got)

    def all_rounds(self):
        begin = time.monotonic()
        self.prepare()
        while self.sides and len(self.rounds) < max(self.bench.rounds, ROUNDS):
            took = time.monotonic() - begin
            if len(self.rounds) >= ROUNDS and took * (len(self.rounds) + 1) / len(self.rounds) > self.share:
                break
            self.one_round()
        say_progress("")
        return self.result(time.monotonic() - begin)

    def result(self, seconds):
        """As it goes into the JSON file."""
        bench = self.bench
        sides = [name for name in bench.sides if name in self.sides]
        base = bench.limit if bench.limit in sides else sides[0] if sides else ""

        def column(figure):
            return {side: [r[side][figure] for r in self.rounds] for side in sides if all(figure in r[side] for r in self.rounds)}

        def ratio(r, side):
            return r[side][bench.figure] / (r[base][bench.figure] or 1e-9)

        return {"name": bench.name, "group": bench.group, "what": bench.what, "limit": bench.limit, "unit": bench.unit,
                "most": bench.most, "base": base, "sides": column(bench.figure),
                "ratios": {side: [ratio(r, side) for r in self.rounds] for side in sides},
                "more": [{"figure": figure, "unit": unit, "sides": column(figure)} for figure, unit in bench.more.items()],
                "about": {side: bench.sides[side].about for side in bench.sides},
                "missing": self.missing, "failed": self.failed, "goals": [self.judged(goal) for goal in bench.goals],
                "rounds": len(self.rounds), "quick": self.quick, "seconds": round(seconds, 1)}

    def judged(self, goal):
        numbers = goal.numbers(self.rounds, self.bench.figure) if self.rounds else None
        told = {"what": goal.what, "of": goal.of, "limit": goal.limit, "least": goal.least, "unit": goal.unit}
        if not numbers:
            return told | {"median": None, "from": None, "to": None, "met": None}
        middle = statistics.median(numbers)
        met = middle >= goal.limit if goal.least else middle <= goal.limit
        return told | {"median": middle, "from": min(numbers), "to": max(numbers), "met": met}
