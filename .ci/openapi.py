"""Holds the OpenAPI description: a validator and a linter take it, and a fuzz made from it finds no answer that it does not have.

With a number, the fuzz makes about so many requests of each kind: `python3 .ci/openapi.py 1500`.
"""

import json
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

from tools import GATEWAY, NODE, ROOT, TOOLS, node_modules, python_with, run

sys.path.append(str(ROOT / "docs/observability"))
import running  # noqa: E402

PACKAGES = ["openapi-spec-validator==0.9.0", "schemathesis==4.32.5"]

# A page with everything that can be described: its description is what the fuzz is made from.
SHOP = "clients/shop.toml"

# Times of the shipped file; the gateway of the worked example has more.
TIMES = {
    "GATEWAY__PAGE__PRODUCT_PAGE__DEADLINE": "300ms",
    "GATEWAY__PAGE__PRODUCT_PAGE__PART__REVIEWS__TIMEOUT": "200ms",
    "GATEWAY__PAGE__PRODUCT_PAGE__PART__RECOMMENDATIONS__TIMEOUT": "200ms",
    "RUST_LOG": "gateway=info,warn",
}

# 5xx that the contract names; a 500 is a defect, described or not.
FUZZ = """\
[checks.not_a_server_error]
expected-statuses = [200, 204, 304, 400, 404, 405, 414, 429, 431, 502, 503, 504]
"""


def described(config: str) -> pathlib.Path:
    file = TOOLS / f"{pathlib.Path(config).stem}.openapi.json"
    file.write_text(subprocess.run([GATEWAY, "openapi", "--config", config], check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    return file


def lint(python: pathlib.Path, file: pathlib.Path) -> None:
    run(python.with_name("openapi-spec-validator"), file)
    # Whose licence an API has is not the gateway's to say.
    run("npx", "redocly", "lint", "--max-problems", 20, "--skip-rule", "info-license", file, cwd=NODE)


def with_known_ids(file: pathlib.Path) -> pathlib.Path:
    """The same with ids that exist beside all that are allowed, or the fuzz would see 404 only."""
    document = json.loads(file.read_text())
    [parameter] = [one for one in document["paths"]["/product-page/{id}"]["parameters"] if one.get("name") == "id"]
    known = [f"p-{number}" for number in range(1001, 1050)]
    parameter["schema"] = {"type": "string", "anyOf": [{"enum": known}, parameter["schema"]]}
    known_ids = file.with_name("known-ids.openapi.json")
    known_ids.write_text(json.dumps(document))
    return known_ids


def slow(control: str, service: str) -> None:
    toxic = {"name": "slow", "type": "latency", "attributes": {"latency": 280, "jitter": 280}}
    urllib.request.urlopen(f"{control}/proxies/{service}/toxics", json.dumps(toxic).encode(), timeout=5).close()


def fail(control: str, service: str) -> None:
    toxic = {"name": "fails", "type": "error", "attributes": {"status": 500, "ratio": 0.3}}
    urllib.request.urlopen(f"{control}/proxies/{service}/toxics", json.dumps(toxic).encode(), timeout=5).close()


def fuzz(python: pathlib.Path, file: pathlib.Path, examples: int) -> None:
    """Services that are sometimes late and sometimes fail, so that partial pages, 502 and 504 are among the answers."""
    config = TOOLS / "schemathesis.toml"
    config.write_text(FUZZ)
    running.WORK.mkdir(parents=True, exist_ok=True)
    with running.Running(at_most=1200) as there:
        fakes = running.start_fakes(there, GATEWAY.parent, free=True)
        pages, admin, _ = running.start_gateway(there, GATEWAY.parent, True, fakes, "", 0, config=SHOP, **TIMES)
        for service in ("pricing", "reviews"):
            slow(fakes["control"], service)
        for service in ("inventory", "recommendations"):
            fail(fakes["control"], service)
        before = time.monotonic()
        run(
            python.with_name("schemathesis"), "--config-file", config, "run", file, "--url", pages,
            "--max-examples", examples, "--workers", 4, "--continue-on-failure", "--no-color", "--warnings", "off", cwd=TOOLS,
        )
        print(f"the fuzz took {time.monotonic() - before:.0f} s")
        counts(admin)
        assert_caught(python, config, file, pages)


def counts(admin: str) -> None:
    """What the fuzz has reached: a fuzz that saw one ending only has shown little."""
    with urllib.request.urlopen(f"{admin}/limits", timeout=5) as answer:
        outcomes = json.load(answer)["pages"]["product-page"]["outcomes"]
    print("pages by outcome:", outcomes)
    for wanted in ("complete", "partial", "late", "failed", "not_found", "bad_request"):
        assert outcomes[wanted] > 0, f"the fuzz saw no page that was {wanted}"


def assert_caught(python: pathlib.Path, config: pathlib.Path, file: pathlib.Path, pages: str) -> None:
    """The same fuzz must object to a description that lacks the refusals and says something else of the page."""
    document = json.loads(file.read_text())
    for operation in ("get", "head"):
        responses = document["paths"]["/product-page/{id}"][operation]["responses"]
        for status in ("404", "502", "504"):
            del responses[status]
    broken = TOOLS / "broken.openapi.json"
    broken.write_text(json.dumps(document))
    found = subprocess.run(
        [python.with_name("schemathesis"), "--config-file", config, "run", broken, "--url", pages,
         "--max-examples", "20", "--no-color", "--warnings", "off"],
        cwd=TOOLS, capture_output=True, text=True,
    )
    assert found.returncode == 1 and "Undocumented status code" in found.stdout, found.stdout


def main() -> None:
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    TOOLS.mkdir(parents=True, exist_ok=True)
    python = python_with("openapi", *PACKAGES)
    node_modules(NODE)
    shop = described(SHOP)
    for file in (described("config.toml"), shop):
        lint(python, file)
    fuzz(python, with_known_ids(shop), examples)
    print("the description is sound, and what is answered is in it")


if __name__ == "__main__":
    try:
        main()
    except urllib.error.URLError as error:
        sys.exit(f"the demo did not answer: {error}")
