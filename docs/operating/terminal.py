"""A terminal of its own, in tmux, and its picture: nothing but the cells that the program wrote, as SVG."""

import re
import subprocess
import time
from html import escape

import running
import tools

WIDTH, HEIGHT, MARGIN = 8.4, 17, 14
FONT = "ui-monospace, 'DejaVu Sans Mono', 'Liberation Mono', Menlo, monospace"
# Two grounds, so that it reads the same in a light and a dark theme.
INK, GROUND, DIM = "#1f2328", "#ffffff", "#656d76"
COLOURS = {"38;5;1": "#a8330b", "38;5;6": "#0a5cc4"}
# Of a cell that has a colour, however it is written.
COLOURED = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:[349][0-7]|[34]8;5;\d+)m")
EIGHTHS = " ▁▂▃▄▅▆▇█"


class Terminal:
    """One program in a terminal of a given size."""

    def __init__(self, name: str, columns: int, rows: int, command: str, **variables: str) -> None:
        self.session = name
        self.tmux("kill-session", "-t", name, check=False)
        variables = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"} | variables
        settings = " ".join(f"{key}='{value}'" for key, value in variables.items())
        # A shell remains, so that it is seen what state the terminal was left in.
        shell = f"env -u NO_COLOR {settings} {command}; echo ended with $?; exec cat"
        self.tmux("new-session", "-d", "-s", name, "-x", str(columns), "-y", str(rows), f"timeout 120 sh -c '{quoted(shell)}'")

    def tmux(self, *arguments: str, check: bool = True) -> str:
        command = [tools.installed("tmux", "tmux"), "-L", "gateway-console", "-f", "/dev/null", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
        assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
        return done.stdout

    def text(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", self.session)

    def cells(self) -> str:
        """As `text`, with how it looks."""
        return self.tmux("capture-pane", "-p", "-e", "-t", self.session)

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", self.session, *keys)

    def resize(self, columns: int, rows: int) -> None:
        self.tmux("resize-window", "-t", self.session, "-x", str(columns), "-y", str(rows))

    def until(self, what: str, words: str, seconds: float = 10, there: bool = True) -> str:
        """The screen, once it has these words; or has them no more."""

        def found() -> str | None:
            screen = self.text()
            return screen if (words in screen) == there else None

        try:
            return running.until(f"{what}: {words!r}", found, seconds)
        except SystemExit as missed:
            raise SystemExit(f"{missed}; the screen is\n{self.text()}") from None

    def close(self) -> None:
        self.tmux("kill-session", "-t", self.session, check=False)


def quoted(text: str) -> str:
    return text.replace("'", "'\\''")


def runs(line: str) -> list[tuple[int, str, frozenset[str]]]:
    """Pieces of a line that look alike: column, words, the codes that are set (ECMA-48, SGR)."""
    found, column, looks = [], 0, set()
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        if code := re.fullmatch(r"\x1b\[([0-9;]*)m", piece):
            for number in re.findall(r"[34]8;5;\d+|\d+", code[1] or "0"):
                match number:
                    case "0":
                        looks.clear()
                    case "39":
                        looks -= set(COLOURS)
                    case _:
                        looks.add(number)
        elif piece:
            found.append((column, piece, frozenset(looks)))
            column += len(piece)
    return found


def draw(screen: str, title: str, columns: int) -> str:
    """A screen with its codes, as SVG."""
    lines = screen.rstrip("\n").split("\n")
    width, height = columns * WIDTH + 2 * MARGIN, len(lines) * HEIGHT + 2 * MARGIN
    plain = re.sub(r"\x1b\[[0-9;]*m", "", screen)
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" '
        f'font-family="{escape(FONT)}" font-size="14" role="img" aria-labelledby="title what">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="what">{escape(plain)}</desc>',
        f'<rect x=".5" y=".5" width="{width - 1:.0f}" height="{height - 1}" rx="8" fill="{GROUND}" stroke="#d1d9e0"/>',
    ]
    for row, line in enumerate(lines):
        for column, words, looks in runs(line):
            drawn += run(row, column, words, looks)
    return "\n".join([*drawn, "</svg>", ""])


def run(row: int, column: int, words: str, looks: frozenset[str]) -> list[str]:
    top, x = MARGIN + row * HEIGHT, MARGIN + column * WIDTH
    colour = next((COLOURS[code] for code in looks if code in COLOURS), DIM if "2" in looks else INK)
    drawn = []
    if "7" in looks:
        drawn.append(f'<rect x="{x:.1f}" y="{top}" width="{len(words) * WIDTH:.1f}" height="{HEIGHT}" fill="{colour}"/>')
        colour = GROUND
    for blocks, rest in re.findall(r"([▁▂▃▄▅▆▇█░▒▚]+)|([^▁▂▃▄▅▆▇█░▒▚]+)", words):
        for nth, block in enumerate(blocks):
            drawn.append(cell(block, x + nth * WIDTH, top, colour))
        if rest.strip():
            indent = len(rest) - len(rest.lstrip())
            kept = rest.strip()
            weight = ' font-weight="700"' if "1" in looks else ""
            drawn.append(
                f'<text x="{x + indent * WIDTH:.1f}" y="{top + 13}" fill="{colour}"{weight} xml:space="preserve" '
                f'textLength="{len(kept) * WIDTH:.1f}" lengthAdjust="spacingAndGlyphs">{escape(kept)}</text>'
            )
        x += len(blocks or rest) * WIDTH
    return drawn


def cell(block: str, x: float, top: float, colour: str) -> str:
    """A cell that is filled in part, or lightly: fonts draw these otherwise."""
    share = EIGHTHS.find(block) / 8
    opacity = {"░": 0.3, "▒": 0.6, "▚": 0.6}.get(block, 1)
    height = HEIGHT * share if share > 0 else HEIGHT
    return (
        f'<rect x="{x:.1f}" y="{top + HEIGHT - height:.1f}" width="{WIDTH + 0.1:.1f}" height="{height:.1f}" '
        f'fill="{colour}" fill-opacity="{opacity}"/>'
    )
