"""What the suites share: running a command in a session and under a time limit of its own, and words for what became of it."""
import concurrent.futures
import contextlib
import os
import signal
import subprocess
import tempfile

HUNG = "hung"


class Skip(Exception):
    """The suite cannot run here; its text says why."""


class Result:
    """What a suite found: how many cases gave the same bare and under grove, which did not, and the tables for the document."""

    def __init__(self):
        self.same = 0
        self.skipped = 0
        self.differ = {}        # case: how it differs
        self.tables = []        # lines of Markdown

    def add(self, case, difference):
        if difference:
            self.differ[case] = difference
        else:
            self.same += 1


def session_of(leader):
    """The processes of a session, from /proc."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError, ValueError):
            with open(f"/proc/{name}/stat", encoding="latin-1") as stat:
                if int(stat.read().rsplit(")", 1)[1].split()[3]) == leader:
                    yield int(name)


def end_session(leader):
    """Ends what is left of a session of ours, also where it made process groups."""
    for left in session_of(leader):
        with contextlib.suppress(OSError):
            os.kill(left, signal.SIGKILL)


def run(command, seconds, cwd=None, env=None):
    """Runs a command; returns its exit status or HUNG, and what it printed."""
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=cwd, env=env,
                                 start_new_session=True)
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            status = HUNG
        finally:
            end_session(child.pid)
            child.wait()
        out.seek(0)
        return status, out.read().decode("utf-8", "replace")


def signal_of(status):
    """The signal that ended a process, also as a shell or a launcher passes it on; or None."""
    if status == HUNG:
        return None
    number = -status if status < 0 else status - 128
    return number if 0 < number < signal.NSIG else None


def in_parallel(jobs, function, items):
    """The results of function(item), in the order of items."""
    with concurrent.futures.ThreadPoolExecutor(max(1, jobs)) as pool:
        return list(pool.map(function, items))


def table(head, rows):
    """Lines of a Markdown table; all columns but the first are numbers."""
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" if i == 0 else "---:" for i in range(len(head))) + " |"
    for row in rows:
        yield "| " + " | ".join(str(cell) for cell in row) + " |"
