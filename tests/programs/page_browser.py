"""page_browser.py - a headless browser and what it shows: pages in frames, looked at by page_look.js, and pictures of pages"""
import base64
import collections
import html
import json
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

LOOK = Path(__file__).with_name("page_look.js")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
           "--disable-background-networking", "--disable-sync", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND",
           "--force-device-scale-factor=1", "--enable-logging=stderr", "--log-level=0", "--virtual-time-budget=5000"]
FRAME = '<iframe style="width: {}px; height: 600px; border: 0" srcdoc="{}"></iframe>\n'
FRAMES = """<!DOCTYPE html>
<meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>frames</title>
<body>{}<script>{}</script>
"""


def browse(browser, url, *options):
    """The browser's standard output, and what pages complained of.  It is not what is tested: it may fail once."""
    for _ in range(2):
        with tempfile.TemporaryDirectory(dir=".", ignore_cleanup_errors=True) as profile:
            own = f"--user-data-dir={Path(profile).resolve()}"
            done = subprocess.run(["timeout", "-s", "KILL", "60", browser, *OPTIONS, own, *options, url],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
        said = done.stderr.decode(errors="replace")
        if done.returncode == 0:
            return done.stdout.decode(errors="replace"), [line for line in said.splitlines() if "CONSOLE" in line]
    sys.exit(f"{browser} ended with status {done.returncode}: {said[-2000:]}")


def look(browser, frames, *options):
    """@frames: of (page, width).  What page_look.js says of each, and what went to the console."""
    inner = "".join(FRAME.format(width, html.escape(markup)) for markup, width in frames)
    Path("frames.html").write_text(FRAMES.format(inner, LOOK.read_text(encoding="utf-8")), encoding="utf-8")
    said, console = browse(browser, Path("frames.html").resolve().as_uri(), "--window-size=1240,800", "--dump-dom", *options)
    found = re.search(r"LOOKED([A-Za-z0-9+/=]*)LOOKED", said)
    if not found:
        sys.exit(f"the browser did not look: {said[:500]} {console}")
    seen = json.loads(base64.b64decode(found[1]))
    if isinstance(seen, str):
        sys.exit(f"page_look.js failed: {seen}")
    return seen, console


def picture(browser, markup, size, *options):
    """A picture of the page as rows of pixels."""
    Path("shown.html").write_text(markup, encoding="utf-8")
    shot = Path("shown.png").resolve()
    _, console = browse(browser, Path("shown.html").resolve().as_uri(), f"--window-size={size[0]},{size[1]}",
                        f"--screenshot={shot}", *options)
    return pixels(shot.read_bytes()), console


def pixels(data):
    """The rows of a PNG file of 8 bits a channel, as lists of (red, green, blue)."""
    place, packed, head = 8, b"", None
    while place < len(data):
        size, kind = struct.unpack(">I4s", data[place:place + 8])
        if kind == b"IHDR":
            head = struct.unpack(">IIBBBBB", data[place + 8:place + 8 + size])
        elif kind == b"IDAT":
            packed += data[place + 8:place + 8 + size]
        place += size + 12
    wide, high, depth, colours, _, _, interlaced = head
    if depth != 8 or colours not in (2, 6) or interlaced:
        sys.exit(f"a PNG file of a kind that this test cannot read: {head}")
    each, raw = {2: 3, 6: 4}[colours], zlib.decompress(packed)
    rows, above = [], bytearray(wide * each)
    for y in range(high):
        start = y * (wide * each + 1)
        above = unfilter(raw[start], bytearray(raw[start + 1:start + 1 + wide * each]), above, each)
        rows.append([tuple(above[x:x + 3]) for x in range(0, wide * each, each)])
    return rows


def unfilter(kind, line, above, each):
    """One line of PNG: its bytes from what was stored (PNG specification, 9.2)."""
    for i in range(len(line) if kind else 0):
        left, up, corner = line[i - each] if i >= each else 0, above[i], above[i - each] if i >= each else 0
        if kind == 4:
            guess = min((abs(up - corner), 0, left), (abs(left - corner), 1, up), (abs(left + up - 2 * corner), 2, corner))[2]
        else:
            guess = {1: left, 2: up, 3: (left + up) // 2}[kind]
        line[i] = (line[i] + guess) & 255
    return line


def blank(rows, paper, ink):
    """What speaks against its being drawn: @ink is a colour that it must have."""
    colours = collections.Counter(colour for row in rows for colour in row)
    drawn = 1 - colours[paper] / sum(colours.values())
    if rows[0][0] != paper:
        return f"the corner is {rows[0][0]}, not {paper}"
    if drawn < 0.02 or len(colours) < 30:
        return f"blank: {drawn:.2%} drawn on, in {len(colours)} colours"
    return "" if colours[ink] > 30 else f"the colour {ink} is not there"
