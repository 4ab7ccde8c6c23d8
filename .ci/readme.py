"""Runs the README's servers as their commands stand there, asks each for a page, and ends them.

What the demo's lines print is tested by `cargo test` (gateway/tests/sockets/process.rs).
"""

import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

PAGE = "http://127.0.0.1:8080/product-page/p-1001"
READY = "http://127.0.0.1:9901/readyz"
DEMO = "cargo run --release -- demo"
FAKES = "target/release/fakes"
GATEWAY = "target/release/gateway run --config config.toml"


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def start(command: str) -> subprocess.Popen:
    readme = pathlib.Path("README.md").read_text().splitlines()
    assert command in readme, f"README.md no longer has the line: {command}"
    print(f"$ {command}", flush=True)
    return subprocess.Popen(command.split(), start_new_session=True)


def until(url: str, process: subprocess.Popen, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not answers(url):
        assert process.poll() is None, f"ended with {process.returncode}"
        assert time.monotonic() < end, f"{url} did not answer in {seconds} s"
        time.sleep(0.2)


def stop(process: subprocess.Popen) -> None:
    """cargo and what it runs hear the signal, as they would on a terminal."""
    if process.poll() is None:
        subprocess.run(["kill", "-INT", "--", f"-{process.pid}"], check=True)
    try:
        code = process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert code in (0, -signal.SIGINT), f"ended with {code}"


def main() -> None:
    demo = start(DEMO)
    try:
        until(READY, demo, 600)
        until(PAGE, demo, 10)
    finally:
        stop(demo)
    fakes = start(FAKES)
    gateway = start(GATEWAY)
    try:
        until(READY, gateway, 20)
        until(PAGE, gateway, 10)
    finally:
        stop(gateway)
        stop(fakes)
    print("every server of the README served and ended")


if __name__ == "__main__":
    sys.exit(main())
