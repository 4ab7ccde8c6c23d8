"""The worked example of docs/observability.md, run for real.

    python3 docs/observability/example.py             on the ports of config.toml; writes the waterfall and the outputs
    python3 docs/observability/example.py --check     on free ports; writes nothing, fails when what the document says is not so

Needs the binaries (`cargo build --release --workspace`; `--debug` takes the others) and, the first time, a package index
for Datadog's test agent. Everything it starts it ends, and after a minute it gives up.
"""

import argparse
import json
import pathlib
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree

import check_example
import running
import waterfall

DOCUMENT = running.ROOT / "docs/observability.md"
PICTURE = running.ROOT / "docs/observability/waterfall.svg"
SECONDS = 60
WHOLE, SLOW = 20, 5
PRODUCT = "/product-page/p-1001"
# Breaks lines of JSON, and does nothing else to them.
BROKEN = """sed 's/,"/, "/g' | fold -s -w 118"""
TOXIC = json.dumps({"name": "slow", "type": "latency", "attributes": {"latency": 1500}}, separators=(",", ":"))


class Shell:
    """Runs commands as the document shows them, with the addresses of this run."""

    def __init__(self, real: dict[str, str]) -> None:
        self.real = real
        self.blocks: dict[str, str] = {}

    def show(self, block: str, command: str) -> str:
        """Adds the command and what it printed to a block of the document."""
        run = command
        for shown, real in self.real.items():
            run = run.replace(shown, real)
        done = subprocess.run(["bash", "-c", run], cwd=running.WORK, capture_output=True, text=True, timeout=10)
        assert done.returncode == 0, f"{command}: {done.returncode} {done.stderr}"
        said = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
        self.blocks[block] = f"{self.blocks.get(block, '')}$ {command}\n{said}\n\n"
        return said


def tell(run: running.Running, binaries: pathlib.Path, free: bool) -> dict:
    """The story: whole pages, pricing slowed down, late pages; and all that was said of them."""
    port = running.free_port() if free else 8126
    dogstatsd, datagrams = run.listen_for_datagrams(0 if free else 8125)
    agent = running.start_agent(run, port)
    fakes = running.start_fakes(run, binaries, free)
    pages, admin, log = running.start_gateway(run, binaries, free, fakes, agent, dogstatsd)
    shell = Shell({
        "http://127.0.0.1:8080": pages,
        "http://127.0.0.1:9901": admin,
        "http://127.0.0.1:8474": fakes["control"],
    })

    whole = [running.get(pages + PRODUCT)[0] for _ in range(WHOLE)]
    shell.show("slow", f"curl -s -d '{TOXIC}' http://127.0.0.1:8474/proxies/pricing/toxics")
    late = [running.get(pages + PRODUCT)[0] for _ in range(SLOW - 1)]
    answer = shell.show("answer", f"curl -si http://127.0.0.1:8080{PRODUCT} | {BROKEN}")
    trace_id = re.search(r"traceparent: 00-(\w{32})-", answer)[1]
    metrics = "curl -s http://127.0.0.1:9901/metrics"
    shell.show("metrics", f"{metrics} | grep -E '^gateway_pages_total.* [1-9]' | sort")
    shell.show("metrics", f"{metrics} | grep -E '^gateway_calls_total.* [1-9]' | sort")
    traces = run.until("gateway", "all traces at the agent", lambda: all_traces(agent, WHOLE + SLOW))
    shell.show("log", f"grep -h {trace_id} gateway.log | {BROKEN}")
    run.until("gateway", "late pages told to DogStatsD", lambda: told_late(datagrams) == SLOW)
    return {
        "statuses": whole + late,
        "id": trace_id,
        "traces": traces,
        "spans": next(trace for trace in traces if id_of(trace) == trace_id),
        "lines": [json.loads(line) for line in log.read_text().splitlines()],
        "datagrams": datagrams,
        "page": running.get_json(f"{admin}/config")["page"]["product-page"],
        "failures": running.get(f"{agent}/test/trace_check/failures?return_all=true&use_json=true"),
        "blocks": shell.blocks,
        "names": names(binaries),
    }


