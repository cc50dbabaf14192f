"""Makes one run: starts the program, waits until it is ready, puts load on it, stops it, and measures."""
import hashlib
import os
import resource
import stat
import tempfile
import time
from pathlib import Path

import kept
import load
import tree
from run import Run, fill, status_text, tail

LIMIT = 600             # seconds for a bare run; one under grove has
MORE, TIMES = 60, 20    # so many, and so many times a bare one
SETTLE = 60             # ms for which a program without --ready must have listened on the same sockets
SOON = 5                # seconds that the load command has left when the program is gone
MUCH = 1 << 20          # characters of output; of more than that only a digest is kept
TICK = os.sysconf("SC_CLK_TCK")


def busy():
    """Seconds of processor time that the whole machine has spent, with what the host took from it."""
    fields = [int(n) for n in tree.text("/proc/stat").split("\n", 1)[0].split()[1:9]]
    user, nice, system, _, _, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) / TICK


def standard_input():
    """Ours if it is a file, opened anew so that each run reads it from its beginning; otherwise nothing."""
    try:
        if stat.S_ISREG(os.fstat(0).st_mode):
            return os.open("/proc/self/fd/0", os.O_RDONLY)
    except OSError:
        pass
    return os.open("/dev/null", os.O_RDONLY)


class Program(kept.Kept):
    """The program of a run, and what is seen of it."""

    def __init__(self, *how):
        super().__init__(*how)
        self.tree = tree.Tree(self.keep.pid, kept.milliseconds)
        self.before = 0.0               # seconds of processor time, before it was put under load
        self.match = None               # of the pattern in --ready
        self.listeners = set()

    def gone(self):
        """It has ended; a daemon's first process ends with status 0 and leaves others."""
        return self.empty or self.status not in (None, 0)

    def how(self):
        """How it ended"""
        return self.cannot or ("" if os.WIFSIGNALED(self.status) else "exit status ") + status_text(self.status)


