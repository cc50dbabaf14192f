"""machine.py - what the figures were measured on: written beside them, so that nobody takes them for those of another machine"""
import os
import platform
import re
import subprocess
from pathlib import Path

from suite.programs import CORES, TOP

PACKAGES = {"State Threads": "libst1", "GNU Pth": "libpth20", "Boost": "libboost-context-dev", "Go": "golang-go",
            "gevent": "python3-gevent", "libev": "libev4", "liburing": "liburing-dev", "CPython": "python3", "wrk": "wrk",
            "hackbench": "rt-tests", "sysbench": "sysbench"}


def field(path, name):
    found = re.search(rf"^{name}\s*:\s*(.+)$", Path(path).read_text(encoding="utf-8"), re.M)
    return found[1].strip() if found else ""


def told_by(*command):
    """What it prints; nothing where it is not installed, or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def version_of(package):
    """That of the Debian package, without the part that is Debian's; empty where it is not installed."""
    status, _, version = told_by("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package).partition(" ")
    return re.sub(r"^\d+:|[-~+].*$", "", version) if status == "installed" else ""


def system():
    try:
        return re.search(r'^PRETTY_NAME="?([^"\n]+)', Path("/etc/os-release").read_text(encoding="utf-8"), re.M)[1]
    except (OSError, TypeError):
        return platform.system()


def grove_version():
    commit = told_by("git", "-C", str(TOP), "rev-parse", "--short", "HEAD")
    header = (TOP / "include/grove/version.h").read_text(encoding="utf-8")
    return re.search(r'GROVE_VERSION\s+"(.*)"', header)[1] + (f" ({commit})" if commit else "")


def machine():
    """{name: text or number}"""
    flags = field("/proc/cpuinfo", "flags").split()
    versions = {name: version_of(package) for name, package in PACKAGES.items()}
    return {"processor": field("/proc/cpuinfo", "model name"), "cores": os.cpu_count(), "cores used": len(CORES),
            "virtual": "hypervisor" in flags, "FSGSBASE": "fsgsbase" in flags,
            "memory GB": round(int(field("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
            "kernel": re.match(r"[\d.]*\d", platform.release())[0], "libc": " ".join(platform.libc_ver()), "system": system(),
            "load": os.getloadavg()[0], "grove": grove_version(),
            "peers": {name: version for name, version in versions.items() if version}}
