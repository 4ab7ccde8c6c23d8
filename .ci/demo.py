"""Runs the README's main command as written there, and every line it says to try."""

import pathlib
import re
import subprocess
import sys
import time
import urllib.request

COMMAND = "cargo run --release -- demo"
READY = "http://127.0.0.1:9901/readyz"


def ready() -> bool:
    try:
        with urllib.request.urlopen(READY, timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def run(line: str) -> str:
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    print(f"$ {line}\n{done.stdout[:400]}\n", flush=True)
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr}"
    return done.stdout


def main() -> None:
    readme = pathlib.Path("README.md").read_text()
    assert COMMAND in readme.splitlines(), f"README.md no longer has the line: {COMMAND}"
    demo = subprocess.Popen(COMMAND.split(), stdout=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 300
        while not ready():
            assert demo.poll() is None and time.monotonic() < end, "the demo did not start"
            time.sleep(0.2)
        text = ""
        while "Ctrl-C ends it." not in text:
            text += demo.stdout.readline()
        lines = re.findall(r"^  (?!#)(\S.*)$", text, re.MULTILINE)
        answers = [run(line) for line in lines]
        whole, slowed, refused, burst, healed, limits = answers
        assert "200 OK" in whole and '"complete":true' in whole
        assert '"slow"' in slowed
        assert "504 Gateway Timeout" in refused and "downstream:pricing" in refused
        assert "429" in burst, burst
        assert healed == ""
        assert '"in_use": 0' in limits
    finally:
        # cargo passes its signals on by being in the same group; the child is ended by id.
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(demo.pid)], capture_output=True, text=True
        )
        for pid in children.stdout.split() or [str(demo.pid)]:
            subprocess.run(["kill", "-INT", pid], check=False)
        code = demo.wait(timeout=30)
    assert code == 0, f"the demo ended with {code}"
    print("demo: every line did what it says")


if __name__ == "__main__":
    sys.exit(main())
