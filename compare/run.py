"""What is to be compared, and what came of one run; the words for both."""
import os
import re
import signal


class Plan:
    """What is to be compared; the same for all runs."""

    def __init__(self, command, launcher, load_command=None, ready=None, limit=None):
        self.command, self.launcher, self.load, self.ready, self.limit = command, launcher, load_command, ready, limit
        self.port = None                # of --ready
        if ready and re.fullmatch(r"(\[[0-9a-fA-F:.]*\]|[^\s:/]*):\d{1,5}|\d{1,5}", ready):
            self.port = int(ready.rpartition(":")[2])
        self.pattern = re.compile(ready) if ready and self.port is None else None

    def side(self, side):
        return [self.launcher, "--", *self.command] if side == "grove" else list(self.command)


class Run:
    """What came of one run.  @figures: {measure: (value, unit, better)}."""

    def __init__(self, side, n, limit=None):
        self.side, self.n, self.limit = side, n, limit
        self.figures, self.answers, self.errors = {}, {}, {}
        self.failed = None              # why there are no figures, or none to be trusted
        self.hopeless = False           # and that no other run would have them: it did not start, or did not end
        self.output = ""                # the end of what the program said, if it failed
        self.tool = self.advice = self.requests = None
        self.took = self.lasted = 0.0   # seconds: in all, and under load or from the start to the end
        self.cpu = self.load_cpu = 0.0  # seconds of processor time, while that lasted
        self.elsewhere = 0.0            # the share of the machine that others used
        self.grove_in = {}              # {name of a program: whether its processes have grove in them}
        self.short = False              # too short for peaks

    def fail(self, why, hopeless=True):
        if not self.failed:
            self.failed, self.hopeless = why, hopeless


def status_text(status):
    """Of a wait status."""
    if os.WIFSIGNALED(status):
        try:
            return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
        except ValueError:
            return f"killed by signal {os.WTERMSIG(status)}"
    return str(os.WEXITSTATUS(status))


def tail(path, lines=5):
    """The last lines of a file, printable."""
    with open(path, "rb") as f:
        f.seek(max(0, os.stat(path).st_size - 4000))
        text = f.read().decode(errors="replace")
    found = [line.expandtabs() for line in text.splitlines() if line.strip()][-lines:]
    return [re.sub(r"[^\x20-\x7e\u00a0-\uffff]", "?", line)[:200] for line in found]


def fill(command, **values):
    """{N}, {PORT} and {PID} in a load command; a shell's ${N} stays."""
    for name, value in values.items():
        command = re.sub(r"(?<!\$)\{" + name + r"\}", str(value), command) if value is not None else command
    return command
