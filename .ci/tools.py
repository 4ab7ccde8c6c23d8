"""What the checks of clients and pages in a browser have in common: tools installed by name, and a demo to ask.

A tool that cannot be had is a failure: what nobody checked has not passed.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import venv
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOOLS = ROOT / "target/ci-tools"
NODE = ROOT / ".ci/node"
GATEWAY = pathlib.Path(os.environ.get("GATEWAY", ROOT / "target/release/gateway")).resolve()


def run(*command: object, **more: object) -> None:
    print("$", *command, flush=True)
    subprocess.run([str(word) for word in command], check=True, **more)


def python_with(name: str, *packages: str) -> pathlib.Path:
    """The Python of an environment that has these packages, made once."""
    home = TOOLS / name
    python, have = home / "bin/python", home / "have"
    wanted = " ".join(packages)
    if not have.exists() or have.read_text() != wanted:
        venv.create(home, clear=True, with_pip=True)
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)
        have.write_text(wanted)
    return python


def node_modules(folder: pathlib.Path) -> None:
    """What the lock file of `folder` names, installed once."""
    npm = installed("npm", "npm")
    lock = (folder / "package-lock.json").read_text()
    have = folder / "node_modules/.have"
    if not have.exists() or have.read_text() != lock:
        run(npm, "ci", "--no-audit", "--no-fund", "--silent", cwd=folder)
        have.write_text(lock)


def installed(program: str, *packages: str) -> str:
    """The path of a program; Debian's packages are installed if it is not there and they may be."""
    if not (found := shutil.which(program)) and os.geteuid() == 0 and shutil.which("apt-get"):
        run("apt-get", "update", "-qq", timeout=600)
        run("apt-get", "install", "-qq", "--yes", "--no-install-recommends", *packages, timeout=600)
        found = shutil.which(program)
    return found or sys.exit(f"{program} is missing: install Debian's package {packages[0]}, or your system's, and put it on the PATH")


def chromium() -> str:
    return shutil.which("chromium-browser") or installed("chromium", "chromium", "fonts-dejavu-core")


@contextlib.contextmanager
def demo() -> Iterator[dict[str, str]]:
    """A running `gateway demo`: the URLs of its shop, pages, control API and admin listener."""
    process = subprocess.Popen(
        [GATEWAY, "demo", "--free-ports"], stdout=subprocess.PIPE, text=True, env={**os.environ, "RUST_LOG": "error"}
    )
    watchdog = threading.Timer(600, process.kill)
    watchdog.start()
    try:
        said = ""
        for line in process.stdout:
            said += line
            if "Ctrl-C ends it" in line:
                break
        found = {
            name: re.search(rf"(http://[0-9.:]+){path}", said)
            for name, path in {"shop": "/\n", "pages": "/product-page", "control": "/reset", "admin": "/limits"}.items()
        }
        assert all(found.values()), f"the demo said: {said}"
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield {name: match[1] for name, match in found.items()}
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=30)
        watchdog.cancel()
        assert code == 0, f"the demo ended with {code}"
