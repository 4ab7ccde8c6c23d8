"""Holds dashboards/ against the tools of those who will read it: Datadog's own models and arithmetic, promtool, terraform fmt.

Whether the names in there exist is tested by `cargo test` (gateway/tests/dashboards.rs).
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import venv

DASHBOARDS = pathlib.Path("dashboards")
TOOLS = pathlib.Path("target/dashboard-tools")
GRAFANA = DASHBOARDS / "grafana/users-limits-faults.json"
DATADOG = "datadog-api-client==2.62.0"
KINDS = {"dashboards": "Dashboard", "monitors": "Monitor", "slos": "ServiceLevelObjectiveRequest"}


def run(*command: object, **more: object) -> None:
    print("$", *command, flush=True)
    subprocess.run([str(word) for word in command], check=True, **more)


def in_own_environment() -> pathlib.Path:
    """The Python of an environment that has Datadog's models, made once."""
    python = TOOLS / "venv/bin/python"
    have = TOOLS / "venv/have"
    if not have.exists() or have.read_text() != DATADOG:
        venv.create(TOOLS / "venv", clear=True, with_pip=True)
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", DATADOG)
        have.write_text(DATADOG)
    return python


def unparsed(model: object, place: str) -> list[str]:
    """What the models let through without understanding it: values outside an enum, shapes that fit no alternative."""
    if isinstance(model, dict):
        inside = model.items()
    elif isinstance(model, (list, tuple)):
        inside = enumerate(model)
    else:
        # Attributes by name are answered by the models themselves, some without end.
        own = getattr(model, "__dict__", {})
        inside = [*own.get("_data_store", {}).items(), *(("", one) for one in own.get("_composed_instances", []))]
        deepest = [deep for key, value in inside for deep in unparsed(value, f"{place}.{key}".rstrip("."))]
        return deepest or [place] * bool(own.get("_unparsed"))
    return [deep for key, value in inside for deep in unparsed(value, f"{place}.{key}")]


def problems(document: object, kind: str) -> list[str]:
    """Where `document` is not what Datadog takes for `kind`."""
    from datadog_api_client import Configuration
    from datadog_api_client.exceptions import ApiTypeError, ApiValueError
    from datadog_api_client.model_utils import validate_and_convert_types
    from datadog_api_client.v1 import models

    model = getattr(models, kind)
    try:
        parsed = validate_and_convert_types(document, (model,), [kind], True, True, Configuration())
    except (ApiTypeError, ApiValueError, AttributeError, TypeError) as error:
        return [f"{kind}: {error}"]
    return unparsed(parsed, kind)


def check_models() -> int:
    """Every file against its model; and one broken copy of each, so that nobody trusts a check that sees nothing."""
    wrong = 0
    for folder, kind in KINDS.items():
        files = sorted((DASHBOARDS / "datadog" / folder).rglob("*.json"))
        assert files, f"no files in {folder}"
        for file in files:
            document = json.loads(file.read_text())
            for problem in problems(document, kind):
                print(f"{file}: not understood: {problem}")
                wrong += 1
            assert problems(broken(document), kind), f"{file}: a broken copy passed as well"
        print(f"{folder}: {len(files)} files are what Datadog calls {kind}")
    return wrong


def broken(document: dict) -> dict:
    """The same with one word, as deep as it goes, that Datadog does not know."""
    copy = json.loads(json.dumps(document))
    if "widgets" in copy:
        copy["widgets"][-1]["definition"]["widgets"][-1]["definition"]["requests"][0]["response_format"] = "sometimes"
    else:
        copy["type"] = "sometimes"
    return copy


def promtool() -> pathlib.Path:
    """promtool, from the PATH or out of Debian's package: unpacked, not installed, so that no service is started."""
    here = shutil.which("promtool")
    if here:
        return pathlib.Path(here)
    unpacked = (TOOLS / "prometheus/usr/bin/promtool").resolve()
    if unpacked.exists():
        return unpacked
    wanted = "promtool is missing: install Prometheus, or put its promtool on the PATH"
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        sys.exit(wanted)
    TOOLS.mkdir(parents=True, exist_ok=True)
    try:
        fetch_prometheus()
    except subprocess.CalledProcessError:
        try:
            # The lists of a fresh machine are empty; only root may fill them.
            run("apt-get", "update", "-qq")
            fetch_prometheus()
        except subprocess.CalledProcessError:
            sys.exit(wanted)
    [package] = TOOLS.glob("prometheus_*.deb")
    run("dpkg-deb", "--extract", package, TOOLS / "prometheus")
    package.unlink()
    return unpacked


def fetch_prometheus() -> None:
    for old in TOOLS.glob("prometheus_*.deb"):
        old.unlink()
    run("apt-get", "download", "-qq", "prometheus", cwd=TOOLS)


def check_panels(tool: pathlib.Path) -> None:
    """Grafana's queries as the rules of a file, which is all that promtool reads."""
    panels = json.loads(GRAFANA.read_text())["panels"]
    queries = [target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel.get("targets", [])]
    assert len(queries) > 25, f"only {len(queries)} queries in {GRAFANA}"
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    file = TOOLS / "panels.json"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    run(tool, "check", "rules", file)


def main() -> None:
    os.chdir(pathlib.Path(__file__).resolve().parents[1])
    if "--models" in sys.argv:
        sys.exit(check_models())
    run(in_own_environment(), ".ci/dashboards.py", "--models")
    tool = promtool()
    run(tool, "check", "rules", "alerts.yml", cwd=DASHBOARDS / "prometheus")
    run(tool, "test", "rules", "alerts.test.yml", cwd=DASHBOARDS / "prometheus")
    check_panels(tool)
    run(sys.executable, ".ci/datadog_model.py")
    if shutil.which("terraform"):
        run("terraform", "fmt", "-check", "-diff", DASHBOARDS / "terraform")
    print("dashboards, monitors, SLOs and alert rules are what their tools take")


if __name__ == "__main__":
    main()
