"""stress-ng, each stressor bare and under grove with --verify: no failure that the bare run does not have.  Its workers are forked;
that grove runs in them is seen by the statistics they leave."""
import os
import re
import shutil
import tempfile

from common import HUNG, Result, Skip, run, table

STRESSORS = ["pthread", "futex", "sem", "sock", "udp", "poll", "epoll", "pipe", "sigq", "sigpending", "timer", "mq", "msg", "fork",
             "vfork", "spawn", "clone", "flock", "lockf", "aio", "eventfd", "timerfd", "procfs"]
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
PLAIN = {"spawn"}       # refuses to run as root


class Run:
    """One run of a stressor."""

    def __init__(self, name, under, seconds):
        with tempfile.TemporaryDirectory(prefix="grove-stress.") as folder:
            os.chmod(folder, 0o777)
            command = ["stress-ng", f"--{name}", "2", "-t", str(seconds), "--verify", "--metrics-brief", "--temp-path", folder]
            prefix = NOBODY if name in PLAIN and os.getuid() == 0 else []
            self.status, self.said = run(prefix + under + command, seconds + 60, cwd=folder)
        found = re.search(rf"metrc: \[\d+\] {name} +(\d+)", self.said)
        self.ops = int(found.group(1)) if found else 0
        self.failures = {re.sub(r"\[\d+\] ?|\d+", "", line) for line in self.said.splitlines() if re.search(r": fail: |: error: ", line)}
        self.processes = len(re.findall(r"^grove: sites found", self.said, re.M))

    def word(self):
        return HUNG if self.status == HUNG else "pass" if self.status == 0 and not self.failures else f"status {self.status}"


def difference(bare, green):
    """What the run under grove has that the bare one has not, or None."""
    if bare.status == green.status == 0 and not green.ops and bare.ops:
        return "nothing was done under grove"
    if green.processes < 2:
        return f"grove ran in {green.processes} processes only, so not in its workers"
    if green.status != bare.status:
        return f"bare: {bare.word()}; under grove: {green.word()}"
    return "; ".join(sorted(green.failures - bare.failures)) or None


def run_suite(options):
    if not shutil.which("stress-ng"):
        raise Skip("stress-ng is not installed")
    result, rows = Result(), []
    for name in filter(options.wanted, STRESSORS):
        bare, green = Run(name, [], options.seconds), Run(name, [options.grove, "--stats"], options.seconds)
        differs = difference(bare, green)
        result.add(name, differs)
        if differs:
            print(f"{name}:\n" + "\n".join(line for line in green.said.splitlines() if not line.startswith("grove: call"))[-3000:])
        rows.append([name, bare.word(), green.word(), f"{bare.ops:,}", f"{green.ops:,}"])
    result.tables = list(table(["stressor", "bare", "under grove", "operations bare", "under grove"], rows))
    return result
