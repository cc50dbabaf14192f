"""What load tools print, read.  A tool is known by its output, so it may stand in a script or behind taskset.

One parser for each tool; where none knows the output there are no figures, and the wall time has to do.
"""
import json
import re

SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "sec": 1, "secs": 1, "m": 60, "h": 3600}
BITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
SCALE = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
NUMBER = r"([\d.]+(?:e[+-]?\d+)?)"


class Figures:
    """Of one run of a load tool."""

    def __init__(self, tool):
        self.tool = tool
        self.measures = {}      # name: (value, unit, better)
        self.requests = None    # how many were answered
        self.errors = {}        # what: how many
        self.advice = None      # what the tool would have told if asked

    def rate(self, value, unit="requests/s", name="throughput"):
        self.measures[name] = (float(value), unit, "more")

    def latency(self, name, seconds):
        self.measures[name] = (round(seconds * 1000, 9), "ms", "less")

    def percentile(self, percent, seconds):
        name = f"p{float(percent):g}"
        if name in ("p50", "p90", "p95", "p99", "p99.9", "p99.99"):
            self.latency(name, seconds)

    def error(self, what, how_many):
        self.errors[what] = int(how_many)


def one(pattern, text, default=None):
    """The first group of the last place where @pattern is found."""
    found = default
    for match in re.finditer(pattern, text, re.M):
        found = match[1]
    return found


def seconds(number, unit):
    return float(number) * SECONDS[unit]


def wrk(text):
    if "Requests/sec:" not in text or "Thread Stats" not in text:
        return None
    f = Figures("wrk")
    f.rate(one(rf"^Requests/sec:\s*{NUMBER}", text))
    for percent, value, unit in re.findall(rf"^\s+{NUMBER}%\s+{NUMBER}(us|ms|s|m|h)\s*$", text, re.M):
        f.percentile(percent, seconds(value, unit))
    mean = re.search(rf"^\s+Latency\s+{NUMBER}(us|ms|s|m|h)\s", text, re.M)
    if mean:
        f.latency("mean latency", seconds(*mean.groups()))
    f.requests = int(one(r"^\s*(\d+) requests in ", text, 0))
    for what, n in re.findall(r"(connect|read|write|timeout) (\d+)", one(r"^\s*Socket errors: (.*)", text, "")):
        f.error(f"{what} errors", n)
    f.error("answers that are not 2xx or 3xx", one(r"^\s*Non-2xx or 3xx responses: (\d+)", text, 0))
    if "p99" not in f.measures:
        f.advice = "wrk tells p50, p90 and p99 with --latency."
    return f


def ab(text):
    if "Time taken for tests:" not in text or "Requests per second:" not in text:
        return None
    f = Figures("ab")
    f.rate(one(rf"^Requests per second:\s*{NUMBER}", text))
    for percent, ms in re.findall(r"^\s+(\d+)%\s+(\d+)(?: |$)", text, re.M):
        f.percentile(percent, float(ms) / 1000)
    mean = one(rf"^Time per request:\s*{NUMBER} \[ms\] \(mean\)$", text)
    if mean:
        f.latency("mean latency", float(mean) / 1000)
    f.requests = int(one(r"^Complete requests:\s*(\d+)", text, 0))
    f.error("failed requests", one(r"^Failed requests:\s*(\d+)", text, 0))
    f.error("write errors", one(r"^Write errors:\s*(\d+)", text, 0))
    f.error("answers that are not 2xx", one(r"^Non-2xx responses:\s*(\d+)", text, 0))
    return f


def siege(text):
    found = one(r"(\{[^{}]*\"transaction_rate\"[^{}]*\})", text)
    if found:
        try:
            values = json.loads(found)
        except ValueError:
            return None
    else:
        lines = re.findall(rf"^([A-Z][A-Za-z ]+):\s+{NUMBER}(?:\s|$)", text, re.M)
        values = {name.lower().replace(" ", "_"): float(value) for name, value in lines}
    if "transaction_rate" not in values or "availability" not in values:
        return None
    f = Figures("siege")
    f.rate(values["transaction_rate"])
    if values.get("response_time"):         # to a hundredth of a second
        f.latency("mean latency", values["response_time"])
    f.requests = int(values.get("transactions", 0))
    f.error("failed transactions", values.get("failed_transactions", 0))
    return f


