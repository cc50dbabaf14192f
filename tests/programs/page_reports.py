"""page_reports.py - reports of `grove compare' to make pages from: usual ones, and those that hold what is odd"""
import math

def measure(name, unit, better, bare, grove, reading="noise", ratios=None):
    if ratios is None:
        ratios = [b and g / b for b, g in zip(bare, grove)]
    middle = {"bare": bare[0] if bare else None, "grove": grove[0] if grove else None, "ratio": ratios[0] if ratios else None}
    return {"name": name, "unit": unit, "better": better, "bare": bare, "grove": grove, "ratio": ratios, "median": middle,
            "noise": 0.06, "reading": reading}


def usual(n=100):
    return [measure("throughput", "requests/s", "more",
                    [41001, 40210.25, 39800, 41300, 40400], [57900, 56000.5, 58100, 57200, 57700], "better"),
            measure("p99", "ms", "less", [19.5, 20.5, 18.2, 18.9, 19.1], [2.9, 3.1, 3.05, 2.85, 2.95], "better"),
            measure("start", "ms", "less", [4.1, 4.0, 4.2, 4.05, 4.3], [7.3, 7.1, 7.5, 7.2, 7.4], "worse"),
            measure("CPU user", "s", None, [1.2, 1.18, 1.21, 1.19, 1.2], [1.21, 1.2, 1.17, 1.2, 1.18]),
            measure("kernel threads", "", "less", [n + 1] * 5, [1] * 5, "better"),
            measure("resident memory", "KB", "less", [2100 + 34 * n + i for i in range(5)], [6100 + 9 * n - i for i in range(5)],
                    "better")]


def report(**others):
    machine = {"processor": "Some Processor @ 3.00GHz", "cores": 2, "memory_kb": 8150000, "kernel": "6.1.0", "libc": "glibc 2.36"}
    return {"grove": "0.1.0", "version": 1, "machine": machine, "command": ["server", "-p", "8080"],
            "load": "wrk -c100 http://127.0.0.1:8080/", "runs": 5, "differences": [], "measures": usual(),
            "reading": ["grove is faster."], "sweep": None,
            "syscalls": {"bare": {"read": 31236, "futex": 5}, "grove": {"read": 3, "recvfrom": 10540}},
            "syscall_requests": {"bare": 31039, "grove": 10378}, **others}


ODD = ["</title><script>fetch('http://example.invalid/')</script>", "\udcff\udc80", "\ud800", "a\x00b\x1b[31mc\x7f",
       "\u202egnp.exe", "x" * 300, "\"quoted\" 'too' & &amp; ]]> -->", "<img src=http://example.invalid/ onerror=alert(1)>",
       "汉字 ελληνικά 😀", "\n\ttwo\nlines\ufffe", ""]


def odd_words():
    betters = ["more", "less", None] * 4
    machine = {word or "k": word for word in ODD}
    machine |= {"list": [1, {"a": ODD[0]}], "processor": ODD[5], "kernel": ODD[0], "libc": ODD[6]}
    return report(command=["./" + word for word in ODD], load=" ".join(ODD), reading=ODD, machine=machine, grove=ODD[0],
                  differences=[{"what": word, "bare": word, "grove": word} for word in ODD],
                  measures=[measure(word, word, better, [1, 2, 3], [1.5, 2.5, 3.5], word) for word, better in zip(ODD, betters)],
                  syscalls={"bare": {word: 3 for word in ODD}, "grove": {word: 4 for word in ODD[3:]}},
                  syscall_requests={"bare": None, "grove": 7})


NAN, INF = math.nan, math.inf


