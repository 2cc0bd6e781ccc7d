"""Where the server may listen: to the world only over TLS, or when told so in plain words."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from culm.core.errors import FieldFault, Misconfigured
from culm.core.urls import is_loopback_host

ALLOW_FLAG = "--allow-plain-http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """An address to listen on, and the files for TLS if it is spoken."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    allow_plain_http: bool = False

    def check(self) -> Binding:
        """This binding, if tokens do not travel readable over a network by it.

        Raises:
            Misconfigured: it is public without TLS, or the TLS files are not a pair.
        """
        if (self.certificate is None) != (self.key is None):
            raise Misconfigured("TLS needs both --tls-certificate and --tls-key")
        if self.certificate is not None and self.key is not None:
            _check_pair(self.certificate, self.key)
        is_open = not is_loopback_host(self.host) and self.certificate is None
        if is_open and not self.allow_plain_http:
            fault = FieldFault("server_host", self.host, "127.0.0.1, or TLS")
            raise Misconfigured(
                f"{self.host} can be reached from outside, and without TLS tokens can be read",
                faults=[fault],
                hint="give --tls-certificate and --tls-key; behind a proxy that speaks TLS, "
                f"give {ALLOW_FLAG}",
            )
        return self


def _check_pair(certificate: Path, key: Path) -> None:
    """Pass if these are a certificate and its key; a key with a passphrase is none.

    Raises:
        Misconfigured: they are not.
    """
    for path in (certificate, key):
        if not path.is_file():
            raise Misconfigured(f"no file {path}")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # No passphrase is ever asked for: nobody sits at a server.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise Misconfigured(
            f"{certificate} and {key} are no certificate and its key: {error}",
            hint="both are PEM files, the key has no passphrase: openssl x509 -in CERTIFICATE",
        ) from error
