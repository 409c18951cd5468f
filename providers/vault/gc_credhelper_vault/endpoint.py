"""Where the store is and how its TLS is checked, decided from settings and variables before anything is asked."""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from gc_credhelper.errors import UsageError
from gc_credhelper.kinds import is_loopback
from gc_credhelper.roles import Context
from gc_credhelper.tlsfiles import flaw_of_ca, flaw_of_certificate

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
        if isinstance(self.verify, str) and (flaw := flaw_of_ca(self.verify)):
            hint = "check vault.cacert (VAULT_CACERT), else REQUESTS_CA_BUNDLE and SSL_CERT_FILE; it must be PEM"
            raise UsageError(f"the CA file {self.verify} cannot be used: {flaw}", hint=hint)
        if self.certificate:
            cert, key = (self.certificate, None) if isinstance(self.certificate, str) else self.certificate
            if flaw := flaw_of_certificate(cert, key):
                hint = "vault.client_cert must name a PEM file, and vault.client_key that of its key"
                raise UsageError(f"the client certificate {cert} cannot be used: {flaw}", hint=hint)


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