def odd_numbers():
    one, no = ["one pair only"], ["one side only"]
    return report(runs=1, measures=[
        measure("zeros", "", "less", [0, 0, 0], [0, 0, 0], ratios=[None] * 3),
        measure("bare is zero", "", None, [0, 0.0], [3, 4], ratios=[None, None]),
        measure("grove is zero", "", "less", [318, 305], [0, 0], "better"), measure("one pair", "s", "less", [1.5], [1.25], *one),
        measure("no pair", "s", "more", [], [], *no), measure("bare only", "s", "more", [3, 4], [], *no),
        measure("lost", "ms", "less", [None, NAN, 3], [1, INF, -INF], ratios=[None, NAN, INF]),
        measure("negative", "ms", "less", [-3, 2.5, -1], [1, -2, 4], ratios=[-1 / 3, -0.8, -4]),
        measure("huge", "bytes", "more", [1e300, 12345678901234567, 10**400], [1e9, 9876543210987, 1], ratios=[1e-291, 8e-4, 0]),
        measure("tiny", "s", "less", [5e-324, 1e-12, 2e-9], [1e-9, 1e-12, 3e-300], ratios=[1e300, 1, 1.5e-291]),
        measure("all the same", "", "less", [7, 7, 7], [7, 7, 7], "same"),
        measure("one of them", "", "less", [7, 8], [7, 6, 5, 4], ratios=[1, 0.75]),
        measure("far apart", "", None, [1, 1e6, 1e12], [1e12, 1, 1e6], ratios=[1e12, 1e-6, 1e-6])],
        syscalls={"bare": {"read": 0, "write": 10 ** 12}, "grove": {"futex": 1, "write": 0}})


def many_pairs():
    return report(runs=100, measures=[measure("throughput", "requests/s", "more", [40000 + 37 * i % 991 for i in range(100)],
                                              [40000 + 53 * i % 1361 for i in range(100)])])


def swept(*counts, failed=None, lost=()):
    def point(n):
        measures = [m for m in usual(n) if n not in lost]
        fell = {"bare": (failed or {}).get(("bare", n)), "grove": (failed or {}).get(("grove", n))}
        for m in measures:
            for side in ("bare", "grove"):
                if fell[side]:
                    m[side], m["ratio"], m["median"][side], m["median"]["ratio"] = [], [], None, None
        different = [{"what": "exit status", "bare": "0", "grove": "1"}] if fell["grove"] and fell["bare"] else []
        return {"n": n, "measures": measures, "differences": different, "failed": fell}
    return report(measures=[], sweep=[point(n) for n in counts], load="wrk -c{N} http://127.0.0.1:8080/")


def bench_results():
    """What bench/run finds, with what is rare in it."""
    def bench(name, unit, sides, **others):
        limit = next(iter(sides))
        ratios = {side: [f / b for f, b in zip(figures, sides[limit])] for side, figures in sides.items()}
        goal = {"what": f"{name}: grove/hand", "of": "", "limit": 1.3, "least": False, "unit": "", "median": 1.24, "met": True}
        goals = [goal, {**goal, "met": False}, {**goal, "median": None}]
        return {"name": name, "what": f"what {name} does " * 12, "limit": limit, "unit": unit, "most": False, "sides": sides,
                "ratios": ratios, "missing": {}, "failed": {}, "goals": goals, **others}

    far = {"hand": [5.5, 5.6, 5.4], "grove": [6.1, 6.3, 6.0], "api": [5.9] * 3, "threads": [3e3, 2.9e3, 4e3], "slow": [1e9] * 3}
    near = {"epoll": [5400, 5500], "grove": [5500, 5600], "libev": [5450, 5300]}
    machine = {"processor": "Some Processor", "cores": 2, "virtual": True, "memory GB": 7.8, "peers": {"Go": "1.19"}}
    return {"machine": machine, "benches": [
        bench("far", "ns of CPU", far), bench("near", "ns of server CPU per request", near, most=True),
        bench("none", "ms", {"hand": []}),
        bench("odd", "KB", near, missing={word or "k": word for word in ODD}, failed={"go": ODD[0]})]}


def reports():
    return {
        "usual": report(),
        "different": report(differences=[{"what": "exit status", "bare": "0", "grove": "killed by SIGSEGV"}]),
        "odd words": odd_words(),
        "odd numbers": odd_numbers(),
        "many pairs": many_pairs(),
        "nothing": report(measures=[], reading=[], load=None, runs=0),
        "sweep": swept(1, 10, 100, 1000, 10000, failed={("bare", 10000): "10000 connections failed"}),
        "sweep, both fall": swept(3, 30, 1000, failed={("bare", 1000): "a", ("grove", 1000): "b"}, lost=(3,)),
        "sweep, grove falls": swept(1, 100, failed={("grove", 100): "connections were refused"}),
        "sweep of one": swept(7),
        "sweep of many": swept(*range(1, 1500, 97)),
    }
