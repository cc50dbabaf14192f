"""timers.py - group 3: many asleep at once, and how late they wake"""
from suite.core import HERE, Bench, Goal
from suite.programs import peer, program, under_grove

OTHERS = 25             # of a loaded bench: each computes for 20 us and sleeps 1 ms, together half of the core's time


def scaled(got, n):
    """CPU seconds for 100,000, from the nanoseconds for each, and how many there were."""
    return got | {"cpu_s": got["ns"] * 100000 / 1e9, "asleep": n}


def sleepers(find, *args, count=100000, quick=20000, **how):
    return find(*args, n=count, quick_n=quick, scale=scaled, **how)


def late(us, others):
    """A bench of the lateness of short sleeps."""
    state = "when nothing else runs"
    if others:
        state = f"while {others} others compute for 20 us and sleep 1 ms in turns, half of the core's time"
    how = {"n": 500, "quick_n": 60, "then": [str(us), str(others)], "scale": lambda got, _n: {
        "late_ms": got["late_us"] / 1e3, "p99_ms": got["p99_us"] / 1e3, "worst_ms": got["worst_us"] / 1e3}}
    goals = [Goal(f"lateness of a {us} us sleep{', loaded' if others else ''}, median: {side}", side, 0.15, unit="ms")
             for side in ("grove", "api")]
    name = f"late_{us}us{'_loaded' if others else ''}"
    return Bench(name, f"how late a sleep of {us} us ends, {state}", "late_ms", "ms, median", "exact",
                 share=(6 if us == 1000 else 4, 36), rounds=9, more={"p99_ms": "", "worst_ms": ""}, sides={
                     "exact": program("bench/thread_timers", "exact", about="kernel threads, timer slack 1 ns, not 50 us", **how),
                     "api": program("bench/sleepers", "late", **how), "grove": under_grove("bench/thread_timers", "late", **how),
                     "threads": program("bench/thread_timers", "late", about="kernel threads", **how),
                     "libev": program("bench/libev", "late", about="callbacks by hand", **how),
                     "st": peer("st", "late", about="computes while less than a millisecond is left, as it waits by poll", **how),
                     **{side: peer(name, "late", **how) for side, name in (("pth", "pth"), ("fiber", "fiber"),
                                                                           ("go", "goroutines"), ("gevent", "by_gevent"))}},
                 goals=goals)


BENCHES = [
    Bench("sleepers", f"100,000 each sleep once{HERE}, for 0.5 to 1.5 s: to make it, sleep, wake and end", "cpu_s",
          "s of CPU for 100,000", "libev", share=(16, 95), rounds=7, quick_size="20,000",
          more={"asleep": "", "late_us": "median", "worst_us": ""}, sides={
              "libev": sleepers(program, "bench/libev", "sleepers", about="timers and callbacks by hand, no stacks"),
              "api": sleepers(program, "bench/sleepers", "grove"),
              "grove": sleepers(under_grove, "bench/thread_timers", "sleepers"),
              "threads": sleepers(program, "bench/thread_timers", "sleepers", count=20000, quick=5000,
                                  about="kernel threads, which cannot be that many"),
              "st": sleepers(peer, "st", "sleepers", count=30000, about="fewer, as each stack takes two mappings"),
              "fiber": sleepers(peer, "fiber", "sleepers"), "go": sleepers(peer, "goroutines", "sleepers"),
              "gevent": sleepers(peer, "by_gevent", "sleepers")}, goals=[
              Goal(f"100,000 sleepers{HERE}: CPU, API", "api", 0.4, unit="s"),
              Goal("sleepers: CPU of each, threads/api", "threads/api", 1.5, least=True)]),
    late(1000, 0), late(1000, OTHERS), late(100, 0), late(100, OTHERS),
]
