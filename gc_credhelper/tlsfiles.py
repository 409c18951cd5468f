"""TLS files: what is wrong with a CA bundle or a client certificate, before a library trips over it.

The library would find the same, but not say whose file it was.
"""

import ssl
from pathlib import Path


class _Encrypted(Exception):
    pass


def flaw_of_ca(path: str) -> str:
    """Why the file of certificates cannot be used; empty when it can, or when it is a directory."""
    try:
        if not Path(path).is_dir():
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as e:
        return _reason(e)
    return ""


def flaw_of_certificate(certificate: str, key: str | None) -> str:
    """Why the client certificate cannot be used; empty when it can."""

    def no_password() -> str:  # or OpenSSL would ask for one on the terminal, and wait
        raise _Encrypted

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, no_password)
    except _Encrypted:
        return "its key is encrypted; decrypt it into a file of mode 0600"
    except OSError as e:
        return _reason(e)
    return ""


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").replace("_", " ").lower()
    return error.strerror or type(error).__name__