class Runner:
    """Makes runs by a plan; @progress(words) is told what is going on."""

    def __init__(self, plan, progress):
        self.plan, self.progress = plan, progress
        self.ports = set()              # on which the program has listened
        self.lingered = 0               # how often one of them was not free yet
        self.longest = 0.0              # seconds that a bare run lasted
        self.folder = Path(tempfile.mkdtemp(prefix="grove-compare."))

    def close(self):
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()

    def files(self, who):
        return [open(self.folder / f"{who}.{name}", "wb") for name in ("out", "err")]

    def start(self, kind, who, command):
        out, err = self.files(who)
        stdin = standard_input()
        with out, err:
            try:
                return kind(command, out, err, stdin)
            finally:
                os.close(stdin)

    def said(self, who):
        return [(self.folder / f"{who}.{name}").read_bytes() for name in ("out", "err")]

    def texts(self, who):
        """Bytes that are no UTF-8 are kept apart, so that other bytes are another text."""
        return [text.decode(errors="surrogateescape") for text in self.said(who)]

    def run(self, side, n=None, before=()):
        """@n: for {N}; @before: a command that the program's is put behind (strace)."""
        run, began, machine, own = Run(side, n, self.limit(side, before)), time.monotonic(), busy(), time.process_time()
        with descriptors(n):
            program = self.begin(run, before)
            if self.plan.load and not run.failed:
                self.put_load(run, program)
            elif not self.plan.load:
                self.let_end(run, program)
            self.end(run, program)
        run.took = time.monotonic() - began
        if side == "bare" and not before:
            self.longest = max(self.longest, run.lasted)
        used = program.cpu() + run.load_cpu + time.process_time() - own
        run.elsewhere = max(0.0, (busy() - machine - used) / run.took / os.cpu_count())
        return run

    def limit(self, side, before):
        """Seconds that a run may last."""
        if self.plan.limit or side == "bare" or before or not self.longest:
            return self.plan.limit or LIMIT
        return MORE + round(TIMES * self.longest)

    # --- the program ---------------------------------------------------------------------------------------------------------

    def begin(self, run, before):
        """Starts the program; with a load command, waits until it is ready."""
        plan = self.plan
        if plan.port:
            self.port_is_free(run)
        program = self.start(Program, "program", [*before, *plan.side(run.side)])
        if plan.load:
            self.wait_until_ready(run, program)
        return program

    def port_is_free(self, run):
        """Somebody else who listens there would be measured instead."""
        for kind, port, _ in tree.listening("/proc/net"):
            if port == self.plan.port and kind == "tcp":
                run.fail(f"port {port} is taken by another process")
                return

    def wait_until_ready(self, run, program):
        seen = {"listeners": set(), "since": 0, "scan": 0}
        limit = min(run.limit, 60)
        until = kept.milliseconds() + limit * 1000

        def look():
            self.progress("waiting until it is ready")
            program.tree.look()
            return kept.milliseconds() + 5

        if run.failed:
            return
        if not kept.wait([program], lambda: self.is_ready(program, seen) or program.gone(), until, look):
            run.fail(f"not ready within {limit:g} s: " + self.waited_for())
        elif program.gone():
            run.fail(f"ended before it was ready: {program.how()}")
        self.ports |= {port for kind, port in program.listeners if kind == "tcp"}

    def waited_for(self):
        plan = self.plan
        if plan.pattern:
            return f"its output does not match {plan.pattern.pattern!r} (what goes to a file may stay in a buffer: stdbuf -oL)"
        return f"it does not listen on port {plan.port}" if plan.port else "it does not listen on any socket; see --ready"

    def is_ready(self, program, seen):
        plan, now = self.plan, kept.milliseconds()
        if plan.pattern:
            for text in self.said("program"):
                program.match = plan.pattern.search(text.decode(errors="replace"))
                if program.match:
                    return True
            return False
        if now < seen["scan"]:
            return False
        seen["scan"] = now + 5
        program.tree.find()
        found = program.tree.listeners()
        if plan.port:
            program.listeners = {(kind, port) for kind, port in found if port == plan.port}
            return bool(program.listeners)
        found = {(kind, where) for kind, where in found if kind != "udp"}
        if found != seen["listeners"]:
            seen.update(listeners=found, since=now)
        program.listeners = found
        return bool(found) and now >= seen["since"] + SETTLE

    def port_of(self, program):
        """What stands for {PORT}: the first group of the pattern, or where the program listens."""
        if program.match and program.match.groups():
            return program.match[1]
        if self.plan.port:
            return self.plan.port
        return min((where for kind, where in program.listeners if kind == "tcp"), default=None)

    # --- load ----------------------------------------------------------------------------------------------------------------

    def put_load(self, run, program):
        port = self.port_of(program)
        if port is None and fill(self.plan.load, PORT="") != self.plan.load:
            run.fail("nothing tells what {PORT} is: it listens on no TCP port, and the pattern has no group")
            return
        command = fill(self.plan.load, N=run.n, PORT=port, PID=program.pid)
        program.before = program.tree.cpu()
        process = self.start(kept.Kept, "load", ["/bin/sh", "-c", command])
        until, soon = kept.milliseconds() + run.limit * 1000, []

        def done():
            if program.gone() and not soon:         # a load command without a server may go on for long
                soon.append(kept.milliseconds() + SOON * 1000)
            return process.over() or (soon and kept.milliseconds() >= soon[0])

        def look():
            self.progress("under load")
            return min(program.tree.look(), *soon) if soon else program.tree.look()

        kept.wait([program, process], done, until, look)
        program.tree.look(thoroughly=True)
        run.grove_in.update(program.tree.under_grove())
        if program.gone():
            run.fail(f"ended under load: {program.how()}")
        elif not process.over():
            run.fail(f"the load command did not end within {run.limit:g} s")
        process.stop()
        kept.wait([program, process], lambda: process.empty)
        self.read_load(run, process)

    def read_load(self, run, process):
        run.answers["exit status of the load command"] = status_text(process.status)
        if process.status in (126 << 8, 127 << 8):
            run.fail("the load command cannot be run: " + "; ".join(tail(self.folder / "load.err", 1)))
        if process.ended:
            run.lasted, run.load_cpu = max(process.seconds(), 1e-6), process.cpu()
        self.read_figures(run, *self.texts("load"), process)

    def read_figures(self, run, out, err, process):
        """Of the load command, or of the program where there is none."""
        found = load.parse(out[-MUCH:]) or load.parse(err[-MUCH:])
        if found:
            run.tool, run.advice, run.requests = found.tool, found.advice, found.requests
            run.figures.update(found.measures)
            run.errors.update(found.errors)
        elif process.status == 0:
            digest = hashlib.sha256(out.encode(errors="surrogateescape")).hexdigest()
            run.answers["output"] = out if len(out) <= MUCH else f"sha256 {digest}"
        if process.ended and not (found and "throughput" in found.measures):
            run.figures["wall time"] = (process.seconds(), "s", "less")
        if found and found.requests == 0:
            run.fail("no request was answered", hopeless=False)

    def let_end(self, run, program):
        """Without a load command the program runs to its end."""
        looked = [0]

        def look():
            self.progress("running")
            at = program.tree.look()
            if kept.milliseconds() >= looked[0]:
                looked[0] = kept.milliseconds() + 500
                run.grove_in.update(program.tree.under_grove())
            return at

        if not kept.wait([program], program.over, kept.milliseconds() + run.limit * 1000, look):
            run.fail(f"did not end within {run.limit:g} s")
        elif program.cannot:
            run.fail(f"cannot be executed: {program.cannot}")
        if program.tree.looks < 5 and not program.cannot:
            run.short = True

    # --- the end -------------------------------------------------------------------------------------------------------------

    def end(self, run, program):
        self.progress("stopping")
        alone = program.over()
        program.stop()
        kept.wait([program], lambda: program.empty)
        if not run.failed or not alone:
            what = "exit status" if not self.plan.load or alone else "how it ends when it is stopped"
            run.answers[what] = self.ending(program, alone)
        if run.failed:
            run.output = "\n".join(tail(self.folder / "program.err") or tail(self.folder / "program.out"))
            return
        if not self.plan.load:
            self.read_figures(run, *self.texts("program"), program)
        self.measure(run, program)

    def ending(self, program, alone):
        if program.status is None:
            return "did not start"
        how = status_text(program.status)
        return f"{how}; had to be killed" if program.killed and not alone and not how.startswith("killed") else how

    def measure(self, run, program):
        usage, peaks = program.usage, program.tree.peaks
        run.cpu = max(0.0, program.cpu() - program.before)
        if not self.plan.load and program.ended:
            run.lasted = program.seconds()
        served = run.requests if self.plan.load and run.requests else None
        total = None if served else "less"              # of what is done per request, or in all
        add = run.figures.__setitem__
        add("CPU user", (usage["user"] / 1e6, "s", total))
        add("CPU system", (usage["system"] / 1e6, "s", total))
        if served:
            add("CPU per request", (run.cpu * 1e6 / served, "µs", "less"))
        if peaks["threads"] and not run.short:
            add("kernel threads", (peaks["threads"], "", "less"))
        for name in ("voluntary", "involuntary"):
            add(f"{name} switches", (usage[name], "", total))
        add("minor faults", (usage["faults"], "", total))
        alone = program.reaped == 1                     # then the kernel knows the peak exactly
        add("resident memory", (program.rss if alone else max(peaks["rss"] or 0, program.rss), "KB", "less"))
        if not run.short:
            for name, peak in (("proportional memory", "pss"), ("kernel stacks", "stacks"), ("page tables", "tables")):
                if peaks[peak] is not None:
                    add(name, (peaks[peak], "KB", "less"))


class descriptors:
    """Room for @n connections: the soft limit of descriptors is raised if it is too low, for the program and the load command."""

    def __init__(self, n):
        self.n = n

    def __enter__(self):
        self.limits = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        need = 2 * (self.n or 0) + 256
        if self.n and soft != resource.RLIM_INFINITY and soft < need:
            resource.setrlimit(resource.RLIMIT_NOFILE, (need if hard == resource.RLIM_INFINITY else min(need, hard), hard))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_NOFILE, self.limits)
