"""TLS: whom we trust, who we are, and what is said when either is wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from support import Machine, client
from support.scripted import ScriptedServer

from .kit import TlsServer, fails, plain_port


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(ca: trustme.CA, machine: Machine) -> str:
    path = machine.home / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def mutual(ca: trustme.CA) -> Iterator[TlsServer]:
    """A server that wants to know who we are."""
    with TlsServer(ca, wants=ca) as server:
        yield server


@pytest.fixture
def own(ca: trustme.CA, machine: Machine) -> trustme.LeafCert:
    """Our certificate, written to cert.pem and key.pem, and to both.pem."""
    leaf = ca.issue_cert("client.example.test")
    leaf.cert_chain_pems[0].write_to_path(str(machine.home / "cert.pem"))
    leaf.private_key_pem.write_to_path(str(machine.home / "key.pem"))
    leaf.private_key_and_cert_chain_pem.write_to_path(str(machine.home / "both.pem"))
    return leaf


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_ca_of_ones_own_is_named_by_a_variable(machine: Machine, ca: trustme.CA, bundle: str, variable: str) -> None:
    with TlsServer(ca) as server:
        done = machine.run("token", "-o", "raw", env=client(server, **{variable: bundle}))
        assert (done.code, done.out, done.err) == (0, "tok-1\n", "")


def test_a_certificate_of_an_unknown_ca_is_not_trusted(machine: Machine, ca: trustme.CA) -> None:
    with TlsServer(ca) as server:
        done = fails(machine, server, 2)
        assert "the certificate of 127.0.0.1 is not trusted" in done.error
        assert "REQUESTS_CA_BUNDLE" in done.hint
        assert not server.requests


def test_a_certificate_of_another_host_is_not_trusted(machine: Machine, ca: trustme.CA, bundle: str) -> None:
    with TlsServer(ca, host="login.example.test") as server:
        url = f"https://127.0.0.1:{server.port}/oauth/token"
        done = fails(machine, server, 2, REQUESTS_CA_BUNDLE=bundle, GC_CREDHELPER_TOKEN_URL=url)
        assert "is not trusted" in done.error
        assert not server.requests


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize(
    "content", [None, b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_bundle_of_no_use_is_named_with_its_variable(
    machine: Machine, ca: trustme.CA, variable: str, content: bytes | None
) -> None:
    path = machine.home / "bad.pem"
    if content is not None:
        path.write_bytes(content)
    with TlsServer(ca) as server:
        done = fails(machine, server, 2, **{variable: str(path)})
        assert f"the CA bundle {path} (variable {variable}) cannot be used" in done.error
        assert variable in done.hint
        assert not server.requests


def test_a_bundle_is_of_no_concern_to_a_loopback_without_tls(machine: Machine, scripted: ScriptedServer) -> None:
    assert machine.run("token", env=client(scripted, REQUESTS_CA_BUNDLE="nowhere.pem")).code == 0


@pytest.mark.parametrize("names", [("cert.pem", "key.pem"), ("both.pem", "")])
def test_a_server_that_wants_our_certificate_gets_it(
    machine: Machine, ca: trustme.CA, bundle: str, own: trustme.LeafCert, names: tuple[str, str]
) -> None:
    cert, key = names
    env = {"GC_CREDHELPER_CLIENT_CERT": str(machine.home / cert)}
    if key:
        env["GC_CREDHELPER_CLIENT_KEY"] = str(machine.home / key)
    with TlsServer(ca, wants=ca) as server:
        done = machine.run("token", "-o", "raw", env=client(server, REQUESTS_CA_BUNDLE=bundle, **env))
        assert (done.code, done.out) == (0, "tok-1\n"), done.err


def test_without_our_certificate_the_hint_names_the_settings(machine: Machine, ca: trustme.CA, bundle: str) -> None:
    with TlsServer(ca, wants=ca) as server:
        done = fails(machine, server, 2, REQUESTS_CA_BUNDLE=bundle)
        assert "wants a client certificate that it trusts" in done.error
        assert "client_cert" in done.hint
        assert not server.requests


def test_a_certificate_that_the_server_does_not_know_is_a_matter_of_configuration(
    machine: Machine, ca: trustme.CA, bundle: str, own: trustme.LeafCert
) -> None:
    with TlsServer(ca, wants=trustme.CA()) as server:
        cert = str(machine.home / "both.pem")
        done = fails(machine, server, 2, REQUESTS_CA_BUNDLE=bundle, GC_CREDHELPER_CLIENT_CERT=cert)
        assert "wants a client certificate that it trusts" in done.error
        assert not server.requests


def _other_key(folder: Path) -> None:
    trustme.CA().issue_cert("x").private_key_pem.write_to_path(str(folder / "key.pem"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "cert.pem").unlink(), "No such file"),
        (lambda folder: (folder / "key.pem").unlink(), "No such file"),
        (lambda folder: (folder / "cert.pem").write_text("junk"), "cannot be used"),
        (lambda folder: (folder / "key.pem").write_text(""), "cannot be used"),
        (_other_key, "mismatch"),
    ],
    ids=["no certificate", "no key", "junk", "an empty key", "another key"],
)
def test_a_client_certificate_of_no_use_is_named(
    machine: Machine, mutual: TlsServer, own: trustme.LeafCert, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(machine.home)
    cert, key = str(machine.home / "cert.pem"), str(machine.home / "key.pem")
    done = fails(machine, mutual, 2, GC_CREDHELPER_CLIENT_CERT=cert, GC_CREDHELPER_CLIENT_KEY=key)
    assert f"the client certificate {cert} with key {key} cannot be used" in done.error
    assert said in done.error
    assert "client_cert" in done.hint
    assert not mutual.requests


def test_an_encrypted_key_is_said_and_nobody_is_asked_for_its_password(
    machine: Machine, ca: trustme.CA, bundle: str, own: trustme.LeafCert
) -> None:
    key = serialization.load_pem_private_key(own.private_key_pem.bytes(), None)
    (machine.home / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"canary-word"),
        )
    )
    cert, path = str(machine.home / "cert.pem"), str(machine.home / "key.pem")
    env = {"REQUESTS_CA_BUNDLE": bundle, "GC_CREDHELPER_CLIENT_CERT": cert, "GC_CREDHELPER_CLIENT_KEY": path}
    with TlsServer(ca, wants=ca) as server:
        assert "encrypted" in fails(machine, server, 2, **env).error


def test_a_key_without_a_certificate_is_half_a_pair(machine: Machine, scripted: ScriptedServer) -> None:
    done = machine.run("token", env=client(scripted, GC_CREDHELPER_CLIENT_KEY="key.pem"))
    assert (done.code, done.out) == (2, "")
    assert "client_cert" in done.error


def test_https_on_a_port_without_tls_is_a_matter_of_configuration(machine: Machine, scripted: ScriptedServer) -> None:
    with plain_port(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as port:
        done = fails(machine, scripted, 2, GC_CREDHELPER_TOKEN_URL=f"https://127.0.0.1:{port}/oauth/token")
        assert "no TLS connection to 127.0.0.1" in done.error
        assert "port" in done.hint


def test_http_on_a_port_with_tls_is_not_a_token(machine: Machine, ca: trustme.CA) -> None:
    with TlsServer(ca) as server:
        url = f"http://127.0.0.1:{server.port}/oauth/token"
        done = machine.run("token", env=client(server, GC_CREDHELPER_TOKEN_URL=url, GC_CREDHELPER_DEADLINE="1s"))
        assert (done.code in (5, 6), done.out) == (True, ""), done.err
        assert done.error
        assert done.hint
        assert not server.requests


def test_plain_http_to_another_machine_is_refused_before_anything_is_sent(
    machine: Machine, scripted: ScriptedServer
) -> None:
    done = fails(machine, scripted, 2, GC_CREDHELPER_TOKEN_URL="http://login.example.test/oauth/token")
    assert "https" in done.error
