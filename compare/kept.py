"""A program that runs, with all that comes of it; compare/keep is its parent and tells us what happens."""
import errno
import os
import select
import signal
import subprocess
import time
from pathlib import Path

KEEP = Path(__file__).parent / "keep"
GRACE = 5               # seconds between SIGTERM and SIGKILL
USAGE = ("user", "system", "faults", "voluntary", "involuntary")

alive = []              # every Kept that has processes, so that an interrupted comparison can end them


class Interrupted(Exception):
    """A signal asked us to end."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


class Signals:
    """Ctrl-C and its like raise Interrupted where we wait, never between the start of a program and our knowing of it."""

    def __init__(self):
        self.came, self.read, write = [], *os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda n, _: self.came.append(n))

    def check(self):
        if self.came:
            raise Interrupted(self.came[0])


signals = None          # a Signals, in the command; None in unit tests


def milliseconds():
    return time.monotonic_ns() // 1000000


class Kept:
    """@command is executed with its output in the files @out and @err."""

    def __init__(self, command, out, err, stdin=subprocess.DEVNULL):
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        self.pipe, self.rest = ours, b""
        self.pid = self.started = self.ended = self.status = self.cannot = None     # the program's; times in ns
        self.killed = self.empty = self.stopping = False
        self.reaped, self.rss = 0, 0            # processes; KB, of the greatest
        self.usage = dict.fromkeys(USAGE, 0)    # us of CPU, and counts
        self.keep = subprocess.Popen([KEEP, str(theirs), str(os.getpid()), str(GRACE * 1000), *command], stdin=stdin, stdout=out,
                                     stderr=err, pass_fds=[theirs], start_new_session=True)
        os.close(theirs)
        alive.append(self)

    def read(self):
        """What keep has to say; called when its pipe is readable."""
        data = os.read(self.pipe, 65536)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            word, *numbers = line.split()
            getattr(self, "told_" + word.decode())(*map(int, numbers))
        if not data:
            self.empty = True
            self.keep.wait()
            os.close(self.pipe)
            alive.remove(self)

    def told_failed(self, number):
        self.cannot = os.strerror(number)
        self.status = 127 << 8 if number == errno.ENOENT else 126 << 8

    def told_started(self, pid, when):
        self.pid, self.started = pid, when

    def told_ended(self, pid, status, when, *usage_and_rss):
        *usage, rss = usage_and_rss
        for name, value in zip(USAGE, usage):
            self.usage[name] += value
        self.reaped += 1
        self.rss = max(self.rss, rss)
        if pid == self.pid:
            self.status, self.ended = status, when

    def told_killed(self):
        self.killed = True

    def told_empty(self):
        """The end of the pipe follows."""

    def stop(self):
        """Asks it to end; it has when .empty is set.  Asked again: at once."""
        if not self.empty:
            self.stopping = True
            self.keep.terminate()

    def over(self):
        """The program itself has ended, or was never there; others that came of it may be left."""
        return self.empty or self.status is not None

    def cpu(self):
        return (self.usage["user"] + self.usage["system"]) / 1e6

    def seconds(self):
        return (self.ended - self.started) / 1e9


def wait(kepts, done, until=None, meanwhile=None):
    """Waits till done() is true, or until the time @until (ms): then false.  meanwhile() does its work and returns when it wants
    to be called again."""
    while not done():
        if signals:
            signals.check()
        now = milliseconds()
        if until is not None and now >= until:
            return False
        at = [t for t in (until, meanwhile and meanwhile()) if t is not None]
        pipes = {k.pipe: k for k in kepts if not k.empty}
        ready, _, _ = select.select([*pipes, *([signals.read] if signals else [])], [], [],
                                    max(0, min(at) - now) / 1000 if at else None)
        for fd in ready:
            if fd in pipes:
                pipes[fd].read()
    return True


def stop_all():
    """Nothing is left running afterwards.  A second signal makes it hasty."""
    seen = len(signals.came) if signals else 0
    for kept in list(alive):
        kept.stop()
    while alive:
        if signals and len(signals.came) > seen:
            seen = len(signals.came)
            for kept in list(alive):
                kept.stop()
        pipes = {k.pipe: k for k in alive}
        for fd in select.select(list(pipes), [], [], 0.2)[0]:
            pipes[fd].read()
