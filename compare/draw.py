"""
draw.py - what pages and pictures are made of: text that is safe in markup, numbers for people, axes, SVG elements

Owns how a number is written, how a name that may hold anything becomes text, and the colours.  compare/page.py and
bench/picture.py draw with it.
"""
import html
import math
import statistics

# of colours: on light paper, and on dark; style sheets name them var(--paper)
PALETTE = {
    "paper": ("#fdfdfb", "#14181b"), "ink": ("#1b2126", "#e7eaec"), "dim": ("#5a646d", "#a3adb5"),
    "rule": ("#d9dcda", "#3a4249"), "faint": ("#eceeeb", "#252b30"), "shade": ("#eef4f8", "#1b2630"),
    "bare": ("#77808a", "#a5afb8"), "grove": ("#0b7a4b", "#43c58a"), "noise": ("#66707a", "#98a2aa"),
    "better": ("#1663a8", "#6db6f2"), "worse": ("#b8371c", "#ff8f70"), "alarm": ("#fcefeb", "#34201b"),
}
FONT = 'system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif'
NONE = "–"          # where there is no figure
DECADE = (1, 2, 5)
FINE = (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
# of ratios: how far an axis goes to both sides of 1, and its marks above 1
RATIO_AXES = ((1.1, (1.05, 1.1)), (1.25, (1.1, 1.25)), (1.5, (1.25, 1.5)), (2, (1.5, 2)), (4, (2, 4)), (10, (2, 5, 10)))
# what would not be seen, or makes its neighbours look different: marks of direction, separators, joiners
UNSEEN = {0xad, 0x061c, 0xfeff, *range(0x200b, 0x2010), *range(0x2028, 0x202f), *range(0x2060, 0x2070)}


def plain(words):
    """@words as one line; what is not seen or no character becomes \\x1b or \\u202e, a byte that is not UTF-8 \\xff."""
    def one(char):
        code = ord(char)
        if 0xdc80 <= code <= 0xdcff:            # how Python keeps a byte that is not UTF-8
            return f"\\x{code - 0xdc00:02x}"
        if code < 0x20 or 0x7f <= code < 0xa0:
            return {"\n": "\\n", "\t": "\\t"}.get(char, f"\\x{code:02x}")
        if code in UNSEEN or 0xd800 <= code <= 0xdfff or 0xfdd0 <= code <= 0xfdef or code & 0xfffe == 0xfffe:
            return f"\\u{code:04x}"
        return char
    return "".join(map(one, str(words)))


def text(words):
    return html.escape(plain(words))


def tag(name, *content, **attributes):
    """An element; its content is markup already, its attributes are not.  class_ is class, aria_label is aria-label."""
    said = "".join(f' {_attribute(key)}="{text(_brief(value))}"' for key, value in attributes.items() if value is not None)
    return f"<{name}{said}>{''.join(content)}</{name}>"


def _attribute(key):
    return key if key == "viewBox" else key.rstrip("_").replace("_", "-")


def _brief(value):
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def at(x):
    """A place from 0 to 1 as a percentage."""
    return f"{100 * x:.2f}%"


# --- numbers -------------------------------------------------------------------------------------------------------------------

def is_figure(value):
    """Can it be drawn: a number, and not beyond what can be computed with."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and (value == 0 or 1e-280 < abs(value) < 1e280)


def figures(values):
    """Those of @values that are numbers: not None, not NaN, not infinite."""
    return [value for value in values or () if is_figure(value)]


def figure(value):
    """A number as people read it: integers whole, others with four digits that count."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value != value:
        return NONE
    if not is_figure(value):
        return "0" if abs(value) < 1 else "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 1e10 or 0 < size < 1e-4:
        front, exponent = f"{value:.3e}".split("e")
        said = f"{front.rstrip('0').rstrip('.') if float(f'{value:.3e}') == value else front}e{int(exponent)}"
    elif size >= 1000 or value == int(value):
        said = f"{value:,.0f}"
    else:
        said = digits(value, 4)
    return said.replace("-", "−")


def digits(value, count):
    """@count digits that count; zeros at the end only where they are known to be zeros, so 0.02 but 15.00 for 14.997."""
    said = f"{value:.{max(0, count - 1 - math.floor(math.log10(abs(value))))}f}"
    return said.rstrip("0").rstrip(".") if "." in said and float(said) == value else said


def ratio(value):
    """A ratio: three digits that count, and near 1 three decimals."""
    if not is_figure(value) or value <= 0 or not 1e-4 <= value < 999.5:
        return figure(value)
    return digits(value, 4 if 1 <= value < 1.0995 else 3)


def short(value):
    """A number beside an axis: 200, 1.5k, 20M, 0.01."""
    for size, letter in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}" if abs(value) < 1e21 else f"{value:.0e}".replace("e+", "e")
    return f"{value:.4g}"


