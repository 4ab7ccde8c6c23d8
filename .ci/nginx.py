"""Puts a real nginx in front of the gateway, as a proxy, as a balancer that keeps connections, and as a cache.

Clients of two addresses have two quotas, whether nginx says who they are by X-Forwarded-For or by the PROXY protocol, and nobody
else can say it. Connections that idle for a minute lose no request. A cache serves nobody another's page, whatever of the
request reached a part, and does serve hits of pages that say so.
"""

import collections
import concurrent.futures
import contextlib
import gzip
import http.client
import http.server
import itertools
import json
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from nginx_config import STREAM, behind, in_front
from tools import GATEWAY, installed

# What a part of the page is told, and so what the page may differ by.
FORWARDED = {
    "Accept-Language": [None, "de", "en", "en, de;q=0.5"],
    "Authorization": [None, "Bearer alice", "Bearer bob"],
    "X-User": [None, "alice", "bob"],
}
CODINGS = [None, "gzip", "br;q=0.5, gzip"]

IDLE_S = 60


class Echo(http.server.BaseHTTPRequestHandler):
    """A service whose answer is what it was told."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(0.05)
        # Long enough to be compressed.
        told = {name: self.headers.get(name) for name in FORWARDED} | {"path": self.path, "text": "x" * 2000}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as open_ports:
        listeners = [open_ports.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


@contextlib.contextmanager
def process(log: pathlib.Path, *command: object):
    """Runs until the block ends, or for five minutes; what it said is shown if something went wrong."""
    with log.open("w") as said:
        running = subprocess.Popen([str(word) for word in command], stdout=said, stderr=said)
    watchdog = threading.Timer(300, running.kill)
    watchdog.start()
    try:
        yield
    except BaseException:
        print(f"{log.name}:\n{log.read_text()[-4000:]}", file=sys.stderr)
        raise
    finally:
        running.terminate()
        running.wait(timeout=30)
        watchdog.cancel()


def until_answered(port: int, path: str) -> None:
    end = time.monotonic() + 15
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).close()
            return
        assert time.monotonic() < end, f"nobody answers {path} at port {port}"
        time.sleep(0.05)


def get(port: int, path: str, headers: dict[str, str | None] | None = None, source: str = "127.0.0.1"):
    """Status, headers and JSON of an answer to a client of this address."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15, source_address=(source, 0))
    with contextlib.closing(connection):
        connection.request("GET", path, headers={name: value for name, value in (headers or {}).items() if value is not None})
        answer = connection.getresponse()
        body = answer.read()
        if answer.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return answer.status, answer.headers, json.loads(body)


def quotas(port: int, direct: int, what: str) -> None:
    """Three pages for each client: two behind nginx, whatever they say of themselves, and one that goes round it."""
    forged = itertools.count(1)

    def three(source: str, to: int) -> None:
        left = []
        for expected in (200, 200, 200, 429):
            lie = {"X-Forwarded-For": f"203.0.113.{next(forged)}", "Forwarded": f"for=203.0.113.{next(forged)}"}
            status, headers, answer = get(to, "/own/1", lie, source)
            assert status == expected, f"{what}: {status} for {source}, expected {expected}: {answer}"
            left.append(headers["RateLimit"].split(";")[1])
        assert left == ["r=2", "r=1", "r=0", "r=0"], left
        assert answer["reason"] == "client_quota", answer

    three("127.0.0.2", port)
    three("127.0.0.3", port)
    three("127.0.0.4", direct)
    print(f"{what}: two clients behind nginx have two quotas, and a forged header changes nothing")