def told_late(datagrams: list[str]) -> int:
    """Late pages, as an agent would add them up."""
    told = "\n".join(line for line in datagrams if "outcome:late" in line)
    return sum(int(pages) for pages in re.findall(r"^gateway\.pages:(\d+)\|c", told, re.MULTILINE))


def all_traces(agent: str, count: int) -> list | None:
    """Every trace the agent received, the page's span first, when there are so many."""
    traces = running.get_json(f"{agent}/test/traces")
    for trace in traces:
        trace.sort(key=lambda span: (span["name"] != "http.server.request", span["start"]))
    return traces if len(traces) >= count else None


def id_of(trace: list[dict]) -> str:
    return f"{trace[0]['meta']['_dd.p.tid']}{trace[0]['trace_id']:016x}"


def received(trace: list[dict]) -> str:
    """The spans as the agent has them, one a line."""
    lines = [f"{'resource':42}{'kind':10}{'start ms':>9}{'took ms':>9}  outcome   error.type"]
    for span in trace:
        meta = span["meta"]
        start, took = (span["start"] - trace[0]["start"]) / 1e6, span["duration"] / 1e6
        outcome, error = meta.get("gateway.outcome", ""), meta.get("error.type", "")
        lines.append(f"{span['resource']:42}{meta['span.kind']:10}{start:9.2f}{took:9.2f}  {outcome:10}{error}".rstrip())
    return "\n".join(lines) + "\n"


def names(binaries: pathlib.Path) -> dict:
    """The gateway's own lists of metrics and span fields."""
    command = [binaries / "gateway", "metrics", "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=10).stdout)


def fields(listed: dict) -> str:
    rows = [f"| `{field['key']}` | {field['meaning']} |" for field in listed["spans"]]
    return "\n".join(["| field | what it says |", "|---|---|", *rows])


def blocks(story: dict) -> dict[str, str]:
    """What stands between the document's markers, by name."""
    fenced = story["blocks"] | {
        "spans": received(story["spans"]),
        "datagrams": "\n".join(line for line in story["datagrams"] if re.match(r"gateway\.pages:[1-9]", line)),
    }
    shown = {name: f"```console\n{text.strip()}\n```" for name, text in fenced.items()}
    return shown | {"fields": fields(story["names"])}


def marked(name: str) -> re.Pattern:
    return re.compile(f"(<!-- example: {name} -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def write(story: dict) -> None:
    text = DOCUMENT.read_text()
    for name, block in blocks(story).items():
        print(f"<!-- example: {name} -->\n{block}\n<!-- end -->\n")
        text, found = marked(name).subn(lambda m, block=block: f"{m[1]}{block}\n{m[3]}", text)
        assert found == 1, f"{DOCUMENT.name} has {found} places for {name}"
    DOCUMENT.write_text(text)
    PICTURE.write_text(waterfall.draw(story["spans"], story["page"]))
    print(f"written: {DOCUMENT.relative_to(running.ROOT)}, {PICTURE.relative_to(running.ROOT)}")


def check(story: dict) -> None:
    """Everything the document says of the example, but for times and ids."""
    check_example.check(story, blocks(story), DOCUMENT.read_text(), marked)
    xml.etree.ElementTree.fromstring(waterfall.draw(story["spans"], story["page"]))


def gave_up(*_) -> None:
    raise SystemExit(f"not finished after {SECONDS} s")


def main() -> None:
    parser = argparse.ArgumentParser(description="The worked example of docs/observability.md, run for real.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the document is not so")
    parser.add_argument("--debug", action="store_true", help="the binaries of a debug build")
    flags = parser.parse_args()
    binaries = running.TARGET / ("debug" if flags.debug else "release")
    running.WORK.mkdir(parents=True, exist_ok=True)
    running.agent_python()
    for told_to_end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(told_to_end, lambda number, _: sys.exit(128 + number))
    signal.signal(signal.SIGALRM, gave_up)
    signal.alarm(SECONDS)
    with running.Running() as run:
        story = tell(run, binaries, free=flags.check)
    (check if flags.check else write)(story)


if __name__ == "__main__":
    main()
