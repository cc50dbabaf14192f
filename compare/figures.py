"""Medians, ratios of pairs, and whether a difference is larger than the noise.

The rule.  Each pair of runs, one bare and one under grove, one after the other, gives a ratio.  From the logarithms of the
ratios comes the interval in which their mean lies (Student's t), so wide that a report in which nothing differs would claim a
difference anywhere in one case of twenty: 95 % for all measures together, 1 - 0.05/m for each of m.  A difference counts when 1
is not in the interval and the median ratio is at least 1 % away from it.  Where a side was 0, differences take the place of the
ratios.  Events that are counted, switches and page faults, are taken to scatter at least as those do that come at random (by
the root of their number), so that 4 and 4 against 6 and 6 is nothing.
"""
import functools
import math
import statistics

CLAIM_WRONGLY = 0.05    # in how many reports, at most, in which nothing differs
LEAST = 0.01
EVENTS = ("switches", "faults")


def below(t, freedom):
    """How much of Student's distribution lies between -t and t: the finite sums for whole degrees of freedom (Abramowitz and
    Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term = total = math.cos(angle) if odd else 1.0
    for i in range(2 + odd, freedom, 2):
        term *= square * (i - 1) / i
        total += term
    if not odd:
        return sine * total
    return 2 / math.pi * (angle + (sine * total if freedom > 1 else 0))


@functools.lru_cache(maxsize=None)
def student(outside, freedom):
    """The t beyond which, on both sides, lies @outside of the distribution."""
    low, high = 0.0, 1.0
    while below(high, freedom) < 1 - outside:
        low, high = high, high * 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle, freedom) < 1 - outside else (low, middle)
    return high


def interval(numbers, outside, scatter):
    """(mean, half the width of the interval in which it lies), if they scatter by @scatter at least"""
    n = len(numbers)
    return statistics.mean(numbers), student(outside, n - 1) * max(scatter, statistics.stdev(numbers)) / math.sqrt(n)


def ratios(bare, grove):
    return [g / b if b else None for b, g in zip(bare, grove)]


def median(numbers):
    known = [n for n in numbers if n is not None]
    return statistics.median(known) if known and len(known) == len(numbers) else None


def direction(better, more):
    if better is None:
        return "more" if more else "less"
    return "better" if more == (better == "more") else "worse"


def judge(bare, grove, better, measures, events=False):
    """(reading, noise): noise is the half width of the interval as a share, None where there is no ratio; of @measures in all.
    @events: they are counts of what may come at random."""
    if not bare or not grove:
        return "one side only", None
    if bare == grove:
        return "same", 0.0
    if len(bare) < 2 or len(bare) != len(grove):
        return "one pair only", None
    outside = CLAIM_WRONGLY / max(1, measures)
    b, g = statistics.mean(bare), statistics.mean(grove)
    if min(bare) > 0 and min(grove) > 0:
        mean, half = interval([math.log(g / b) for b, g in zip(bare, grove)], outside, math.sqrt(1 / b + 1 / g) if events else 0)
        noise, enough = math.expm1(min(half, 50)), abs(math.log(median(ratios(bare, grove)))) >= math.log1p(LEAST)
    else:
        mean, half = interval([g - b for b, g in zip(bare, grove)], outside, math.sqrt(b + g) if events else 0)
        noise, enough = None, True
    if abs(mean) <= half or not enough:
        return "noise", noise
    return direction(better, mean > 0), noise


def measure(name, unit, better, bare, grove, measures):
    """One row of the report; @measures: how many rows it has."""
    ratio = ratios(bare, grove)
    reading, noise = judge(bare, grove, better, measures, name.endswith(EVENTS))
    return {"name": name, "unit": unit, "better": better, "bare": bare, "grove": grove, "ratio": ratio,
            "median": {"bare": median(bare), "grove": median(grove), "ratio": median(ratio)}, "noise": noise, "reading": reading}
