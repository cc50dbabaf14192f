"""core.py - what a bench is, and how one is run

A bench measures sides: grove, its peers, and the limit, which is the least that the machine must do for the same end.  Each round
measures every side once, a different one first each time, so what disturbs one disturbs all; each round gives one ratio to the
limit per side. There are at least ROUNDS rounds, then more while the bench's share of the time lasts.  A median is of rounds,
never of a mean.

Time is kept to on any machine.  What a bench takes beyond its share, those that follow have to save (Account): they measure
shorter.  One that has taken several times what it may ends with fewer rounds, and says so; a measurement that takes far longer
than planned is given up, and its side with it.

Names of sides, the same everywhere: `api' the C API; `threads' a plain POSIX threads program bare, `grove' the same file under
grove; `hand' written by hand for the purpose; st, pth, fiber, go, gevent, libev, epoll, uring the peers.
"""
import dataclasses
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

ROUNDS = 5
PATIENCE = 10           # one measurement may take so many times what was planned for it,
LEAST_PATIENCE = 5      # or so many seconds, unless its side says otherwise
OVERTIME = {"quick": 1.5, "full": 3}        # of what a bench may take: then it ends also with fewer rounds
LEAST = 0.25            # of its share: what a bench may take whatever those before it took


class Missing(Exception):
    """A side cannot run here: says why, and what to install."""


class Failed(Exception):
    """A side ran and went wrong."""


class TooLong(Exception):
    """A measurement was given up."""


HERE = "{here}"


@dataclasses.dataclass
class Side:
    """@measure: quick -> {figure: value}.  @prepare, if there is one, is told first how long a measurement should take.
    @patience: seconds that either may take whatever was planned.
    """
    measure: Callable[[bool], dict]
    about: str = ""
    prepare: Callable[[float], None] | None = None
    patience: float = LEAST_PATIENCE


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
    @quick_size: how many, or how much, a quick run takes instead of what the texts say; it is told in them where HERE stands.
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
    quick_size: str = ""
    group: str = ""

    def peers(self):
        return [side for side in self.sides if side != self.limit]

    def told(self, text, quick):
        return text.replace(HERE, f", here {self.quick_size}" if quick and self.quick_size else "")


def share_of(bench, quick):
    """Seconds; a bench that has none in a quick run, and is named, takes a part of its others."""
    return bench.share[0 if quick else 1] or bench.share[1] / 4


def say_progress(text):
    """On a terminal: what is running."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


class Account:
    """The time of all benches of a run, @share seconds: what one takes too much is missing for those that follow."""

    def __init__(self, share):
        self.end, self.shares = time.monotonic() + share, share

    def allowance(self, share):
        """Seconds for the next bench."""
        left = max(self.end - time.monotonic(), 0)
        may = share * min(max(left / self.shares, LEAST), 1)
        self.shares = max(self.shares - share, 1e-9)
        return may


class Alarm:
    """Ends what takes too long, wherever it waits."""

    def __init__(self, seconds):
        self.seconds, self.was = seconds, None

    def __enter__(self):
        self.was = signal.signal(signal.SIGALRM, self.ring)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.was)

    @staticmethod
    def ring(*_):
        raise TooLong


class Run:
    """One run of one bench, for @may seconds; its share, if not told."""

    def __init__(self, bench, quick, sides=None, may=None):
        self.bench, self.quick = bench, quick
        self.may = share_of(bench, quick) if may is None else may
        self.begin = self.prepared = time.monotonic()
        self.end = self.begin + self.may * OVERTIME["quick" if quick else "full"]
        wanted = sides or quick and bench.quick_sides or bench.sides
        self.sides = {name: side for name, side in bench.sides.items() if name in wanted}
        self.planned = self.may / (ROUNDS + 1) / max(len(self.sides), 1)
        self.missing, self.failed, self.rounds = {}, {}, []
        self.took = dict.fromkeys(self.sides, 0.0)

    def attempt(self, name, what):
        """Runs what(side); a side that cannot is left out from now on, of the rounds before as well, so all rounds are whole."""
        say_progress(f"{self.bench.name}: round {len(self.rounds)}, {name}")
        side, begin = self.sides[name], time.monotonic()
        patience = max(self.planned * PATIENCE, side.patience)
        try:
            with Alarm(patience):
                return what(side)
        except Missing as why:
            self.missing[name] = str(why)
        except Failed as why:
            self.failed[name] = str(why)
        except (OSError, subprocess.SubprocessError) as why:
            self.failed[name] = f"{type(why).__name__}: {why}"
        except TooLong:
            self.failed[name] = f"not done after {patience:.0f} seconds, in round {len(self.rounds)}"
        finally:
            self.took[name] += time.monotonic() - begin
        del self.sides[name]
        for r in self.rounds:
            r.pop(name, None)
        return None

    def prepare(self):
        """Also the warm-up: what a side reads from disk for the first time is read here."""
        seconds = 0.7 * self.may / ROUNDS / max(len(self.sides), 1)
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

    def another(self):
        """Whether there is time for one more round."""
        now, done = time.monotonic(), len(self.rounds)
        after = now + (now - self.prepared) / max(done, 1)
        return done == 0 or after <= (self.end if done < ROUNDS else self.begin + self.may)

    def all_rounds(self):
        self.prepare()
        self.prepared = time.monotonic()
        while self.sides and len(self.rounds) < max(self.bench.rounds, ROUNDS) and self.another():
            self.one_round()
        say_progress("")
        return self.result(time.monotonic() - self.begin)

    def result(self, seconds):
        """As it goes into the JSON file."""
        bench = self.bench
        sides = [name for name in bench.sides if name in self.sides]
        base = bench.limit if bench.limit in sides else sides[0] if sides else ""

        def column(figure):
            return {side: [r[side][figure] for r in self.rounds] for side in sides if all(figure in r[side] for r in self.rounds)}

        def ratio(r, side):
            return r[side][bench.figure] / (r[base][bench.figure] or 1e-9)

        return {"name": bench.name, "group": bench.group, "what": bench.told(bench.what, self.quick), "limit": bench.limit,
                "unit": bench.unit, "most": bench.most, "base": base, "sides": column(bench.figure),
                "ratios": {side: [ratio(r, side) for r in self.rounds] for side in sides},
                "more": [{"figure": figure, "unit": unit, "sides": column(figure)} for figure, unit in bench.more.items()],
                "about": {side: bench.sides[side].about for side in bench.sides},
                "missing": self.missing, "failed": self.failed, "goals": self.judged_all(),
                "rounds": len(self.rounds), "short": bool(self.sides) and len(self.rounds) < ROUNDS, "quick": self.quick,
                "seconds": round(seconds, 1), "may": round(self.may, 1),
                "took": {side: round(took, 1) for side, took in self.took.items()}}

    def judged_all(self):
        return [self.judged(goal) for goal in self.bench.goals]

    def judged(self, goal):
        numbers = goal.numbers(self.rounds, self.bench.figure) if self.rounds else None
        told = {"what": self.bench.told(goal.what, self.quick), "of": goal.of, "limit": goal.limit, "least": goal.least,
                "unit": goal.unit}
        if not numbers:
            return told | {"median": None, "from": None, "to": None, "met": None}
        middle = statistics.median(numbers)
        met = middle >= goal.limit if goal.least else middle <= goal.limit
        return told | {"median": middle, "from": min(numbers), "to": max(numbers), "met": met}
