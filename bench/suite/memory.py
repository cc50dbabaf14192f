"""memory.py - group 2: memory of many that are parked, the kernel's share included

A program makes them, prints `parked N' and waits for a line.  Of the process: what is resident (Pss) and its page tables (VmPTE),
less those of the same program with none.  The kernel keeps no account of a process's stacks and objects, so these are of the
whole system, as the difference that the program made: KernelStack and SUnreclaim of /proc/meminfo.  No rights are needed for
that, but a quiet machine.
"""
import re
import subprocess
import time
from pathlib import Path

from suite.core import HERE, Bench, Failed, Goal, Missing, Side
from suite.programs import GROVE, LEAN, LEAN_ABOUT, built, peer_program


def field(path, name):
    return int(re.search(rf"^{name}:\s+(\d+)", Path(path).read_text(encoding="utf-8"), re.M)[1])


def kernel_kb():
    return field("/proc/meminfo", "KernelStack") + field("/proc/meminfo", "SUnreclaim")


class Parked(Side):
    """@find: () -> the command, to which the number is added."""

    def __init__(self, find, count, under=(), about=""):
        super().__init__(measure=self.once, about=about, prepare=self.measure_empty)
        self.find, self.count, self.under, self.empty = find, count, list(under), None

    def measure_empty(self, _seconds):
        resident, tables, _, made = self.process(0)
        self.empty = [resident, tables, 0, made]        # one process is nothing to the kernel, beside what else it does meanwhile

    def process(self, count):
        """KB resident, of page tables and in the kernel, and how many there were."""
        time.sleep(0.05)                # until what the last one left behind is freed
        before = kernel_kb()
        command = [*self.under, *self.find(), str(count)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            line = process.stdout.readline().split()
            if line[:1] != ["parked"]:
                self.give_up(process, command)
            proc = Path(f"/proc/{process.pid}")
            got = [field(proc / "smaps_rollup", "Pss"), field(proc / "status", "VmPTE"), kernel_kb() - before, int(line[1])]
        finally:
            process.kill()
            process.wait()
        return got

    @staticmethod
    def give_up(process, command):
        _, said = process.communicate()
        if process.returncode == 77:
            raise Missing(said.strip())
        raise Failed(f"status {process.returncode} from {' '.join(command)}: {said.strip()[-300:]}")

    def once(self, quick):
        count = fewer(self.count) if quick else self.count
        *kb, made = self.process(count)
        resident, tables, kernel = ((full - empty) / max(made, 1) for full, empty in zip(kb, self.empty))
        return {"kb": resident + tables + kernel, "resident_kb": resident, "tables_kb": tables, "kernel_kb": kernel, "made": made,
                "share": made / count}


def hand(count):
    """What must be for each: a page of stack, guarded; nothing else."""
    return Parked(lambda: [*built("bench/hand"), "pages"], count, about="a page of stack each, 64 KiB apart; nobody to wake")


def fewer(count):
    """In a quick run"""
    return count // (10 if count > 10000 else 2)


QUICK_SIDES = ("hand", "api", "api_lean", "grove", "grove_lean", "threads", "go")


def parked(how, count, share):
    of_threads, of_api = (lambda: [*built("bench/parked"), how]), (lambda: [*built("bench/crowd"), how])
    names = {"st": "st", "go": "goroutines", "gevent": "by_gevent"} | ({"fiber": "fiber"} if how == "sleep" else {})

    def of_peer(name):
        return lambda: [*peer_program(name), how]

    what = f"{count:,} parked at once in {how}{HERE}: memory each, the kernel's included"
    goal = f"{count:,} parked in {how}{HERE}"
    return Bench(f"parked_{how}_{count // 1000}k", what, "kb", "KB each", "hand", share=share, rounds=5,
                 quick_size=f"{fewer(count):,}", quick_sides=QUICK_SIDES, sides={
                     "hand": hand(count), "api": Parked(of_api, count, about="the C API, stacks of 256 KiB"),
                     "api_lean": Parked(of_api, count, LEAN, about=f"the same {LEAN_ABOUT}"),
                     "grove": Parked(of_threads, count, [GROVE], about="the program of `threads' under grove, stacks of 8 MiB"),
                     "grove_lean": Parked(of_threads, count, [*LEAN, GROVE], about=f"the same {LEAN_ABOUT}"),
                     "threads": Parked(of_threads, count, about="kernel threads, stacks of 8 MiB"),
                     **{side: Parked(of_peer(name), count) for side, name in names.items()}},
                 more={"resident_kb": "", "tables_kb": "", "kernel_kb": "", "made": ""}, goals=[
                     Goal(f"{goal}: made under grove, of those asked for", "grove", 1, least=True, figure="share"),
                     Goal(f"{goal}: memory each, under grove", "grove", 8.5, unit="KB"),
                     Goal(f"{goal}: memory each, under grove, lean", "grove_lean", 8.5, unit="KB"),
                     Goal(f"{goal}: memory each, API", "api", 8.5, unit="KB"),
                     Goal(f"{goal}: memory each, API, lean", "api_lean", 8.5, unit="KB")])


BENCHES = [parked("read", 10000, (9, 25)), parked("sleep", 10000, (9, 25)), parked("read", 100000, (10, 75)),
           parked("sleep", 100000, (10, 75))]
