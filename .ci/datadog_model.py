"""Evaluates the shipped Datadog monitors on the series of the Prometheus rules' own tests, and holds both to one verdict.

A small model of what Datadog does, as far as the monitors use it: counters arrive as the counts of an interval and a
query with `as_count()` adds up its window before it calculates; everything else is calculated point by point and then
aggregated over the window; percentiles come out of the agent's sketch, with the agent's arithmetic. A monitor that is
in alert must be an alert that fires in `alerts.test.yml` at the same time, and the other way round; what differs on
purpose is in DIFFERENT, with its reason.

Not here: whether Datadog accepts the files (`.ci/dashboards.py`).
"""

import ast
import itertools
import json
import math
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
MONITORS = ROOT / "dashboards/datadog/monitors"
TESTS = ROOT / "dashboards/prometheus/alerts.test.yml"
RULES = ROOT / "dashboards/prometheus/alerts.yml"

# Tests in which Datadog says more, what, and why.
MORE = {
    "a gateway that is short of CPU blames no service": (
        {"ErrorRate", "CallErrors", "Abandoned"},
        "a metric monitor cannot leave out groups of another one: its message says that own-lag comes first",
    ),
}


class Sketch:
    """The agent's DDSketch: bins whose edges grow by GAMMA; one bin spans 1.5625 % of its value.

    opentelemetry-mapping-go and the agent share it: pkg/util/quantile, config.go and sparse.go.
    """

    GAMMA = 1 + 2 / 128
    SMALLEST = 1e-9

    def __init__(self) -> None:
        self.bins: dict[int, float] = {}
        self.low, self.high = math.inf, -math.inf

    @classmethod
    def key(cls, value: float) -> int:
        """The bin of a value; the smallest one is 1, and 0 is zero."""
        if value < cls.SMALLEST:
            return 0
        bias = 1 - math.floor(math.log(cls.SMALLEST) / math.log(cls.GAMMA))
        return round(math.log(value) / math.log(cls.GAMMA)) + bias

    @classmethod
    def lower(cls, key: int) -> float:
        """The value that a bin stands for; it holds values from half a bin below to half a bin above."""
        bias = 1 - math.floor(math.log(cls.SMALLEST) / math.log(cls.GAMMA))
        return 0.0 if key == 0 else cls.GAMMA ** (key - bias)

    def add(self, value: float, count: float) -> None:
        if count > 0:
            key = self.key(value)
            self.bins[key] = self.bins.get(key, 0) + count
            self.low, self.high = min(self.low, value), max(self.high, value)

    def quantile(self, share: float) -> float | None:
        """From the value that the bin of the rank stands for up to the next bin's, by how much of the bin lies below.

        The agent means to end the last bin at the largest value and does not, so that it reads up to 1.6 % too high.
        """
        count = sum(self.bins.values())
        if count == 0:
            return None
        rank, below = round(share * (count - 1)), 0.0
        keys = sorted(self.bins)
        for key in keys:
            below += self.bins[key]
            if below <= rank:
                continue
            weight = (below - rank) / self.bins[key]
            low = self.low if key == keys[0] else self.lower(key)
            return low * weight + self.lower(key) * self.GAMMA * (1 - weight)
        return self.high


class World:
    """The series of one test: by Datadog's metric, a list of (tags, [(minute, value)])."""

    def __init__(self, test: dict, table: dict[str, tuple[str, str]]) -> None:
        self.series: dict[str, list[tuple[dict[str, str], list[tuple[float, float]]]]] = {}
        self.checks: list[tuple[dict[str, str], list[tuple[float, float]]]] = []
        buckets: dict[tuple, dict[float, list]] = {}
        for text, values in test["series"]:
            name, labels = text.rstrip("}").split("{", 1)
            tags = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            points = samples(values, test["step"])
            if name == "up":
                self.sent(tags, points)
                continue
            # Distributions are rebuilt from their buckets; their sums and counts are not asked for.
            if re.search(r"_(count|sum)$", name):
                continue
            edge = tags.pop("le", None)
            metric, kind = table[name.removesuffix("_bucket") if edge else name]
            tags = tagged(tags, kind)
            if edge:
                buckets.setdefault((metric, *sorted(tags.items())), {})[float(edge)] = deltas(points)
            else:
                self.add(metric, tags, deltas(points) if kind == "counter" else points)
        for (metric, *tags), edges in buckets.items():
            self.add(metric, dict(tags), sketches(edges))

    def add(self, metric: str, tags: dict[str, str], points: list) -> None:
        self.series.setdefault(metric, []).append((tags, points))

    def sent(self, tags: dict[str, str], points: list) -> None:
        """A gateway that can be scraped is one that sends."""
        tags = tagged(dict(tags), "gauge")
        self.checks.append((tags, points))
        self.add("gateway.build_info", tags, [(at, 1.0) for at, up in points if up])