def iperf(text):
    """The sum of all streams; of iperf 3 what was received."""
    rows = re.findall(rf"^\[\s*(SUM|\d+)\].*?{NUMBER}-\s*{NUMBER}\s+sec\s.*?{NUMBER} ([KMGT]?)bits/sec(.*)$", text, re.M)
    csv = re.findall(r"^\d+(?:\.\d+)?,[^,]*,\d+,[^,]*,\d+,(-?\d+),([\d.]+)-([\d.]+),\d+,(\d+)", text, re.M)
    rows += [("SUM" if stream == "-1" else stream, begin, end, bits, "", "") for stream, begin, end, bits in csv]
    if not rows:
        return None
    if any("receiver" in row[5] for row in rows):
        rows = [row for row in rows if "receiver" in row[5]]
    last = max(float(end) - float(begin) for _, begin, end, *_ in rows)
    rows = [row for row in rows if float(row[2]) - float(row[1]) > last * 0.9]      # not the reports of each second
    sums = [row for row in rows if row[0] == "SUM"]
    f = Figures("iperf")
    f.rate(sum(float(row[3]) * BITS[row[4]] for row in sums or rows) / 1e6, "Mbit/s")
    if re.search(r"connect failed|error - ", text):
        f.error("iperf: connections that failed", len(re.findall(r"connect failed|error - ", text)))
    return f


def hackbench(text):
    found = one(rf"^\s*Time:\s*{NUMBER}$", text) or one(rf"^\s*Total time:\s*{NUMBER} \[sec\]", text)
    if not found:
        return None
    f = Figures("hackbench")
    f.measures["time it tells"] = (float(found), "s", "less")
    return f


def redis_benchmark(text):
    """Several tests in a row; the throughput of all is that of their requests, as many of each, in their time together."""
    rates, f = {}, Figures("redis-benchmark")
    for name, rest in re.findall(r"^====== (.*?) ======(.*?)(?=^======|\Z)", text, re.M | re.S):
        rate = one(rf"throughput summary: {NUMBER} requests per second", rest) or one(rf"^{NUMBER} requests per second", rest)
        latency = re.search(r"latency summary \(msec\):\s*\n\s*avg.*\n\s*([\d. ]+)", rest)
        if rate:
            columns = zip(("avg", "min", "p50", "p95", "p99", "max"), latency[1].split()) if latency else ()
            rates[name] = (float(rate), dict(columns))
            f.requests = (f.requests or 0) + int(one(r"^\s*(\d+) requests completed in", rest, 0))
    quiet = rf"^(\S[^\n:]*?)(?: \(.*\))?: {NUMBER} requests per second(?:, p50={NUMBER} msec)?"
    for name, rate, p50 in re.findall(quiet, text.replace("\r", "\n"), re.M):
        rates[name] = (float(rate), {"p50": p50} if p50 else {})
    csv = r'^"([^"]+)","([\d.]+)","[^"]*","[^"]*","([\d.]+)","[^"]*","([\d.]+)","[^"]*"'
    for name, rate, p50, p99 in re.findall(csv, text, re.M):
        rates[name] = (float(rate), {"p50": p50, "p99": p99})
    if not rates or not all(rate for rate, _ in rates.values()):
        return None
    f.rate(len(rates) / sum(1 / rate for rate, _ in rates.values()))
    for name, (rate, latency) in rates.items():
        prefix = f"{name}: " if len(rates) > 1 else ""
        if prefix:
            f.rate(rate, name=f"{prefix}throughput")
        for percent in ("p50", "p95", "p99"):
            if percent in latency:
                f.latency(prefix + percent, float(latency[percent]) / 1000)
    f.error("errors of the server", len(re.findall(r"^Error from server", text, re.M)))
    f.requests = f.requests or None
    return f


def memtier(text):
    """With several runs the last table is that of their average."""
    head, row = (re.findall(pattern, text, re.M) for pattern in (r"^Type\s.*Ops/sec.*$", r"^Totals\s.*$"))
    if not head or not row:
        return None
    values = dict(zip(re.split(r"\s{2,}", head[-1].strip()), row[-1].split()))
    f = Figures("memtier_benchmark")
    f.rate(values["Ops/sec"])
    for name, value in values.items():
        found = re.match(r"(?:p([\d.]+)|Avg\.) Latency$", name)
        if found and value != "---" and found[1]:
            f.percentile(found[1], float(value) / 1000)
        elif found and value != "---":
            f.latency("mean latency", float(value) / 1000)
    return f


