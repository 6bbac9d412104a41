"""TLS: a certificate that has expired, or is for another host, is a verdict; one that is trusted is no trouble."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import ssl
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conformance.faults import service

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Authority:
    """An authority of this test; a process trusts it by the variable SSL_CERT_FILE."""

    def __init__(self, folder: Path) -> None:
        self.key, self.folder = ec.generate_private_key(ec.SECP256R1()), folder
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
        self.file = folder / "authority.pem"
        own = self._builder(self.name, self.key, NOW + DAY)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file.write_bytes(own.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime.datetime):
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 30 * DAY)
            .not_valid_after(until)
        )

    def context(self, address: str, until: datetime.datetime) -> ssl.SSLContext:
        """Return a context with a certificate for an address."""
        key, file = ec.generate_private_key(ec.SECP256R1()), self.folder / "leaf.pem"
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a service")])
        holder = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        leaf = self._builder(name, key, until).add_extension(holder, critical=False).sign(self.key, hashes.SHA256())
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + secret)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


async def command(url: str, authority: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "conformance", url, "--quiet", "--only", "oai.post",
        env=os.environ | {"SSL_CERT_FILE": str(authority)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


@pytest.mark.parametrize(
    ("address", "until", "says"),
    [
        ("127.0.0.1", NOW + DAY, ""),
        ("127.0.0.1", NOW - DAY, "certificate has expired"),
        ("127.0.0.2", NOW + DAY, "not valid for '127.0.0.1'"),
    ],
    ids=["good", "expired", "of another host"],
)
async def test_a_certificate_is_judged(aiohttp_server, tmp_path, address, until, says: str) -> None:
    authority = Authority(tmp_path)
    server = await aiohttp_server(service(), ssl=authority.context(address, until))
    code, out = await command(f"https://127.0.0.1:{server.port}/oai", authority.file)
    assert code == (1 if says else 0), out
    assert says in out
    assert "Traceback" not in out
    assert not says or "the TLS connection is not trusted" in out