def tagged(tags: dict[str, str], kind: str) -> dict[str, str]:
    """Counters and distributions carry no instance; a distribution is told apart by its host."""
    service, _, env = tags.pop("job", "gateway-prod").partition("-")
    instance = tags.pop("instance", "a")
    own = {"service": f"product-{service}", "env": env}
    own |= {"instance": instance} if kind == "gauge" else {}
    own |= {"host": instance} if kind == "histogram" else {}
    return tags | own


def samples(values: str, step: float) -> list[tuple[float, float]]:
    """promtool's notation, as (minute, value)."""
    found: list[float | None] = []
    for token in values.split():
        if token.startswith("_"):
            found += [None] * int(token[2:] or 1)
        elif token == "stale":
            found.append(None)
        else:
            start, grow, times = re.fullmatch(r"(-?[\d.]+)(?:\+([\d.]+))?(?:x(\d+))?", token).groups()
            found += [float(start) + float(grow or 0) * n for n in range(int(times or 0) + 1)]
    return [(n * step, value) for n, value in enumerate(found) if value is not None]


def deltas(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """What the gateway tells DogStatsD: what was added since the last time, and nothing if nothing was."""
    pairs = itertools.pairwise(points)
    grown = [(at, value - before if value >= before else value) for (_, before), (at, value) in pairs]
    return [(at, more) for at, more in grown if more > 0]


def sketches(edges: dict[float, list]) -> list[tuple[float, Sketch]]:
    """Sketches of values that lie evenly in their buckets, as Prometheus takes them to."""
    found: dict[float, Sketch] = {}
    lower, below = 0.0, {}
    for edge, points in sorted(edges.items()):
        upper = edge if edge != math.inf else lower
        for at, count in points:
            sketch = found.setdefault(at, Sketch())
            inside = max(count - below.get(at, 0), 0)
            for part in range(20):
                sketch.add(lower + (upper - lower) * (part + 0.5) / 20, inside / 20)
        lower, below = upper, dict(points)
    return sorted(found.items(), key=lambda point: point[0])


# One query of a metric: `sum:gateway.pages{env:prod AND outcome IN (late,failed)} by {page}.as_count()`.
QUERY = re.compile(r"(\w+):(gateway\.[a-z_.]+)\{([^}]*)\}(?: by \{([^}]*)\})?(\.as_count\(\))?")
MONITOR = re.compile(r"(sum|avg|min|max)\(last_(\d+)([mh])\):(.*) ([<>]) ([\d.]+)")
FUNCTIONS = {
    "is_greater": lambda value, limit: float(value > limit),
    "is_less": lambda value, limit: float(value < limit),
}


class Monitor:
    """A metric monitor, and what it says at one time."""

    def __init__(self, file: pathlib.Path, change=str) -> None:
        self.stem = file.stem
        document = json.loads(file.read_text())
        self.thresholds = document["options"]["thresholds"]
        options = document["options"]
        self.no_data = options["no_data_timeframe"] if options["notify_no_data"] else None
        found = MONITOR.fullmatch(change(document["query"]))
        assert found, f"{file}: not understood: {document['query']}"
        self.over, amount, unit, text, self.compares, critical = found.groups()
        self.window = int(amount) * (60 if unit == "h" else 1)
        self.queries: list[re.Match] = []
        self.tree = ast.parse(QUERY.sub(self.named, text), mode="eval").body
        self.counts = any(query.group(5) for query in self.queries)
        assert float(critical) == self.thresholds["critical"], file

    def named(self, query: re.Match) -> str:
        self.queries.append(query)
        return f"q{len(self.queries) - 1}"

    def levels(self, world: World, now: float) -> set[str]:
        """`critical`, `warning`: what is exceeded in any group, or missing for too long."""
        values = self.evaluate(world, now)
        if not values and self.no_data and now >= self.no_data and not self.has_points(world, now - self.no_data, now):
            return {"critical"}
        return {level for level, limit in self.thresholds.items() for value in values if self.beyond(value, limit)}

    def has_points(self, world: World, since: float, now: float) -> bool:
        return any(since < at <= now for _, points in self.asked(world) for at, _ in points)

    def beyond(self, value: float, limit: float) -> bool:
        return value > limit if self.compares == ">" else value < limit

    def evaluate(self, world: World, now: float) -> list[float]:
        """The value of each group that has one."""
        if self.counts:
            result = self.calculate(self.tree, lambda query, shift: self.added_up(query, world, now - shift))
            return list(result.values())
        times = sorted({at for _, points in self.asked(world) for at, _ in points if now - self.window < at <= now})
        by_group: dict[tuple, list[float]] = {}
        for time in times:
            result = self.calculate(self.tree, lambda query, shift, at=time: self.point(query, world, at - shift))
            for group, value in result.items():
                by_group.setdefault(group, []).append(value)
        aggregate = {"avg": lambda v: sum(v) / len(v), "min": min, "max": max, "sum": sum}[self.over]
        return [aggregate(values) for values in by_group.values()]

    def asked(self, world: World) -> list:
        return [series for query in self.queries for series in selected(query, world)]

    def added_up(self, query: re.Match, world: World, now: float) -> dict:
        groups: dict[tuple, float] = {}
        for tags, points in selected(query, world):
            inside = [value for at, value in points if now - self.window < at <= now]
            if inside:
                group = grouped(query, tags)
                groups[group] = groups.get(group, 0) + sum(inside)
        return groups

    def point(self, query: re.Match, world: World, at: float) -> dict:
        groups: dict[tuple, list] = {}
        for tags, points in selected(query, world):
            groups.setdefault(grouped(query, tags), []).extend(value for when, value in points if when == at)
        how = query.group(1)
        if how.startswith("p"):
            merged = {group: merge(sketches).quantile(int(how[1:]) / 100) for group, sketches in groups.items() if sketches}
            return {group: value for group, value in merged.items() if value is not None}
        aggregate = {"max": max, "min": min, "sum": sum, "avg": lambda v: sum(v) / len(v)}[how]
        return {group: aggregate(values) for group, values in groups.items() if values}

    def calculate(self, node: ast.expr, read, shift: float = 0) -> dict:
        """Group by group; a group that one side lacks has no result, except where `default_zero` gives it one."""
        again = lambda inner: self.calculate(inner, read, shift)
        match node:
            case ast.Constant(value=value):
                return {None: float(value)}
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return {group: -value for group, value in again(inner).items()}
            case ast.Name(id=name):
                return read(self.queries[int(name[1:])], shift)
            case ast.Call(func=ast.Name(id="timeshift"), args=[inner, by]):
                return self.calculate(inner, read, shift - ast.literal_eval(by) / 60)
            case ast.Call(func=ast.Name(id="default_zero"), args=[inner]):
                return Zeros(again(inner))
            case ast.Call(func=ast.Name(id="count_nonzero"), args=[inner]):
                seen = again(inner)
                return {(): float(sum(value != 0 for value in seen.values()))} if seen else {}
            case ast.Call(func=ast.Name(id=name), args=[value, limit]):
                return combine(again(value), again(limit), FUNCTIONS[name])
            case ast.BinOp(left=left, op=op, right=right):
                operators = {
                    ast.Add: lambda a, b: a + b,
                    ast.Sub: lambda a, b: a - b,
                    ast.Mult: lambda a, b: a * b,
                    ast.Div: lambda a, b: a / b if b else math.nan,
                }
                return combine(again(left), again(right), operators[type(op)])
        raise ValueError(f"{self.stem}: not understood: {ast.dump(node)}")


class Zeros(dict):
    """Groups of which those that are not there are zero."""


def combine(left: dict, right: dict, operate) -> dict:
    groups = set(left) | set(right)
    if len(groups) > 1:
        groups.discard(None)
    result = {}
    for group in groups:
        sides = [side.get(group, side.get(None, 0.0 if isinstance(side, Zeros) else math.nan)) for side in (left, right)]
        value = operate(*sides) if not any(map(math.isnan, sides)) else math.nan
        if not math.isnan(value):
            result[group] = value
    return result


def merge(sketches: list[Sketch]) -> Sketch:
    whole = Sketch()
    for sketch in sketches:
        for key, count in sketch.bins.items():
            whole.bins[key] = whole.bins.get(key, 0) + count
        whole.low, whole.high = min(whole.low, sketch.low), max(whole.high, sketch.high)
    return whole


def selected(query: re.Match, world: World) -> list:
    terms = [term for term in query.group(3).split(" AND ") if term != "*"]
    return [(tags, points) for tags, points in world.series.get(query.group(2), []) if all(fits(t, tags) for t in terms)]


def fits(term: str, tags: dict[str, str]) -> bool:
    key, values = term.split(" IN ") if " IN " in term else term.split(":")
    return tags.get(key) in values.strip("()").split(",")


def grouped(query: re.Match, tags: dict[str, str]) -> tuple:
    return tuple(tags.get(key) for key in (query.group(4) or "").split(",") if key)


def table() -> dict[str, tuple[str, str]]:
    """By Prometheus' name: Datadog's, and its kind."""
    built = [ROOT / f"target/{profile}/gateway" for profile in ("release", "debug")]
    binary = os.environ.get("GATEWAY") or next((path for path in built if path.exists()), None)
    assert binary, "no gateway to ask for its metrics: cargo build --release"
    listed = json.loads(subprocess.run([binary, "metrics", "--json"], check=True, capture_output=True).stdout)
    return {metric["prometheus"]: (metric["name"], metric["type"]) for metric in listed["metrics"]}


def read_tests() -> list[dict]:
    """`alerts.test.yml`, in the one style in which it is written."""
    tests: list[dict] = []
    for line in TESTS.read_text().splitlines():
        if found := re.fullmatch(r"  - name: (.*)", line):
            tests.append({"name": found[1], "series": [], "asks": []})
        elif found := re.fullmatch(r"    interval: (\d+)([ms])", line):
            tests[-1]["step"] = int(found[1]) / (60 if found[2] == "s" else 1)
        elif found := re.fullmatch(r"      - \{series: '(.*)', values: '(.*)'\}", line):
            tests[-1]["series"].append(found.groups())
        elif found := re.fullmatch(r"        eval_time: (?:(\d+)h)?(?:(\d+)m)?", line):
            tests[-1]["asks"].append((int(found[1] or 0) * 60 + int(found[2] or 0), set()))
        elif found := re.search(r'alertname="Gateway(\w+)", severity="(\w+)"', line):
            tests[-1]["asks"][-1][1].add(found.groups())
    assert len(tests) > 30 and all(test["asks"] and test["series"] for test in tests), "the tests were not understood"
    return tests


class Cluster:
    """A check that agents make of their gateways: in per cent, how many of them fail it."""

    def __init__(self, file: pathlib.Path) -> None:
        self.stem = file.stem
        document = json.loads(file.read_text())
        self.thresholds = document["options"]["thresholds"]
        found = re.fullmatch(
            r'"http.can_connect".over\(.*"env:(\w+)"\)\.by\("\*"\)\.last\((\d)\)\.pct_by_status\(\)', document["query"]
        )
        assert found, f"{file}: not understood"
        self.env, self.last = found[1], int(found[2])

    def levels(self, world: World, now: float) -> set[str]:
        """One check a minute; the last ones of an instance must all have failed."""
        states = []
        for tags, points in world.checks:
            latest = [up for at, up in points if now - self.last < at <= now]
            if tags["env"] == self.env and latest:
                states.append(not any(latest))
        failing = 100 * sum(states) / len(states) if states else 0
        return {level for level, limit in self.thresholds.items() if failing > limit}


class Composite:
    """Two others, both in alert."""

    def __init__(self, file: pathlib.Path, others: dict[str, Monitor]) -> None:
        self.stem = file.stem
        self.thresholds = {"critical": True}
        names = json.loads(file.read_text())["query"].split(" && ")
        self.parts = [others[name.lower().replace("_", "-")] for name in names]

    def levels(self, world: World, now: float) -> set[str]:
        return {"critical"} if all("critical" in part.levels(world, now) for part in self.parts) else set()


def monitors(change=str) -> list[Monitor | Cluster | Composite]:
    """All that can notify somebody and that a rule says as well: not whether an agent is there.

    `change` is made to their queries: for what must be noticed.
    """
    windows = {file.stem: Monitor(file, change) for file in sorted(MONITORS.glob("windows/*.json"))}
    found = []
    for file in sorted(MONITORS.glob("*.json")):
        match json.loads(file.read_text())["type"]:
            case "query alert":
                found.append(Monitor(file, change))
            case "composite":
                found.append(Composite(file, windows))
            case "service check" if file.stem != "agent-down":
                found.append(Cluster(file))
    assert len(found) > 15, f"only {len(found)} monitors in {MONITORS}"
    return found


def severities() -> dict[str, list[str]]:
    """By an alert's name: `page`, `ticket`, or both."""
    found: dict[str, list[str]] = {}
    for alert, severity in re.findall(r"- alert: Gateway(\w+)\n.*?severity: (\w+)", RULES.read_text(), re.DOTALL):
        found.setdefault(alert, []).append(severity)
    return found


def says(
    monitor: Monitor | Cluster | Composite, rules: dict[str, list[str]], world: World, now: float
) -> set[tuple[str, str]]:
    """Alerts by the names of the rules. Of two thresholds the critical one is the page."""
    name = "".join(word.capitalize() for word in monitor.stem.split("-"))
    of_level = {"critical": "page", "warning": "ticket"}
    both = len(monitor.thresholds) > 1
    assert both or len(rules[name]) == 1, f"{monitor.stem}: one threshold, and rules {rules[name]}"
    return {(name, of_level[level] if both else rules[name][0]) for level in monitor.levels(world, now)}


def compare(change=str) -> list[str]:
    """Where monitors and rules disagree; and monitors that never said anything."""
    problems, rules, names, all_monitors = [], severities(), table(), monitors(change)
    silent = {monitor.stem for monitor in all_monitors}
    for test in read_tests():
        world = World(test, names)
        more = next((more for start, (more, _) in MORE.items() if test["name"].startswith(start)), set())
        for minute, expected in test["asks"]:
            got = {monitor.stem: says(monitor, rules, world, minute) for monitor in all_monitors}
            silent -= {stem for stem, alerts in got.items() if alerts}
            alerts = {alert for said in got.values() for alert in said if alert[0] not in more}
            if alerts != expected:
                problems.append(f"{test['name']}, minute {minute}: monitors {sorted(alerts)}, rules {sorted(expected)}")
    return problems + [f"{stem}: no test sees it in alert" for stem in sorted(silent)]


def check_sketch() -> None:
    """What the agent's percentiles are good for: within one bin, and why none is held against a deadline."""
    sketch = Sketch()
    for tenth in range(1, 1001):
        sketch.add(tenth / 10, 1)
    assert abs(sketch.quantile(0.5) / 50 - 1) < 0.016 and abs(sketch.quantile(0.95) / 95 - 1) < 0.016
    # Pages that a slow service needs: cut off before their deadline of 300 ms, and all answered in time.
    cut_off = Sketch()
    cut_off.add(0.020, 900)
    for tenth in range(100):
        cut_off.add(0.2965 + tenth * 0.00003, 1)
    assert cut_off.high < 0.3 < cut_off.quantile(0.99), "a percentile would do after all"


# Mistakes in monitors that the comparison must notice.
MISTAKES = {
    "no least number of events": lambda query: re.sub(r", (?:99|19)\)", ", 0)", query),
    "shares of all requests": lambda query: query.replace("gateway.pages.owed", "gateway.pages"),
    "the average instance": lambda query: query.replace(",instance}", "}").replace("max:", "avg:"),
    "nothing is not zero": lambda query: query.replace("default_zero(", "("),
    "rates instead of counts": lambda query: query.replace(".as_count()", "").replace("sum(last", "avg(last"),
    "everybody's pages": lambda query: query.replace("service:product-gateway AND env:prod", "*").replace("* AND ", ""),
}


def check_mistakes() -> None:
    for what, mistake in MISTAKES.items():
        try:
            noticed = bool(compare(mistake))
        except AssertionError:
            noticed = True
        assert noticed, f"a mistake is not noticed: {what}"


def main() -> None:
    check_sketch()
    check_mistakes()
    problems = compare()
    print("\n".join(problems) if problems else f"{len(monitors())} monitors say what the alert rules say")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