def h2load(text):
    rate = re.search(rf"^finished in [\d.]+\w+, {NUMBER} req/s", text, re.M)
    if not rate:
        return None
    f = Figures("h2load")
    f.rate(rate[1])
    mean = re.search(rf"^time for request:\s+\S+\s+\S+\s+{NUMBER}(us|ms|s)", text, re.M)
    if mean:
        f.latency("mean latency", seconds(*mean.groups()))
    counts = one(r"^requests: (.*)$", text, "")
    f.requests = int(one(r"(\d+) succeeded", counts, 0))
    for what in ("failed", "errored", "timeout"):
        f.error(f"requests {what}", one(rf"(\d+) {what}", counts, 0))
    return f


def hey(text):
    rate = re.search(rf"^\s+Requests/sec:\s+{NUMBER}", text, re.M)
    if not rate or "Summary:" not in text:
        return None
    f = Figures("hey")
    f.rate(rate[1])
    mean = one(rf"^\s+Average:\s+{NUMBER} secs", text)
    if mean:
        f.latency("mean latency", float(mean))
    for percent, value in re.findall(rf"^\s+{NUMBER}%+ in {NUMBER} secs", text, re.M):
        f.percentile(percent, float(value))
    answers = {code: int(n) for code, n in re.findall(r"^\s+\[(\d+)\]\s+(\d+) responses", text, re.M)}
    f.requests = sum(answers.values()) or None
    f.error("answers that are not 2xx or 3xx", sum(n for code, n in answers.items() if code[0] not in "23"))
    f.error("requests that failed", sum(map(int, re.findall(r"^\s+\[(\d+)\]\s+(?!\d+ responses)", text, re.M))))
    return f


def sysbench(text):
    took = one(rf"^\s*total time:\s*{NUMBER}s", text)
    if not took or "sysbench" not in text:
        return None
    f = Figures("sysbench")
    f.requests = int(one(r"^\s*total number of events:\s*(\d+)", text, 0))
    transactions = one(rf"^\s*transactions:\s*\d+\s+\({NUMBER} per sec", text)
    if transactions:
        f.rate(transactions, "transactions/s")
    elif float(took):
        f.rate(one(rf"^\s*events per second:\s*{NUMBER}", text) or f.requests / float(took), "events/s")
    mean, p95 = one(rf"^\s*avg:\s*{NUMBER}", text), one(rf"^\s*95th percentile:\s*{NUMBER}", text)
    if mean:
        f.latency("mean latency", float(mean) / 1000)
    if p95 and float(p95):                  # 0 when it was not asked for
        f.percentile("95", float(p95) / 1000)
    f.error("ignored errors", one(r"^\s*ignored errors:\s*(\d+)", text, 0))
    return f


def named(text):
    """Lines `name value' and nothing else, as programs of bench/ and anybody's own scripts print them; one name must be known."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    try:
        values = {name: float(value) for name, value in lines}
    except ValueError:
        return None
    if not any(re.fullmatch(r"requests_per_s|throughput|requests|errors|p\d+_(ns|us|ms|s)", name) for name in values):
        return None
    f = Figures("lines of a name and a value")
    for name, value in values.items():
        percent = re.fullmatch(r"p(\d\d)(\d*)_(ns|us|ms|s)", name)
        if name in ("requests_per_s", "throughput"):
            f.rate(value)
        elif percent:
            f.percentile(percent[1] + ("." + percent[2] if percent[2] else ""), seconds(value, percent[3]))
        elif name == "requests":
            f.requests = int(value)
        elif name == "errors":
            f.error("errors", value)
        elif name not in ("connections", "seconds"):
            f.measures[name] = (value, "", None)
    return f


TOOLS = (wrk, ab, siege, iperf, redis_benchmark, memtier, h2load, hey, sysbench, hackbench, named)


def parse(text):
    """The figures of the first tool that knows its output, or None."""
    for tool in TOOLS:
        try:
            figures = tool(text)
        except (ValueError, KeyError, TypeError):       # cut off, or by another version: not known
            figures = None
        if figures:
            return figures
    return None
