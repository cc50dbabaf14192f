"""memory.py - group 2: memory of many that are parked, the kernel's share included

A program makes them, prints `parked N' and waits for a line.  Of the process: what is resident (Pss) and its page tables (VmPTE), less those
of the same program with none.  The kernel keeps no account of a process's stacks and objects, so these are of the whole system, as the
difference that the program made: KernelStack and SUnreclaim of /proc/meminfo.  No rights are needed for that, but a quiet machine.
"""
import re
import subprocess
import threading
from pathlib import Path

from suite.core import Bench, Failed, Goal, Missing, Side
from suite.programs import GROVE, built


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
        self.empty = self.process(0)

    def process(self, count):
        """KB resident, of page tables and in the kernel, and how many there were."""
        before = kernel_kb()
        command = [*self.under, *self.find(), str(count)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        timer = threading.Timer(120, process.kill)
        timer.start()
        try:
            line = process.stdout.readline().split()
            if line[:1] != ["parked"]:
                self.give_up(process, command)
            proc = Path(f"/proc/{process.pid}")
            got = [field(proc / "smaps_rollup", "Pss"), field(proc / "status", "VmPTE"), kernel_kb() - before, int(line[1])]
            process.communicate("\n")
        finally:
            timer.cancel()
            process.kill()
            process.wait()
        return got

    @staticmethod
    def give_up(process, command):
        _, said = process.communicate()
        if process.returncode == 77:
            raise Missing(said.strip())
        raise Failed(f"status {process.returncode} from {' '.join(command)}: {said.strip()[-300:]}")

    def once(self, _quick):
        *kb, made = self.process(self.count)
        resident, tables, kernel = ((full - empty) / max(made, 1) for full, empty in zip(kb, self.empty))
        return {"kb": resident + tables + kernel, "resident_kb": resident, "tables_kb": tables, "kernel_kb": kernel, "made": made}


def parked(how, count, share):
    def binary():
        return built("bench/parked")

    return Bench(f"parked_{count // 1000}k", f"{count:,} parked at once, {how}", "kb", "KB each", "grove", share=share, rounds=5, sides={
        "grove": Parked(binary, count, [GROVE]), "threads": Parked(binary, count)},
        more={"resident_kb": "", "tables_kb": "", "kernel_kb": "", "made": ""}, goals=[
            Goal(f"{count:,} parked, {how}: made under grove", "grove", count, least=True, figure="made"),
            Goal(f"{count:,} parked, {how}: resident each, under grove", "grove", 8.5, figure="resident_kb", unit="KB")])


BENCHES = [parked("half in read, half in sleep", 10000, (20, 40)), parked("half in read, half in sleep", 100000, (40, 120))]
