"""What the pictures of the console are taken of: fakes and a gateway, a load on them, and an incident."""

import http.client
import json
import pathlib
import subprocess
import sys
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "docs/observability"), str(ROOT / ".ci")]
import running  # noqa: E402

WORK = running.TARGET / "console"
# Pages a second: more than pricing has permits for once each of its calls takes the whole deadline.
RATE, PERMITS = 60, 16
TOKEN = "for-the-pictures-only-0123456789"
SLOW = {"name": "slow", "type": "latency", "attributes": {"latency": 1500, "jitter": 100}}
# As shipped, where the worked example has other times for machines that stall.
SHIPPED = {
    "GATEWAY__PAGE__PRODUCT_PAGE__DEADLINE": "300ms",
    "GATEWAY__PAGE__PRODUCT_PAGE__PART__REVIEWS__TIMEOUT": "200ms",
    "GATEWAY__PAGE__PRODUCT_PAGE__PART__RECOMMENDATIONS__TIMEOUT": "200ms",
    "GATEWAY__DOWNSTREAM__PRICING__PERMITS": str(PERMITS),
    # The machine runs a browser and the load as well: what that costs the gateway is not what the pictures are about.
    "GATEWAY__ADMISSION__MAX_LAG": "none",
    # Who asks is one address here, and is not what the pictures are about.
    "GATEWAY__CLIENTS__RATE": "none",
    # Nobody collects anything.
    "GATEWAY__TELEMETRY__DOGSTATSD": "",
    "GATEWAY__TELEMETRY__SAMPLE": "0",
}


class Stage(running.Running):
    """Fakes, a gateway with its shipped configuration, and one whose console asks for a token; on free ports."""

    def __init__(self, binaries: pathlib.Path) -> None:
        super().__init__()
        self.binaries = binaries
        self.token = WORK / "token"
        self.token.write_text(TOKEN + "\n")
        self.token.chmod(0o600)
        self.fakes = running.start_fakes(self, binaries, free=True)
        self.pages, self.admin, _ = self.start_gateway("gateway", "127.0.0.1:0")
        # Off loopback, as far as it knows: it asks for the token for everything.
        _, guarded, _ = self.start_gateway("guarded", "0.0.0.0:0")
        self.guarded = guarded.replace("0.0.0.0", "127.0.0.1")

    def start_gateway(self, name: str, admin: str) -> tuple[str, str, pathlib.Path]:
        changes = SHIPPED | {"GATEWAY__ADMIN__LISTEN": admin, "GATEWAY__ADMIN__TOKEN_FILE": str(self.token)}
        return running.start_gateway(self, self.binaries, True, self.fakes, "", 0, name, **changes)

    @property
    def target(self) -> str:
        """For `--admin`."""
        return self.admin.removeprefix("http://")

    def load(self) -> None:
        """From now on `RATE` pages a second are asked for, whatever comes of them."""
        ended = threading.Event()
        address = urllib.parse.urlsplit(self.pages).netloc
        begin, clients = time.monotonic(), 48
        askers = [
            threading.Thread(target=ask, args=(address, begin + nth / RATE, clients / RATE, ended), daemon=True)
            for nth in range(clients)
        ]
        for asker in askers:
            asker.start()
            self.callback(asker.join, 5)
        self.callback(ended.set)

    def slow_pricing(self) -> None:
        status, said = running.get(f"{self.fakes['control']}/proxies/pricing/toxics", json.dumps(SLOW).encode())
        assert status == 200, f"{status} {said}"

    def heal(self) -> None:
        status, said = running.get(f"{self.fakes['control']}/reset", b"")
        assert status in (200, 204), f"{status} {said}"

    def gateway(self, *arguments: str) -> str:
        """What a command of the gateway prints."""
        command = [self.binaries / "gateway", *arguments, "--admin", self.target]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, f"{command}: {done.returncode} {done.stderr}"
        return done.stdout


def ask(address: str, first: float, every: float, ended: threading.Event) -> None:
    """One of the clients: a page at each of its times, on a connection that it keeps."""
    due, connection = first, None
    while not ended.wait(max(0.0, due - time.monotonic())):
        due += every
        try:
            connection = connection or http.client.HTTPConnection(address, timeout=5)
            connection.request("GET", "/product-page/p-1001")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            connection = None
