"""timers.py - group 3: many asleep at once, and how late they wake"""
from suite.core import Bench, Goal
from suite.programs import program


def seconds(count):
    """CPU seconds for 100,000, from what the program says of each of @count."""
    def scale(got):
        return got | {"cpu_s": (got["make_ns"] + got["wake_ns"]) / 1e4}
    return scale


BENCHES = [
    Bench("sleepers", "100,000 asleep at once, each for a time of its own, all of them within a second; threads: 20,000, times five",
          "cpu_s", "s of CPU for 100,000", "api", share=(30, 100), rounds=7, sides={
              "api": program("bench/sleepers", "grove", n=100000, scale=seconds(100000)),
              "threads": program("bench/sleepers", "threads", n=20000, quick_n=5000, scale=seconds(20000))},
          more={"make_ns": "", "wake_ns": "", "late_us": "", "worst_us": ""}, goals=[
              Goal("100,000 sleepers: CPU", "api", 0.4, unit="s"),
              Goal("sleepers: CPU, threads/api", "threads/api", 1.5, least=True)]),
]
