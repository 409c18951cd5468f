"""Where the store is and how its TLS is checked, decided from settings and variables before anything is asked."""

import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from gc_credhelper.errors import UsageError
from gc_credhelper.roles import Context
from gc_credhelper.settings import is_loopback

from .settings import switch

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`base`: the URL, or that of a socket's agent. `verify`: a CA file or directory, True for the system's, False."""

    base: str
    socket: str
    host: str
    verify: str | bool
    certificate: str | tuple[str, str] | None
    server_name: str | None
    namespace: str | None

    @property
    def is_near(self) -> bool:
        """On this machine: no proxy is for it."""
        return bool(self.socket) or is_loopback(urlsplit(self.base).hostname or "")

    def check_files(self) -> None:
        """UsageError for a CA or a certificate that cannot be used; the library would not say whose file it was."""
        if isinstance(self.verify, str):
            try:
                if not Path(self.verify).is_dir():
                    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(self.verify)
            except OSError as e:
                hint = "check vault.cacert (VAULT_CACERT), else REQUESTS_CA_BUNDLE and SSL_CERT_FILE; it must be PEM"
                raise UsageError(f"the CA file {self.verify} cannot be used: {_reason(e)}", hint=hint) from None
        if self.certificate:
            _check_certificate(self.certificate)


def endpoint(context: Context) -> Endpoint:
    """UsageError: no address, or a variable that would have any certificate trusted on a way that others are on."""
    settings = context.settings
    address = settings["vault.addr"]
    if not address:
        hint = "set VAULT_ADDR, or vault.addr in the profile"
        raise UsageError("the address of Vault is not set", hint=hint)
    by_socket = address.startswith("unix://")
    host = "the agent's socket" if by_socket else urlsplit(address).hostname or ""
    verify: str | bool = settings["vault.cacert"] or settings["vault.capath"] or _platform_ca() or True
    if address.startswith("https:") and _skips(context, host):
        context.report.warn(f"the certificate of {host} is not checked: whoever is on the way can take the secret")
        verify = False
    certificate, key = settings["vault.client_cert"], settings["vault.client_key"]
    if key and not certificate:
        raise UsageError("vault.client_key is set, but vault.client_cert is not", hint="set both, or neither")
    return Endpoint(
        base="http://localhost" if by_socket else address,
        socket=address.removeprefix("unix://") if by_socket else "",
        host=host,
        verify=verify,
        certificate=(certificate, key) if key else certificate,
        server_name=settings["vault.tls_server_name"],
        namespace=settings["vault.namespace"],
    )


def _skips(context: Context, host: str) -> bool:
    """Is the check of the certificate off? By our own setting anywhere, by Vault's variable on this machine only."""
    if (explicit := context.settings["vault.skip_verify"]) is not None:
        return bool(explicit)
    for name in ("VAULT_SKIP_VERIFY", "BAO_SKIP_VERIFY"):
        if (raw := context.inputs.env(name)) is None:
            continue
        try:
            skips = switch(raw)
        except ValueError as e:
            raise UsageError(f"{name} {e}", hint="unset it, and set vault.cacert") from None
        if skips and not is_loopback(host):
            hint = "set VAULT_CACERT to the CA of the server; vault.skip_verify = true overrides this check"
            raise UsageError(f"{name} would trust any certificate for {host}", hint=hint)
        return skips
    return False


def _platform_ca() -> str | None:
    return next(filter(None, map(os.environ.get, _CA_VARIABLES)), None)


def _check_certificate(certificate: str | tuple[str, str]) -> None:
    cert, key = (certificate, None) if isinstance(certificate, str) else certificate

    def no_password() -> NoReturn:  # or OpenSSL would ask for one on the terminal, and wait
        raise UsageError("the key of vault.client_cert is encrypted", hint="decrypt it into a file of mode 0600")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, no_password)
    except OSError as e:
        hint = "vault.client_cert must name a PEM file, and vault.client_key that of its key"
        raise UsageError(f"the client certificate {cert} cannot be used: {_reason(e)}", hint=hint) from None


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return re.sub("_", " ", error.reason or "not PEM").lower()
    return error.strerror or type(error).__name__
