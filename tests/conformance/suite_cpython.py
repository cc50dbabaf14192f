"""CPython's own tests of threads, sockets, signals and children: each file bare and under grove, each case compared."""
import os
import tempfile
import xml.etree.ElementTree

from common import HUNG, Result, Skip, in_parallel, run, table

PYTHON = "/usr/bin/python3"
FILES = ["test_threading", "test_thread", "test_threading_local", "test_threadsignals", "test_queue", "test_socket", "test_selectors",
         "test_select", "test_poll", "test_epoll", "test_signal", "test_subprocess"]
QUICK = [name for name in FILES if name not in ("test_signal", "test_socket")]
LIMIT = 300


def unused(name, cases):
    """Some cases have the same name."""
    return name if name not in cases else unused(name + "'", cases)


def once(name, under):
    """What became of each case of a file: a word by its name; an empty one where the file did not end."""
    with tempfile.TemporaryDirectory(prefix="grove-cpython.") as folder:
        report = f"{folder}/report.xml"
        command = [PYTHON, "-m", "test", "--timeout", str(LIMIT - 30), "-i", "*VSOCK*", "--junit-xml", report, name]
        status, said = run(under + command, LIMIT, cwd=folder, env=dict(os.environ, LC_ALL="C.UTF-8", TMPDIR=folder))
        cases = {}
        if os.path.exists(report):
            for case in xml.etree.ElementTree.parse(report).iter("testcase"):
                found = {child.tag for child in case} & {"failure", "error", "skipped"}
                cases[unused(case.get("name"), cases)] = "pass" if not found else min(found)
        return cases, status, said


def one(args):
    """[file, number of cases, not failed bare, the same under grove, {case: difference}]; a skipped case has not failed."""
    name, options = args
    bare, _, _ = once(name, [])
    green, status, said = once(name, [options.grove])
    for _ in range(options.again - 1):      # a busy machine fails a case now and then, also bare: only what stays so counts
        if all(bare.get(case) == green.get(case) for case in bare):
            break
        for cases, under in ((bare, []), (green, [options.grove])):
            cases.update({case: what for case, what in once(name, under)[0].items() if what != "error" and what != "failure"})
    differ = {f"{name} {case}": f"bare: {what}; under grove: {green.get(case, 'not run')}"
              for case, what in bare.items() if green.get(case) != what}
    if differ or not bare:
        print(f"{name}: {'hung' if status == HUNG else f'status {status}'}\n" + "\n".join(said.splitlines()[-30:]))
    passed = [sum(what in ("pass", "skipped") for what in cases.values()) for cases in (bare, green)]
    return [name, len(bare), *passed, differ]


def run_suite(options):
    if not os.path.exists(PYTHON) or run([PYTHON, "-c", "import test.test_threading"], 60)[0] != 0:
        raise Skip("the tests of CPython are not installed (libpython3.11-testsuite)")
    result, rows = Result(), []
    files = [name for name in (QUICK if options.quick else FILES) if options.wanted(name)]
    for name, number, bare, green, differ in in_parallel(min(2, options.jobs), one, [(name, options) for name in files]):
        result.same += number - len(differ)
        result.differ.update(differ)
        if not number:
            result.differ[name] = "the bare run gave no report"
        rows.append([name, number, bare, green, len(differ)])
    rows.append(["all", *(sum(row[i] for row in rows) for i in range(1, 5))])
    result.tables = list(table(["file", "cases", "pass bare", "under grove", "differ"], rows))
    return result
