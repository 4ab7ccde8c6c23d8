"""The console during an incident, for real: what it shows in a terminal and in a browser, and what `gateway why` says.

    python3 docs/operating/pictures.py             writes the pictures of docs/operating.md
    python3 docs/operating/pictures.py --check     writes nothing there, and fails when anything is not as it should be

Needs the binaries (`cargo build --release --workspace`; `--debug` takes the others), tmux, Chromium and node; as root on Debian
they are installed by name where they are missing. Everything it starts it ends, and it gives up after three minutes.
"""

import argparse
import pathlib
import shutil
import signal
import subprocess
import sys

import stage  # Where the next ones are.
import running
import tools
from terminal import COLOURED, Terminal, draw

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 180
MOST_BYTES = 300_000
# Pictures of the browser that the document shows: what it is called there.
SHOWN = {"console-desktop-light": "console-desktop", "console-phone-dark": "console-phone", "page-desktop-dark": "console-page"}


def browser(there: stage.Stage, pictures: pathlib.Path) -> None:
    """Runs the browser's part, and does what it asks for."""
    node, modules = tools.installed("node", "nodejs"), tools.NODE / "node_modules"
    command = [node, HERE / "browser.mjs", modules, tools.chromium()]
    command += [there.admin, there.guarded, stage.TOKEN, pictures]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    there.callback(running.stop, process)
    for line in process.stdout:
        print(f"browser: {line.strip()}", flush=True)
        match line.strip():
            case "slow pricing":
                there.slow_pricing()
            case "override a key":
                there.gateway("set", "page.product-page.max_wait", "20ms", "--for", "10m", "--token-file", str(there.token))
            case "stop the other gateway":
                running.stop(there.running["guarded"])
    assert process.wait(timeout=20) == 0, "the console in the browser is not as it should be: see above"


def terminals(there: stage.Stage) -> list[Terminal]:
    """Three that show `gateway top` from now on: a small one, a large one, and one without colours."""
    top = f"{there.binaries / 'gateway'} top --admin {there.target}"
    opened = [Terminal("small", 80, 24, top), Terminal("large", 120, 36, top), Terminal("plain", 80, 24, top, NO_COLOR="1")]
    for one in opened:
        there.callback(one.close)
    return opened


def terminal(there: stage.Stage, opened: list[Terminal]) -> dict[str, str]:
    """`gateway top` while the incident lasts, as it looks; and what its keys do."""
    small, large, plain = opened
    for one in opened:
        one.until("the incident", "downstream:pricing", 20)
    drawn = {"top-80x24": (small.cells(), 80), "top-120x36": (large.cells(), 120)}
    assert COLOURED.search(drawn["top-80x24"][0]), "no colour"
    assert not COLOURED.search(plain.cells()), "a colour, with NO_COLOR"
    assert "^" in drawn["top-120x36"][0], "no mark of the override"
    small.press("Tab", "Tab")
    small.until("slow pages", "[Slow ")
    small.press("Down", "Enter")
    small.until("a waterfall", "calls must have ended at")
    drawn["top-page"] = (small.cells(), 80)
    # Escape and a key right after it are one key to a terminal.
    small.press("Escape")
    small.until("the waterfall closed", "calls must have ended at", there=False)
    small.press("?")
    small.until("help", "a bar for each second")
    small.press("?")
    small.until("help closed", "a bar for each second", there=False)
    small.press("p")
    small.until("a pause", "PAUSED")
    small.resize(100, 30)
    small.until("the other size", "p50")
    small.press("q")
    # The screen is the shell's again, as it was before.
    left = small.until("the end", "ended with 0")
    assert "FAILING" not in left and "downstream" not in left, left
    top = [there.binaries / "gateway", "top", "--admin", there.target]
    without = subprocess.run(top, capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL)
    assert (without.returncode, "--once" in without.stderr) == (2, True), without
    return {name: draw(screen, f"gateway top: {name}", columns) for name, (screen, columns) in drawn.items()}


def why(there: stage.Stage) -> dict[str, str]:
    """What goes wrong, and one page of it."""
    incident = there.gateway("why", "--last", "1m")
    assert "pricing" in incident, incident
    listed = running.get_json(f"{there.admin}/pages?outcome=late&limit=1")
    page = there.gateway("why", listed["pages"][0]["request_id"])
    assert "pricing" in page and "page.product-page.deadline" in page, page
    shown = {"why": f"$ gateway why\n{incident}", "why-page": f"$ gateway why {listed['pages'][0]['request_id']}\n{page}"}
    return {name: draw(text, f"gateway why: {name}", 82) for name, text in shown.items()}


def gone(there: stage.Stage) -> None:
    """A gateway that ends is said to be gone, and the terminal is left as it was when that is all."""
    top = Terminal("gone", 80, 24, f"{there.binaries / 'gateway'} top --admin {there.target}")
    there.callback(top.close)
    top.until("figures", "downstream", 20)
    running.stop(there.running["gateway"])
    top.until("that it is gone", "NOT CONNECTED", 20)
    top.press("C-c")
    top.until("the end", "ended with 0")


def show(binaries: pathlib.Path, pictures: pathlib.Path) -> dict[str, str]:
    with stage.Stage(binaries) as there:
        there.load()
        opened = terminals(there)
        browser(there, pictures)
        drawn = terminal(there, opened) | why(there)
        gone(there)
    return drawn


def write(drawn: dict[str, str], pictures: pathlib.Path) -> None:
    for name, svg in drawn.items():
        (HERE / f"{name}.svg").write_text(svg)
    for name, shown in SHOWN.items():
        shutil.copy(pictures / f"{name}.png", HERE / f"{shown}.png")
    for picture in sorted([*HERE.glob("*.svg"), *HERE.glob("*.png")]):
        size = picture.stat().st_size
        print(f"written: {picture.relative_to(running.ROOT)}, {size / 1000:.0f} kB")
        assert size < MOST_BYTES, f"{picture.name} is too large to be looked at over the web"


def gave_up(*_) -> None:
    raise SystemExit(f"not finished after {SECONDS} s")


def main() -> None:
    parser = argparse.ArgumentParser(description="The console during an incident, for real.")
    parser.add_argument("--check", action="store_true", help="write no pictures; fail when anything is not as it should be")
    parser.add_argument("--debug", action="store_true", help="the binaries of a debug build")
    flags = parser.parse_args()
    binaries = running.TARGET / ("debug" if flags.debug else "release")
    pictures = stage.WORK / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    running.WORK.mkdir(parents=True, exist_ok=True)
    # Installed before the time begins to run.
    tools.node_modules(tools.NODE)
    tools.installed("tmux", "tmux")
    tools.installed("node", "nodejs")
    tools.chromium()
    for told_to_end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(told_to_end, lambda number, _: sys.exit(128 + number))
    signal.signal(signal.SIGALRM, gave_up)
    signal.alarm(SECONDS)
    drawn = show(binaries, pictures)
    if flags.check:
        print("the console is as it should be, in a terminal and in a browser")
    else:
        write(drawn, pictures)


if __name__ == "__main__":
    main()
