"""The proxy of downloads beside the web server whose file it streams: the same file, read by the same client.

``direct`` is nginx itself; ``through the proxy`` it is read from nginx or from the disk, checked, and sent.

"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import requests
from rich.console import Console
from rich.table import Table

from tests.support.redis import free_port
from tests.support.server import serve

SIZE = int(os.environ.get("DOWNLOAD_MB", "512")) * 1_000_000
ROUNDS = 5
SCOPE = "bench"
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ }}
http {{ access_log off; sendfile on; client_body_temp_path {folder}; proxy_temp_path {folder};
 fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
 server {{ listen 127.0.0.1:{port}; root {root}; }} }}
"""


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """Run a server until the end of the block."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def nginx(root: Path, folder: Path, port: int) -> list[str]:
    """Return the command of a web server of a folder."""
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, root=root, port=port))
    return [shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(config)]


def rate(url: str) -> float:
    """Read a URL and return MB per second."""
    begun, size, buffer = time.perf_counter(), 0, bytearray(1 << 20)
    with requests.get(url, stream=True, timeout=600, headers={"Accept-Encoding": "identity"}) as answer:
        answer.raise_for_status()
        while count := answer.raw.readinto(buffer):
            size += count
    assert size == SIZE, f"{size} bytes of {SIZE} came from {url}"
    return size / (time.perf_counter() - begun) / 1e6


def fill(data: Path, path: Path, url: str) -> None:
    """Put two files with the same content into the catalogue of a stopped server: one on the disk, one elsewhere."""
    content = path.read_bytes()
    adler, md5 = f"{zlib.adler32(content):08x}", hashlib.md5(content).hexdigest()
    with sqlite3.connect(data / "penstock.db") as db:
        db.execute("INSERT INTO lake__sites (name, medium) VALUES ('site', 'DISK')")
        for name, place, where in (("local", None, str(path)), ("remote", url, None)):
            db.execute(
                "INSERT INTO lake__files (did, scope, name, size_bytes, adler32, md5, media_type) "
                "VALUES (?, ?, ?, ?, ?, ?, 'application/fits')",
                (f"{SCOPE}:{name}", SCOPE, name, SIZE, adler, md5),
            )
            db.execute(
                "INSERT INTO lake__replicas (did, site, state, url, path) VALUES (?, 'site', 'AVAILABLE', ?, ?)",
                (f"{SCOPE}:{name}", place, where),
            )


def main() -> None:
    """Print the table."""
    table = Table(title=f"one file of {SIZE / 1e6:,.0f} MB, one client", title_justify="left")
    for heading in ("from", "MB/s", "of nginx", "memory growth MB"):
        table.add_column(heading, justify="right")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root, data = folder / "root", folder / "data"
        root.mkdir()
        path = root / "file"
        path.write_bytes(os.urandom(1_000_000) * (SIZE // 1_000_000))
        port = free_port()
        direct = f"http://127.0.0.1:{port}/file"
        with serve(data, "datalink"):
            pass  # makes the tables
        fill(data, path, direct)
        settings = {"PENSTOCK_LOG_LEVEL": "warning", "PENSTOCK_ALLOW_PRIVATE_ADDRESSES": "true"}
        with running(nginx(root, folder, port), port), serve(data, "datalink", **settings) as server:
            urls = {
                "nginx, direct": direct,
                "nginx, through the proxy": f"{server.base}/datalink/data/{SCOPE}/remote",
                "disk, through the proxy": f"{server.base}/datalink/data/{SCOPE}/local",
            }
            for url in urls.values():
                rate(url)
            process = psutil.Process(server.process.pid)
            before = process.memory_info().rss
            rates: dict[str, list[float]] = {what: [] for what in urls}
            for _ in range(ROUNDS):
                for what, url in urls.items():
                    rates[what].append(rate(url))
            growth = (process.memory_info().rss - before) / 1e6
        floor = statistics.median(rates["nginx, direct"])
        for what, seen in rates.items():
            median = statistics.median(seen)
            grown = "" if what == "nginx, direct" else f"{growth:.1f}"
            table.add_row(what, f"{median:,.0f}", f"{median / floor:.2f}", grown)
    Console(width=120).print(table)
