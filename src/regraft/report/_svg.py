"""Small pieces of SVG. Lengths along x may be percentages, so that text keeps its size at every width."""

import math
from dataclasses import dataclass
from html import escape

STYLE = """
:root{--paper:#fdfdfb;--card:#f5f4f0;--ink:#1d1d1b;--soft:#67665f;--rule:#e3e1da;--band:#ecebe4;--transfer:#2459c9;
--helps:#17764a;--hurts:#b4372a;--undecided:#8a6408;--c0:#2459c9;--c1:#c2541d;--c2:#17764a;--c3:#983cab;--c4:#95700a;
--c5:#0c7b90;--c6:#c42f68;--c7:#5a6820;--c8:#6650d2;--c9:#7a4b2c}
@media (prefers-color-scheme:dark){:root{--paper:#161614;--card:#1f1f1c;--ink:#ecebe6;--soft:#a5a39a;--rule:#35342f;
--band:#2a2925;--transfer:#82aaff;--helps:#5fcb94;--hurts:#f38d7f;--undecided:#e2b552;--c0:#82aaff;--c1:#f29d6d;
--c2:#63c994;--c3:#d892e8;--c4:#dfb95d;--c5:#60c8dc;--c6:#f78db4;--c7:#b0c168;--c8:#ada0ff;--c9:#cda180}}
@media print{:root{color-scheme:light}}
svg{color:var(--ink);font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
svg text{fill:var(--ink);font-variant-numeric:tabular-nums}svg text.soft{fill:var(--soft);font-size:12px}
svg text.big{font-size:21px;font-weight:650}svg text.halo{paint-order:stroke;stroke:var(--card);stroke-width:4px}
svg text.on{fill:var(--paper)}
.rule{stroke:var(--rule);fill:none}.axis{stroke:var(--ink);fill:none}.band{fill:var(--band)}
.transfer{color:var(--transfer)}.scratch,.soft{color:var(--soft)}
.helps{color:var(--helps)}.hurts{color:var(--hurts)}.undecided{color:var(--undecided)}
svg .line{stroke:currentColor;fill:none}svg .full{fill:currentColor;stroke:currentColor}
svg .hollow{fill:var(--paper);stroke:currentColor;stroke-width:2}svg .glyph{fill:currentColor}
"""
"""Colours and strokes of the figures, light and dark; also the report's own colours."""

_SHAPES = {  # marks differ in shape, so that they can be told apart without colour
    "circle": "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z",
    "square": "M-4.6-4.6h9.2v9.2h-9.2z",
    "diamond": "M0-8.2L8.2 0L0 8.2L-8.2 0z",
    "cross": "M-4-4L4 4M-4 4L4-4",
}


def number(value: float) -> str:
    """A coordinate with two decimals at most."""
    return f"{round(value, 2) + 0.0:g}" if abs(value) < 1e4 else f"{value:.0f}"


def tag(name: str, *children: str, **attributes: str | float) -> str:
    """An element. ``children`` are SVG already; the values of ``attributes`` are escaped."""
    pairs = ((key.strip("_").replace("_", "-"), value) for key, value in attributes.items())
    inside = "".join(f' {k}="{escape(v if isinstance(v, str) else number(v))}"' for k, v in pairs)
    return f"<{name}{inside}>{''.join(children)}</{name}>" if children else f"<{name}{inside}/>"


def text(content: str, x: str | float, y: float, kind: str = "", anchor: str = "start") -> str:
    """A line of text; ``kind``: ``soft``, ``big`` or several such words."""
    return tag("text", escape(content), x=x, y=y, class_=kind or "plain", text_anchor=anchor)


def mark(shape: str, x: str | float, y: float, kind: str) -> str:
    """A ``circle``, ``square``, ``diamond`` or ``cross`` centred at (x, y)."""
    stroke = {"stroke_width": 2} if shape == "cross" else {}
    return tag("svg", tag("path", d=_SHAPES[shape], class_=kind, **stroke), x=x, y=y, overflow="visible")


def line(x: tuple[str | float, str | float], y: tuple[float, float], kind: str, width: float = 1) -> str:
    """A straight line from (x[0], y[0]) to (x[1], y[1])."""
    return tag("line", x1=x[0], x2=x[1], y1=y[0], y2=y[1], class_=kind, stroke_width=width, stroke_linecap="round")


@dataclass(frozen=True)
class Scale:
    """From values between ``low`` and ``high`` to a share of the width between ``left`` and ``right`` percent."""

    low: float
    high: float
    left: float = 0.0
    right: float = 100.0

    def share(self, value: float) -> float:
        """Where the value is, in percent."""
        span = self.high - self.low
        return self.left + (self.right - self.left) * ((value - self.low) / span if span else 0.5)

    def __call__(self, value: float) -> str:
        return f"{number(self.share(value))}%"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, about ``count`` of them."""
    raw = max(high - low, 1e-9) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * unit for unit in (1, 2, 2.5, 5, 10) if power * unit >= raw * (1 - 1e-9))
    first = int(-(-low // step))
    return [round(step * i, 10) + 0.0 for i in range(first, first + 2 * count + 8) if step * i <= high + 1e-9]


@dataclass(frozen=True)
class Figure:
    """A drawing of fixed height and any width (``box`` None), or of a fixed shape ``box`` (width, height)."""

    body: str
    label: str
    height: float
    box: tuple[float, float] | None = None

    def inline(self) -> str:
        """For an HTML page that has ``STYLE``."""
        if self.box:
            size = f'viewBox="0 0 {number(self.box[0])} {number(self.box[1])}"'
        else:
            size = f'width="100%" height="{number(self.height)}"'
        return f'<svg role="img" aria-label="{escape(self.label)}" {size}>{self.body}</svg>'

    def file(self, width: float = 720) -> str:
        """A file of its own."""
        wide, high = self.box or (width, self.height)
        size = f'width="{number(wide)}" height="{number(high)}" viewBox="0 0 {number(wide)} {number(high)}"'
        ground = '<rect width="100%" height="100%" fill="var(--paper)"/>'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(self.label)}" {size}>'
        return f"{head}<style>{STYLE}</style>{ground}{self.body}</svg>\n"
