"""The processes of the worked example: fakes, gateway, Datadog's test agent, and a listener for DogStatsD.

Every process is started here and ended here by its id, also on Ctrl-C, and also when it does not want to. Should this
one be killed, they end by themselves.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
WORK = TARGET / "observability"
AGENT = "ddapm-test-agent==1.69.1"

# `--enabled-checks` of the agent's command line is broken: its settings are variables.
CHECKS = "trace_count_header,meta_tracer_version_header,trace_content_length,trace_stall,meta_events_is_valid_json"


def agent_python() -> pathlib.Path:
    """The Python that has the test agent, in a virtual environment that the tests of traces use too."""
    folder = TARGET / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / AGENT.replace("==", "-")
    with open(folder / "test-agent.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "finished").exists():
            print(f"installing {AGENT}, once", file=sys.stderr)
            for command in (
                [sys.executable, "-m", "venv", "--clear", home],
                [home / "bin/python", "-m", "pip", "install", "--quiet", AGENT],
            ):
                subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=300)
            (home / "finished").touch()
    return home / "bin/python"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def get(url: str, data: bytes | None = None) -> tuple[int, str]:
    """Status and body; refusals are answers too."""
    try:
        with urllib.request.urlopen(url, data, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()


def get_json(url: str):
    status, body = get(url)
    assert status == 200, f"{url}: {status} {body}"
    return json.loads(body)


def until(what: str, found, seconds: float = 10):
    """The first result of `found` that is true; not being reachable is not yet."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if result := found():
                return result
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


class Running(contextlib.ExitStack):
    """Whatever runs, ended in reverse order, and each by itself after `at_most` seconds."""

    def __init__(self, at_most: int = 90) -> None:
        super().__init__()
        self.at_most = str(at_most)
        self.running: dict[str, subprocess.Popen] = {}

    def __exit__(self, *error):
        # Ending is bounded; what interrupts it would leave somebody running.
        for interrupting in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(interrupting, signal.SIG_IGN)
        return super().__exit__(*error)

    def start(self, name: str, command: list, **variables: str) -> pathlib.Path:
        """Starts it with nothing of our environment that could change it; returns the file of what it prints."""
        printed = WORK / f"{name}.log"
        kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        with open(printed, "w") as output:
            process = subprocess.Popen(
                ["timeout", "--kill-after=5", self.at_most, *map(str, command)],
                cwd=ROOT,
                env=kept | variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is ours to hear; they are told in order.
                start_new_session=True,
            )
        self.callback(stop, process)
        self.running[name] = process
        return printed

    def until(self, name: str, what: str, found):
        """As `until`, and over at once when the process has ended."""

        def found_by_the_living():
            process = self.running[name]
            if process.poll() is not None:
                said = (WORK / f"{name}.log").read_text()
                raise SystemExit(f"{name} ended with {process.returncode}:\n{said}")
            return found()

        return until(what, found_by_the_living)

    def listen_for_datagrams(self, port: int) -> tuple[int, list[str]]:
        """A socket for DogStatsD, and the lines that come to it."""
        lines: list[str] = []
        inlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        inlet.bind(("127.0.0.1", port))
        inlet.settimeout(0.2)
        ended = threading.Event()

        def read() -> None:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    lines.extend(inlet.recv(65_535).decode().splitlines())
            inlet.close()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        self.callback(reader.join, 2)
        self.callback(ended.set)
        return inlet.getsockname()[1], lines


def stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        # Passed on by timeout(1).
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def start_agent(run: Running, port: int) -> str:
    """Datadog's test agent on this port; its address."""
    run.start(
        "agent",
        [agent_python(), "-c", "from ddapm_test_agent.agent import main; main()"],
        HOST="127.0.0.1",
        PORT=str(port),
        OTLP_HTTP_PORT=str(free_port()),
        OTLP_GRPC_PORT=str(free_port()),
        ENABLED_CHECKS=CHECKS,
        DD_POOL_TRACE_CHECK_FAILURES="true",
        LOG_LEVEL="ERROR",
    )
    url = f"http://127.0.0.1:{port}"
    run.until("agent", "the test agent to listen", lambda: get(f"{url}/info")[0] == 200)
    return url


def start_fakes(run: Running, binaries: pathlib.Path, free: bool) -> dict[str, str]:
    """The five services; the base address of each by its name, and of `control`."""
    flags = ["--ephemeral"] if free else []
    printed = run.start("fakes", [binaries / "fakes", *flags])

    def addresses():
        lines = re.findall(r"^(\w+) +(http://[\d.:]+)/", printed.read_text(), re.MULTILINE)
        return dict(lines) if len(lines) == 6 else None

    return run.until("fakes", "the fakes to listen", addresses)


def start_gateway(
    run: Running, binaries: pathlib.Path, free: bool, fakes: dict[str, str], agent: str, dogstatsd: int,
    name: str = "gateway", config: str = "config.toml", **changes: str
) -> tuple[str, str, pathlib.Path]:
    """The gateway with the shipped config.toml or another, JSON logs and these variables; where it serves pages and operators, and its log."""
    variables = {
        "GATEWAY__TELEMETRY__LOG": "json",
        "DD_VERSION": "1.4.0",
        "DD_TRACE_AGENT_URL": agent,
        "GATEWAY__TELEMETRY__DOGSTATSD": f"127.0.0.1:{dogstatsd}",
    }
    if free:
        # More time for pages, still less than pricing takes: a machine that stalls changes nothing then.
        page = "GATEWAY__PAGE__PRODUCT_PAGE"
        variables |= {f"{page}__DEADLINE": "1200ms"}
        variables |= {f"{page}__PART__{part}__TIMEOUT": "1s" for part in ("REVIEWS", "RECOMMENDATIONS")}
        variables |= {"GATEWAY__SERVER__LISTEN": "127.0.0.1:0", "GATEWAY__ADMIN__LISTEN": "127.0.0.1:0"}
        services = fakes.keys() - {"control"}
        variables |= {f"GATEWAY__DOWNSTREAM__{name.upper()}__URL": fakes[name] for name in services}
    variables |= changes
    log = run.start(name, [binaries / "gateway", "run", "--config", config], **variables)

    def addresses():
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
        return next((line for line in lines if line["message"] == "serving"), None)

    serving = run.until(name, "the gateway to serve", addresses)
    return f"http://{serving['listen']}", f"http://{serving['admin']}", log
