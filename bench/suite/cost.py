"""cost.py - group 8: what grove costs a program that does not wait: at its start, at each call, at each file"""
import resource
import subprocess
import sys
import tempfile
import time

from suite.core import Bench, Goal, Side
from suite.programs import BUILD, GROVE, SERVER_CORE, built, program, under_grove, values


def start(*command):
    """The wall time of a program, and its CPU time, in milliseconds."""
    def measure(_quick):
        before, used = time.perf_counter_ns(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*SERVER_CORE, *command], check=True)
        wall, now = time.perf_counter_ns() - before, resource.getrusage(resource.RUSAGE_CHILDREN)
        return {"ms": wall / 1e6, "cpu_ms": (now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime) * 1e3}
    return Side(measure)


def calls(side):
    return {"bare": program("bench/threads", side, trial=10000), "grove": under_grove("bench/threads", side, trial=10000)}


def files(folder, under=()):
    """Calls on files in @folder while another thread is there."""
    def measure(quick):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            return values([*SERVER_CORE, *under, *built("bench/files"), place, "20000" if quick else "100000"])
    return Side(measure)


def files_bench(name, what, folder):
    limits = {"write": 1.25, "read": 1.25, "pread": 1.25, "stat": 1.35, "open_close": 1.8, "open_read_close": 1.8}
    return Bench(name, f"calls on files that need not wait while another thread is there, {what}", "write",
                 "ns of CPU, write of 4 KB", "bare", share=(2, 25),
                 sides={"bare": files(folder), "grove": files(folder, [GROVE])},
                 more={call: "ns" for call in limits if call != "write"},
                 goals=[Goal(f"{name}, {call}: grove/bare", "grove/bare", limit, figure=call) for call, limit in limits.items()])


START = ("ms", "ms", "bare")
PYTHON = sys.executable  # not python3, which may be a script that starts many a process before the interpreter
FORTY = "i=0; while [ $i -lt 40 ]; do /bin/true; i=$((i + 1)); done"
CALL = ("ns", "ns of CPU each", "bare")
BENCHES = [
    Bench("start", "`true`, from its start to its end", *START, share=(2, 20), rounds=200, more={"cpu_ms": ""}, sides={
        "bare": start("true"), "grove": start(GROVE, "true")}, goals=[
        Goal("start: grove true - true", "grove-bare", 3, unit="ms"),
        Goal("start: grove true - true, CPU", "grove-bare", 3, unit="ms", figure="cpu_ms")]),
    Bench("start_python", "`python3 -c pass`, from its start to its end", *START, share=(3, 20), rounds=100,
          more={"cpu_ms": ""}, sides={
        "bare": start(PYTHON, "-c", "pass"), "grove": start(GROVE, PYTHON, "-c", "pass")}, goals=[
        Goal("start: grove python3 - python3, CPU", "grove-bare", 15, unit="ms", figure="cpu_ms")]),
    Bench("start_script", "a shell script that starts `/bin/true` forty times, from its start to its end", *START,
          share=(5, 20), rounds=50,
          more={"cpu_ms": ""}, sides={
        "bare": start("sh", "-c", FORTY), "grove": start(GROVE, "sh", "-c", FORTY)}),
    Bench("getppid", "a call that never waits, in one of two threads", *CALL, share=(3, 20),
          sides=calls("getppid"), goals=[
        Goal("pass-through call: grove - bare", "grove-bare", 10, unit="ns")]),
    Bench("mutex", "an uncontended mutex locked and unlocked, in one of two threads", *CALL, share=(3, 20),
          sides=calls("mutex"), goals=[Goal("uncontended mutex: grove/bare", "grove/bare", 1.05)]),
    files_bench("files_memory", "in memory", "/dev/shm"),
    files_bench("files_disk", "on the disk of the build", str(BUILD)),
    Bench("preempt", "a turn passed on by a condition variable, with the timer for threads that compute and without", "ns",
          "ns of CPU each", "off", share=(4, 25), sides={"off": under_grove("bench/handoff", options=["--preempt=0"], trial=2000),
                                 "on": under_grove("bench/handoff", trial=2000), "threads": program("bench/handoff", trial=2000)},
          goals=[Goal("preemption: hand-off, on/off", "on/off", 1.02)]),
]
