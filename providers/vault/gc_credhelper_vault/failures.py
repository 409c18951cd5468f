"""What a failure of the network or of the HTTP library means, in our words."""

import http.client
import socket
import ssl

from gc_credhelper.errors import Error, TemporaryError, UsageError, causes

_AGAIN = "try again"
_ADDRESS = "check vault.addr (variable VAULT_ADDR)"
_NETWORK = "try again; check the network, HTTPS_PROXY and NO_PROXY"
_CLOSED = "try again; check http or https in vault.addr, the network, HTTPS_PROXY and NO_PROXY"
_TRUST = "name the CA with vault.cacert (variable VAULT_CACERT)"

_FAILURES: tuple[tuple[tuple[type[BaseException], ...], type[Error], str, str], ...] = (
    ((TimeoutError,), TemporaryError, "{} did not answer in time", _NETWORK),
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), TemporaryError, "{} closed the connection", _CLOSED),
    ((ssl.SSLError,), UsageError, "no TLS connection to {} can be agreed on", "is it https, and the right port?"),
    ((http.client.IncompleteRead,), TemporaryError, "{} cut the answer short", _AGAIN),
    ((socket.gaierror,), TemporaryError, "the name {} cannot be resolved", _NETWORK),
    (
        (ConnectionRefusedError,),
        TemporaryError,
        "{} refused the connection",
        "is it running, and the port right? Try again",
    ),
    (
        (FileNotFoundError,),
        TemporaryError,
        "there is no socket {}",
        "is the agent running, and the path right? Try again",
    ),
    ((PermissionError,), UsageError, "{} may not be connected to", "who may open the socket of the agent?"),
    ((ConnectionError,), TemporaryError, "{} closed the connection", _CLOSED),
    ((http.client.HTTPException,), UsageError, "{} did not answer in HTTP", _ADDRESS),
)


# Of the library's own classes, which are not imported here; by name, the first that is among the causes.
_FOREIGN: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"ProxyError"}), "the proxy for {} does not serve", "check HTTPS_PROXY and NO_PROXY"),
    (frozenset({"Timeout", "ConnectTimeout", "ReadTimeout"}), "{} did not answer in time", _NETWORK),
)
_CUT = frozenset({"ConnectionError", "ChunkedEncodingError", "ProtocolError"})


def failure(error: OSError, host: str) -> Error:
    """Our error for one of the library's. Its own text is not used: it may show a proxy's password."""
    wrapped = list(causes(error))
    names = {type(cause).__name__ for cause in wrapped}
    for cause in wrapped:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return UsageError(f"the certificate of {host} is not trusted: {cause.verify_message}", hint=_TRUST)
        if isinstance(cause, ssl.SSLError) and "CERTIFICATE_REQUIRED" in (cause.reason or ""):
            return UsageError(f"{host} wants a client certificate", hint="set vault.client_cert and vault.client_key")
    for foreign, words, hint in _FOREIGN:
        if foreign & names:
            return TemporaryError(words.format(host), hint=hint)
    for kinds, kind, words, hint in _FAILURES:
        if any(isinstance(cause, kinds) for cause in wrapped):
            return kind(words.format(host), hint=hint)
    if _CUT & names:
        return TemporaryError(f"{host} closed the connection", hint=_CLOSED)
    return UsageError(f"no request can be made to {host} ({type(error).__name__})", hint=_ADDRESS)
