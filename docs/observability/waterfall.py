"""One trace as a waterfall, in SVG: nothing but the spans an agent received and the page's deadline.

The card has its own white ground, so it reads the same in a light and a dark theme. What a bar means never hangs on its
colour alone: late is hatched and ends in a cross, ok is plain, the page is an outline, the wait for admission has a diamond.
"""

from html import escape

WIDTH, LEFT, RIGHT, TOP, ROW, BAR = 990, 402, 806, 136, 46, 20
INK, SOFT, LINE = "#1f2328", "#59636e", "#d1d9e0"
# Okabe and Ito's colours, which people who see few colours tell apart.
BLUE, ORANGE, PURPLE, AMBER, GREY = "#0072B2", "#D55E00", "#8A4F7D", "#E69F00", "#818b98"
FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"

DEFINITIONS = f"""<defs>
<pattern id="late" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="8" height="8" fill="{ORANGE}"/><rect width="3" height="8" fill="#fff" fill-opacity=".45"/></pattern>
<pattern id="reserve" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)"><rect width="5" height="5" fill="{AMBER}" fill-opacity=".25"/><rect width="1.5" height="5" fill="{AMBER}"/></pattern>
</defs>"""


def milliseconds(text: str) -> float:
    """A duration as `/config` shows it."""
    for unit, factor in (("ms", 1), ("us", 1e-3), ("s", 1e3)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(text)


def words(x: float, y: float, text: str, size: float = 13, fill: str = INK, **more: str) -> str:
    rest = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in more.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}"{rest}>{escape(text)}</text>'


def box(x: float, y: float, width: float, height: float, fill: str, **more: str) -> str:
    rest = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in more.items())
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"{rest}/>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float = 1) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{stroke}" stroke-width="{width}" fill="none"/>'


def cross(x: float, y: float) -> str:
    return f'<path d="M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10" stroke="{INK}" stroke-width="2.4" fill="none"/>'


def diamond(x: float, y: float) -> str:
    return f'<path d="M{x:.1f} {y - 10:.1f}l9 10l-9 10l-9 -10z" fill="{PURPLE}" stroke="#fff" stroke-width="1.5"/>'


def bar(of: str, x: float, y: float, width: float) -> str:
    """The mark of a span: `page`, `admission`, or a call by its outcome."""
    top, width = y - BAR / 2, max(width, 2)
    match of:
        case "page":
            return box(x, top, width, BAR, "#eef1f4", stroke=INK, stroke_width="1.4", rx="2")
        case "admission":
            return box(x, top, width, BAR, PURPLE, rx="1") + diamond(x + width / 2, y)
        case "ok" | "assemble":
            return box(x, top, width, BAR, BLUE, rx="2")
        case "late":
            return box(x, top, width, BAR, "url(#late)", stroke=ORANGE, stroke_width="1.4", rx="2") + cross(x + width, y)
        case _:
            return box(x, top, width, BAR, "#fff", stroke=GREY, stroke_width="1.6", stroke_dasharray="4 3", rx="2")


def kind_of(span: dict) -> str:
    if span["name"] == "http.server.request":
        return "page"
    if span["name"] == "gateway.internal":
        return span["resource"]
    return span["meta"]["gateway.outcome"]


def about(span: dict) -> str:
    """The small print under a span's resource."""
    meta = span["meta"]
    said = [meta["span.kind"]]
    if "gateway.part.required" in meta:
        said.append("required" if meta["gateway.part.required"] == "true" else "optional")
    if "http.status_code" in meta:
        said.append(f"HTTP {meta['http.status_code']}")
    if "error.type" in meta:
        said.append(f"error.type {meta['error.type']}")
    return " · ".join(said)


def rows(trace: list[dict], at) -> list[str]:
    began = trace[0]["start"]
    drawn = []
    for nth, span in enumerate(trace):
        y = TOP + ROW * nth + ROW / 2
        start, took = (span["start"] - began) / 1e6, span["duration"] / 1e6
        outcome = span["meta"].get("gateway.outcome", "")
        weight = "700" if span["error"] else "400"
        indent = 0 if nth == 0 else 14
        drawn += [
            line(24, y + ROW / 2, WIDTH - 24, y + ROW / 2, LINE, 0.6),
            words(36 + indent, y - 3, span["resource"], font_weight="600"),
            words(36 + indent, y + 14, about(span), 11.5, SOFT),
            bar(kind_of(span), at(start), y, at(start + took) - at(start)),
            words(RIGHT + 82, y + 4, f"{took:.2f} ms", text_anchor="end", font_weight=weight),
            words(RIGHT + 94, y + 4, outcome, font_weight=weight),
        ]
    return drawn


