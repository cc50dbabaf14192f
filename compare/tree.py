"""What the processes of a program look like from outside: who they are, their threads and memory, what they listen on."""
import os
import re
import time
from pathlib import Path

STACK_KB = 16           # of each kernel thread, on x86-64 (THREAD_SIZE)
FIRST, USUAL = 1, 50    # ms between two looks: short programs are looked at more often
SHARE = 0.02            # of a processor, for what is dear: all of /proc, and smaps_rollup, which walks page tables
FIELDS = re.compile(r"^(VmRSS|VmPTE|Threads):\s+(\d+)", re.M)


def text(path):
    """A file of /proc, or "": processes come and go."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def all_parents():
    """{pid: its parent}"""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = text(f"/proc/{name}/stat").rpartition(")")[2].split()
            if len(fields) > 1:
                parents[int(name)] = int(fields[1])
    return parents


def descendants(root, parents):
    children = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found, left = set(), [root]
    while left:
        for pid in children.get(left.pop(), []):
            found.add(pid)
            left.append(pid)
    return found


class Dear:
    """Something that takes long: it is due only so often that it takes SHARE of a processor's time, but once in a second."""

    def __init__(self):
        self.began = self.next = 0.0

    def due(self):
        self.began = time.process_time()
        return time.monotonic() >= self.next

    def done(self):
        self.next = time.monotonic() + min(1.0, (time.process_time() - self.began) / SHARE)


class Tree:
    """The descendants of @root, which is a subreaper; @clock counts milliseconds."""

    def __init__(self, root, clock):
        self.root, self.clock = root, clock
        self.members = set()
        self.scan, self.maps = Dear(), Dear()
        self.interval, self.next = FIRST, 0
        self.peaks = {"threads": None, "rss": None, "pss": None, "stacks": None, "tables": None}
        self.looks = 0

    def find(self, thoroughly=False):
        """Children of main threads are found at each look, those of other threads at a scan of all processes."""
        if self.scan.due() or thoroughly:
            self.members = descendants(self.root, all_parents())
            self.scan.done()
        else:
            for pid in [self.root, *self.members]:
                self.members.update(map(int, text(f"/proc/{pid}/task/{pid}/children").split()))
        return self.members

    def look(self, thoroughly=False):
        """Notes what is there; returns when it wants to be called again."""
        if self.clock() < self.next and not thoroughly:
            return self.next
        self.find(thoroughly)
        sums = {"threads": 0, "rss": 0, "tables": 0}
        for pid in list(self.members):
            fields = dict(FIELDS.findall(text(f"/proc/{pid}/status")))
            if "VmRSS" not in fields:           # a zombie, or gone
                self.members.discard(pid)
                continue
            for ours, theirs in (("threads", "Threads"), ("rss", "VmRSS"), ("tables", "VmPTE")):
                sums[ours] += int(fields.get(theirs, 0))
        if self.members:
            self.looks += 1
            self.note(**sums, stacks=sums["threads"] * STACK_KB)
            if self.maps.due() or thoroughly:
                self.proportional()
        self.interval = min(USUAL, self.interval * 2)
        self.next = self.clock() + self.interval
        return self.next

    def note(self, **values):
        for name, value in values.items():
            self.peaks[name] = value if self.peaks[name] is None else max(self.peaks[name], value)

    def proportional(self):
        kb = 0
        for pid in self.members:
            found = re.search(r"^Pss:\s+(\d+)", text(f"/proc/{pid}/smaps_rollup"), re.M)
            if not found:
                return                          # a process of another user, or one that has just ended
            kb += int(found[1])
        self.maps.done()
        self.note(pss=kb)

    def cpu(self):
        """Seconds of processor time of those who are there, by the clocks that clock_getcpuclockid(3) names."""
        seconds = 0.0
        for pid in self.members:
            try:
                seconds += time.clock_gettime(~pid << 3 | 2)
            except OSError:
                pass
        return seconds

    def under_grove(self):
        """{name of a program: whether its processes have grove in them}.  One in which not even libc is mapped has just begun,
        unless it has no dynamic linker either."""
        seen = {}
        for pid in self.members:
            maps, name = text(f"/proc/{pid}/maps"), text(f"/proc/{pid}/comm").strip()
            if name not in ("keep", "grove", "strace") and maps and ("/libc.so" in maps or "/ld-" not in maps):
                seen[name] = seen.get(name, True) and "/libgrove-shim.so" in maps
        return seen

    def sockets(self):
        """The numbers of sockets that are open in it, or None where we may not look."""
        found = set()
        for pid in self.members:
            folder = Path(f"/proc/{pid}/fd")
            try:
                links = [os.readlink(folder / fd) for fd in os.listdir(folder)]
            except PermissionError:
                return None
            except OSError:
                continue
            found.update(link[8:-1] for link in links if link.startswith("socket:["))
        return found

    def listeners(self):
        """Of (kind, port or path): the stream sockets it listens on, and datagram sockets that it has bound."""
        ours, found = self.sockets(), set()
        for pid in self.members:
            for kind, where, inode in listening(f"/proc/{pid}/net"):
                if ours is None or inode in ours:
                    found.add((kind, where))
            if found:
                break
        return found


def listening(net):
    """(kind, port or path, inode) of all listeners that the folder @net of /proc tells."""
    for kind, states in (("tcp", ["0A"]), ("tcp6", ["0A"]), ("udp", ["07"]), ("udp6", ["07"])):
        for line in text(f"{net}/{kind}").splitlines()[1:]:
            fields = line.split()
            if fields[3] in states:
                yield kind[:3], int(fields[1].rpartition(":")[2], 16), fields[9]
    for line in text(f"{net}/unix").splitlines()[1:]:
        fields = line.split(None, 7)
        if len(fields) > 7 and int(fields[3], 16) & 0x10000:
            yield "unix", fields[7], fields[6]


def lingering(ports):
    """Connections in TIME_WAIT that keep a server without SO_REUSEADDR from binding one of @ports."""
    for kind in ("tcp", "tcp6"):
        for line in text(f"/proc/net/{kind}").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "06" and int(fields[1].rpartition(":")[2], 16) in ports:
                return True
    return False