def middle(values):
    values = figures(values)
    return statistics.median(values) if values else None


# --- axes ----------------------------------------------------------------------------------------------------------------------

class RatioAxis:
    """Logarithmic, with 1 in the middle, and wide enough for @values if any axis is; what lies beyond is off its scale."""
    MARGIN = 0.07

    def __init__(self, values):
        farthest = max((abs(math.log(value)) for value in figures(values) if value > 0), default=0)
        limits = [axis for axis in RATIO_AXES if farthest <= math.log(axis[0]) * 1.0001]
        self.limit, above = limits[0] if limits else RATIO_AXES[-1]
        self.marks = [1 / mark for mark in reversed(above)] + [1] + list(above)

    def place(self, value):
        """From 0 to 1; None where there is no logarithm.  A value beyond the axis is put on its edge."""
        if not is_figure(value) or value <= 0:
            return None
        return max(self.MARGIN, min(1 - self.MARGIN, self.part(math.log(value))))

    def part(self, log):
        """Where a logarithm lies; outside of 0 to 1 if there is no room for it."""
        return 0.5 + (0.5 - self.MARGIN) * log / math.log(self.limit)

    def beyond(self, value):
        """-1 or 1 where the value lies off the scale to that side, else 0."""
        if not is_figure(value) or value <= 0 or abs(math.log(value)) <= math.log(self.limit) * 1.0001:
            return 0
        return 1 if value > 1 else -1


class LogAxis:
    """Logarithmic, for positive values."""
    scale = "logarithmic"

    def __init__(self, values, most_marks=5):
        low, high = math.log10(min(values)), math.log10(max(values))
        room = max(0.04 * (high - low), 0.04)
        self.low, self.high = low - room, high + room
        self.marks = self._marks(most_marks)

    def _marks(self, most):
        for steps in (FINE, (1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), DECADE, (1, 3), (1,)):
            marks = [m * 10.0 ** e for e in range(math.floor(self.low), math.ceil(self.high) + 1) for m in steps]
            marks = [mark for mark in marks if self.low <= math.log10(mark) <= self.high]
            if 2 <= len(marks) <= most:
                return marks
        if len(marks) > most:
            return marks[::math.ceil(len(marks) / most)]
        self.low, self.high = math.floor(self.low), math.ceil(self.high)        # all within one decade: show the whole of it
        return [10.0 ** self.low, 10.0 ** self.high]

    def place(self, value):
        return (math.log10(value) - self.low) / (self.high - self.low)


class LinearAxis:
    """From zero, so that a length is an amount."""
    scale = "from zero"

    def __init__(self, values, most_marks=4):
        low, high = min(0.0, *map(float, values), 0.0), max(0.0, *map(float, values), 0.0)
        span = (high - low) or 1.0
        exponent = math.floor(math.log10(span / most_marks))
        steps = (m * 10.0 ** e for e in (exponent, exponent + 1) for m in DECADE)
        step = next(step for step in steps if span / step <= most_marks * 0.9999)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        last = max(last, first + 1)
        self.low, self.high = first * step, last * step
        self.marks = [mark * step for mark in range(first, last + 1)]

    def place(self, value):
        return (value - self.low) / (self.high - self.low)


def axis_for(values, wide=50):
    """For values of one kind: from zero, or logarithmic where the largest is more than @wide times the smallest."""
    values = figures(values)
    if values and min(values) > 0 and max(values) / min(values) > wide:
        return LogAxis(values, most_marks=4)
    return LinearAxis(values)
