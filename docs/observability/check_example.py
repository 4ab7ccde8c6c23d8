"""What docs/observability.md says of its example, held against a run of it. Times and ids differ; all else must not."""

import re


def check(story: dict, blocks: dict[str, str], document: str, marked) -> None:
    answers(story)
    metrics(story["blocks"]["metrics"])
    spans(story)
    log(story, document)
    datagrams(story["datagrams"])
    outputs(blocks, document, marked)
    names(story["names"], document)
    print(f"the example is as docs/observability.md says: trace {story['id']} from metrics to log")


def same(what: str, found, expected) -> None:
    assert found == expected, f"{what}:\n  found    {found}\n  expected {expected}"


def answers(story: dict) -> None:
    same("statuses of the pages", story["statuses"], [200] * 20 + [504] * 4)
    answer = story["blocks"]["answer"]
    for said in ("HTTP/1.1 504", '"reason":"deadline"', 'pricing;dur=', 'desc="late"'):
        assert said in answer, f"not in the answer: {said}\n{answer}"


def metrics(printed: str) -> None:
    """The arithmetic of the text: a fifth of the pages, and every late page one late call of pricing's."""
    counted = re.findall(r"^(gateway_\w+)\{(.*)\} (\d+)$", printed, re.MULTILINE)
    calls = {f'downstream="{name}",outcome="ok"': 25 for name in ("inventory", "product", "recommendations", "reviews")}
    calls |= {'downstream="pricing",outcome="late"': 5, 'downstream="pricing",outcome="ok"': 20}
    pages = {'page="product-page",outcome="complete"': 20, 'page="product-page",outcome="late"': 5}
    same("pages", {tags: int(n) for name, tags, n in counted if name == "gateway_pages_total"}, pages)
    same("calls", {tags: int(n) for name, tags, n in counted if name == "gateway_calls_total"}, calls)


def spans(story: dict) -> None:
    same("traces at the agent", len(story["traces"]), 25)
    same("checks of the agent", story["failures"][0], 200)
    root, *children = story["spans"]
    outcomes = {span["resource"]: (span["meta"].get("gateway.outcome"), span["error"]) for span in story["spans"]}
    same("spans of the late page", outcomes, {
        "GET /product-page/{id}": ("late", 1),
        "admission": ("admitted", 0),
        "GET product /products/{id}": ("ok", 0),
        "GET pricing /prices/{id}": ("late", 1),
        "GET inventory /stock/{id}": ("ok", 0),
        "GET reviews /reviews/{id}": ("ok", 0),
        "GET recommendations /recommendations/{id}": ("ok", 0),
    })
    assert all(span["parent_id"] == root["span_id"] for span in children), "a span is not the page's child"
    pricing = next(span for span in children if span["meta"].get("peer.service") == "pricing")
    same("pricing's error", pricing["meta"]["error.type"], "timeout")
    assert "http.status_code" not in pricing["meta"], "pricing answered"
    kept = {trace[0]["meta"]["gateway.outcome"]: trace[0]["meta"]["gateway.kept_because"] for trace in story["traces"]}
    same("why traces were kept", kept["late"], "outcome")
    whole = next(trace for trace in story["traces"] if trace[0]["meta"]["gateway.outcome"] == "complete")
    same("a whole page's last span", whole[-1]["resource"], "assemble")
    same("its version", root["meta"]["version"], "1.4.0")


def log(story: dict, document: str) -> None:
    """The log line is the trace's, and the document's table has the fields there are."""
    lines = [line for line in story["lines"] if line["message"] == "page"]
    same("lines of pages", len(lines), 25)
    line = next(line for line in lines if line["trace_id"] == story["id"])
    root = story["spans"][0]
    same("dd.trace_id", int(line["dd.trace_id"]), root["trace_id"])
    same("dd.span_id", int(line["dd.span_id"]), root["span_id"])
    same("span_id", int(line["span_id"], 16), root["span_id"])
    same("request_id", line["request_id"], root["meta"]["gateway.request_id"])
    same("parts", {name: part["outcome"] for name, part in line["parts"].items()}, {
        "product": "ok", "pricing": "late", "inventory": "ok", "reviews": "ok", "recommendations": "ok",
    })
    section = document.split("## Log fields\n")[1].split("\n## ")[0]
    told = set(re.findall(r"`([a-z_.]+)`", "".join(re.findall(r"^\| `.*?\|", section, re.MULTILINE))))
    everywhere = {"timestamp", "level", "target", "dd.service", "dd.env", "dd.version", "message"}
    same("fields of log lines", {key for line in lines for key in line}, told | everywhere)


def datagrams(lines: list[str]) -> None:
    """That all late pages were told has been waited for; here, that they were told with the version."""
    told = [line for line in lines if line.startswith("gateway.pages:")]
    assert told and all("version:1.4.0" in line for line in told), told


def outputs(blocks: dict[str, str], document: str, marked) -> None:
    """The document has every output, of the same commands, and the gateway's own table of span fields."""
    for name, block in blocks.items():
        found = marked(name).search(document)
        assert found, f"the document has no output {name}"
        same(f"commands of {name}", commands(found[2]), commands(block))
    same("table of span fields", marked("fields").search(document)[2].strip(), blocks["fields"])


def commands(block: str) -> list[str]:
    """The commands of a block; the trace id in one of them is another with every run."""
    return [re.sub(r"\b[0-9a-f]{32}\b", "ID", line) for line in block.splitlines() if line.startswith("$ ")]


def names(listed: dict, document: str) -> None:
    """Every metric and span field that the text names exists."""
    known = {field["key"] for field in listed["spans"]}
    for metric in listed["metrics"]:
        known |= {metric["name"], metric["prometheus"], f"{metric['prometheus']}_bucket"}
    text = re.sub(r"gateway\.(log|internal)\b", "", document)
    named = set(re.findall(r"\bgateway[._][a-z_.]*[a-z]", text))
    assert named <= known, f"named, and not there: {sorted(named - known)}"