def forged_proxy_line(port: int) -> None:
    """From somebody whose word is not taken."""
    with socket.create_connection(("127.0.0.1", port), timeout=15, source_address=("127.0.0.5", 0)) as peer:
        line = b"PROXY TCP4 203.0.113.9 127.0.0.1 5000 80\r\n"
        peer.sendall(line + b"GET /open/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = peer.recv(64)
    assert not answer.startswith(b"HTTP/1.1 200"), answer
    print("proxy-protocol: nothing is answered to who may not speak it")


def established(port: int) -> set[str]:
    """Local ports of the connections to this one."""
    rows = [row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    wanted = f"0100007F:{port:04X}"
    return {local.rsplit(":")[1] for _, local, remote, state, *_ in rows if remote == wanted and state == "01"}


def idle(port: int, gateway: int) -> str:
    """Connections that nginx keeps carry requests again after a minute without any."""

    def burst(headers: dict[str, str]) -> None:
        with concurrent.futures.ThreadPoolExecutor(8) as clients:
            asked = [clients.submit(get, port, f"/open/{n}", headers) for n in range(8)]
            statuses = [answer.result()[0] for answer in asked]
        assert statuses == [200] * 8, f"a request was lost: {statuses}"

    burst({})
    before = established(gateway)
    assert len(before) >= 4, f"nginx keeps {before}"
    time.sleep(IDLE_S)
    kept = established(gateway)
    assert before <= kept, f"of {before} only {kept} are open"
    burst({})
    assert len(before & established(gateway)) >= 4, "they were not used again"
    return f"{len(before)} connections idled {IDLE_S} s, and no request was lost"


def combinations():
    for values in itertools.product(*FORWARDED.values(), CODINGS):
        yield dict(zip([*FORWARDED, "Accept-Encoding"], values))


def strangers(port: int, path: str) -> tuple[int, collections.Counter]:
    """Answers that are another's, each combination asked for three times in mixed order, and what the cache says of itself."""
    asked = [headers for headers in combinations() for _ in range(3)]
    random.Random(1).shuffle(asked)
    wrong, cache = 0, collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        answers = clients.map(lambda headers: (headers, get(port, path, headers)), asked)
        for headers, (status, told, page) in answers:
            assert status == 200, page
            echoed = page["parts"]["echo"]["data"]
            wrong += any(echoed[name] != headers[name] for name in FORWARDED)
            cache[told.get("X-Cache")] += 1
    return wrong, cache


def caches(port: int, careless: int) -> None:
    count = sum(1 for _ in combinations())
    wrong, cache = strangers(port, "/open/cached")
    assert wrong == 0, f"{wrong} answers were another's"
    assert cache["HIT"] >= count, f"hardly a hit: {cache}"
    print(f"a cache, public: {count} combinations of headers, nobody was served another's page; {dict(cache)}")
    wrong, cache = strangers(port, "/own/cached")
    assert wrong == 0 and cache["HIT"] == 0, f"{wrong} answers were another's; {cache}"
    print(f"a cache, private: nothing is kept; {dict(cache)}")
    # The same question, asked of a cache that does not read Vary: it must find what is wrong there.
    wrong, _ = strangers(careless, "/open/careless")
    assert wrong > count, f"only {wrong} of {3 * count} answers were another's"


def main() -> None:
    nginx = installed("nginx", "nginx", "libnginx-mod-stream")
    if not STREAM.exists():
        sys.exit(f"{STREAM} is missing: install Debian's package libnginx-mod-stream")
    names = ["echo", "forwarding", "keeping", "caching", "careless", "speaking"]
    gateways = {
        "forwarded": ('client_address = "x-forwarded-for"\ntrusted_proxies = ["127.0.0.1"]', 'rate = "1/h"\nburst = 3'),
        "spoken": ('client_address = "proxy-protocol"\ntrusted_proxies = ["127.0.0.1"]', 'rate = "1/h"\nburst = 3'),
        "plain": ("", 'rate = "none"'),
    }
    names += [name for gateway in gateways for name in (gateway, f"{gateway}-admin")]
    ports = dict(zip(names, free_ports(len(names))))
    with contextlib.ExitStack() as running:
        home = pathlib.Path(running.enter_context(tempfile.TemporaryDirectory()))
        echo = Server(("127.0.0.1", ports["echo"]), Echo)
        running.callback(echo.shutdown)
        threading.Thread(target=echo.serve_forever, daemon=True).start()
        for name, (server, clients) in gateways.items():
            file = behind(name, home, ports, server, clients)
            running.enter_context(process(home / f"{name}.log", GATEWAY, "run", "--config", file))
        file = in_front(home, ports)
        running.enter_context(process(home / "nginx.log", nginx, "-c", file, "-p", home, "-e", "stderr"))
        for gateway in gateways:
            until_answered(ports[f"{gateway}-admin"], "/readyz")
        until_answered(ports["keeping"], "/own/1")
        # Of its own gateway's connections only, so before the cache opens others to it.
        idling = running.enter_context(concurrent.futures.ThreadPoolExecutor(1)).submit(idle, ports["keeping"], ports["plain"])
        quotas(ports["forwarding"], ports["forwarded"], "x-forwarded-for")
        quotas(ports["speaking"], ports["spoken"], "proxy-protocol")
        forged_proxy_line(ports["spoken"])
        print(f"a balancer: {idling.result(timeout=IDLE_S + 60)}")
        caches(ports["caching"], ports["careless"])


if __name__ == "__main__":
    main()
