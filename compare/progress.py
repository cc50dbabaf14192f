"""The progress line."""
import os
import sys
import time


class Progress:
    """One line on standard error while it is a terminal: what is running, and how long is left."""

    def __init__(self, total):
        self.total, self.done, self.began = total, 0, time.monotonic()
        self.shown, self.what = sys.stderr.isatty(), ""
        self.words, self.said = "", 0.0
        self.times = []                 # seconds that the runs took which have ended

    def run(self, side, n=None):
        self.began = time.monotonic()
        self.what = ("bare" if side == "bare" else "under grove") + (f", N = {n}" if n is not None else "")

    def ended(self, seconds):
        self.done += 1
        self.times.append(seconds)

    def left(self):
        if not self.times:
            return ""
        each = sum(self.times) / len(self.times)
        seconds = max(0, (self.total - self.done) * each - min(each, time.monotonic() - self.began))
        return f"; about {seconds:.0f} s left" if seconds < 100 else f"; about {seconds / 60:.0f} minutes left"

    def say(self, words):
        """Twice in a second, or when there are other words."""
        if self.shown and (words != self.words or time.monotonic() > self.said + 0.5):
            self.words, self.said = words, time.monotonic()
            line = f"run {min(self.done + 1, self.total)} of {self.total}, {self.what}: {words}{self.left()}"
            sys.stderr.write(f"\r{line[:terminal_width() - 1]}\033[K")
            sys.stderr.flush()

    def clear(self):
        if self.shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def terminal_width():
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80