def ground(trace: list[dict], at, deadline: float, reserve: float, bottom: float) -> list[str]:
    """The axis, the deadline and the reserve; bars come on top."""
    drawn = [box(at(deadline - reserve), TOP, at(deadline) - at(deadline - reserve), bottom - TOP, "url(#reserve)")]
    step = 50 if deadline <= 400 else 100 if deadline <= 1000 else deadline / 5
    tick = 0.0
    while tick <= deadline:
        drawn.append(line(at(tick), TOP, at(tick), bottom + 5, LINE))
        drawn.append(words(at(tick), bottom + 19, f"{tick:.0f}", 12, SOFT, text_anchor="middle"))
        tick += step
    calls_end = at(deadline - reserve)
    drawn += [
        words(LEFT - 14, bottom + 19, "ms since the request came", 12, SOFT, text_anchor="end"),
        line(at(deadline), TOP - 20, at(deadline), bottom + 5, INK, 2),
        words(at(deadline) + 6, TOP - 10, f"deadline {deadline:.0f} ms", font_weight="600"),
        line(calls_end, TOP - 14, calls_end, TOP, AMBER, 1.5),
        words(calls_end - 6, TOP - 10, f"calls end here: reserve {reserve:.0f} ms", text_anchor="end"),
    ]
    return drawn


def legend(y: float) -> list[str]:
    drawn, x = [], 36.0
    for of, label in (
        ("page", "the page"),
        ("admission", "wait for admission"),
        ("ok", "call, ok"),
        ("late", "call, late: an error"),
    ):
        drawn.append(bar(of, x + (8 if of == "admission" else 0), y, 2 if of == "admission" else 30))
        x += 26 if of == "admission" else 44
        drawn.append(words(x, y + 4, label))
        x += 7.4 * len(label) + 30
    drawn.append(box(x, y - BAR / 2, 30, BAR, "url(#reserve)"))
    drawn.append(words(x + 40, y + 4, "reserve for answering"))
    return drawn


def draw(trace: list[dict], page: dict) -> str:
    """`trace` as the agent shows it, its first span the page's; `page` as `/config` shows it."""
    deadline, reserve = milliseconds(page["deadline"]), milliseconds(page["reserve"])
    longest = max(deadline * 1.02, max(s["start"] + s["duration"] - trace[0]["start"] for s in trace) / 1e6)

    def at(ms: float) -> float:
        return LEFT + (RIGHT - LEFT) * ms / longest

    root, bottom = trace[0], TOP + ROW * len(trace)
    meta, height = root["meta"], bottom + 84
    trace_id = f"{meta['_dd.p.tid']}{root['trace_id']:016x}"
    head = f"{root['resource']} · {meta['gateway.outcome']}, HTTP {meta['http.status_code']}"
    told = f"{root['service']} · env {meta['env']} · version {meta['version']} · kept because: {meta['gateway.kept_because']}"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="{escape(FONT)}" role="img" aria-labelledby="title what">',
        f'<title id="title">{escape(head)}: trace {trace_id}</title>',
        f'<desc id="what">{escape(described(trace, deadline))}</desc>',
        DEFINITIONS,
        box(0.5, 0.5, WIDTH - 1, height - 1, "#fff", stroke=LINE, rx="8"),
        words(36, 40, head, 18, font_weight="700"),
        words(36, 64, f"trace {trace_id}", 13, font_family="ui-monospace, 'Liberation Mono', Menlo, monospace"),
        words(36, 86, told, 13, SOFT),
        line(24, TOP, WIDTH - 24, TOP, LINE),
        *ground(trace, at, deadline, reserve, bottom),
        *rows(trace, at),
        *legend(bottom + 52),
        "</svg>",
        "",
    ])


def described(trace: list[dict], deadline: float) -> str:
    began = trace[0]["start"]
    spans = (
        f"{s['resource']} from {(s['start'] - began) / 1e6:.2f} for {s['duration'] / 1e6:.2f} ms"
        f" {s['meta'].get('gateway.outcome', '')}".rstrip()
        for s in trace
    )
    return f"Deadline {deadline:.0f} ms. " + "; ".join(spans) + "."
