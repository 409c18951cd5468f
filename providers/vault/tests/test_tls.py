"""TLS, client certificates, sockets and a sealed server, on servers of their own."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from gc_credhelper.errors import CredentialsError, TemporaryError, UsageError
from support.hunting import canary, failing, soon
from vaultkit import ID, SECRET, Realm, answers, free_port, make_realm, role, running

CONFIG = """
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_cert_file = "{cert}"
  tls_key_file = "{key}"
  {more}
}}
"""


@dataclass
class Secure:
    """A server with a TLS listener, a listener that wants a client certificate, and its files."""

    addr: str
    strict: str
    plain: str
    ca: Path
    client: Path
    nameless: Path
    stranger: Path


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    directory = tmp_path_factory.mktemp("tls")
    ca, other = trustme.CA(), trustme.CA()
    cert = ca.issue_cert("localhost", "vault.test")
    paths = {name: directory / f"{name}.pem" for name in ("ca", "cert", "key", "client", "nameless", "stranger")}
    ca.cert_pem.write_to_path(str(paths["ca"]))
    cert.cert_chain_pems[0].write_to_path(str(paths["cert"]))
    cert.private_key_pem.write_to_path(str(paths["key"]))
    ca.issue_cert("ci@runner.test", common_name="ci").private_key_and_cert_chain_pem.write_to_path(str(paths["client"]))
    ca.issue_cert("x@runner.test").private_key_and_cert_chain_pem.write_to_path(str(paths["nameless"]))
    other.issue_cert("e@e.test", common_name="e").private_key_and_cert_chain_pem.write_to_path(str(paths["stranger"]))
    port, strict, plain = free_port(), free_port(), free_port()
    must = f'tls_require_and_verify_client_cert = true\n  tls_client_ca_file = "{paths["ca"]}"'
    files = {"cert": paths["cert"], "key": paths["key"]}
    config = CONFIG.format(port=port, more="", **files) + CONFIG.format(port=strict, more=must, **files)
    (directory / "bao.hcl").write_text(config)
    argv = ("server", "-dev", "-dev-root-token-id=root-canary", f"-dev-listen-address=127.0.0.1:{plain}",
            "-dev-no-store-token", f"-config={directory / 'bao.hcl'}")  # fmt: skip
    ready = answers(f"https://localhost:{port}/v1/sys/health", verify=str(paths["ca"]))
    with running(directory, *argv, ready=ready):
        yield Secure(
            f"https://localhost:{port}",
            f"https://localhost:{strict}",
            f"http://127.0.0.1:{plain}",
            paths["ca"],
            paths["client"],
            paths["nameless"],
            paths["stranger"],
        )


@pytest.fixture
def tls(secure: Secure) -> Realm:
    made = make_realm(secure.plain, "root-canary")
    made.addr = secure.addr
    return made


@pytest.mark.parametrize("name", ["VAULT_CACERT", "BAO_CACERT"])
def test_the_ca_of_vaults_variable_is_trusted(tls: Realm, read: Any, secure: Secure, name: str) -> None:
    assert read(tls.env(**{name: str(secure.ca)})) == (ID, SECRET)


def test_the_platforms_ca_variable_is_obeyed(
    tls: Realm, read: Any, secure: Secure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(secure.ca))
    assert read(tls.env()) == (ID, SECRET)


def test_a_directory_of_cas_is_trusted(tls: Realm, read: Any, secure: Secure, tmp_path: Path) -> None:
    (tmp_path / "cas").mkdir()
    (tmp_path / "cas" / "ca.pem").write_bytes(secure.ca.read_bytes())
    subprocess.run(["openssl", "rehash", str(tmp_path / "cas")], check=True)
    assert read(tls.env(VAULT_CAPATH=str(tmp_path / "cas"))) == (ID, SECRET)


def test_a_certificate_of_an_unknown_ca_is_refused_before_the_token_is_sent(tls: Realm, read: Any) -> None:
    error = failing(UsageError, lambda: read(tls.env()))
    assert "is not trusted" in str(error)
    assert "VAULT_CACERT" in error.hint


def test_a_ca_file_that_is_none_is_named(tls: Realm, read: Any, tmp_path: Path) -> None:
    assert "gone.pem" in str(failing(UsageError, lambda: read(tls.env(VAULT_CACERT=str(tmp_path / "gone.pem")))))
    (tmp_path / "not.pem").write_text("no")
    assert "not.pem" in str(failing(UsageError, lambda: read(tls.env(VAULT_CACERT=str(tmp_path / "not.pem")))))


def test_the_name_in_the_certificate_can_be_another_than_that_of_the_address(
    tls: Realm, read: Any, secure: Secure
) -> None:
    env = tls.env(VAULT_CACERT=str(secure.ca)) | {"VAULT_ADDR": secure.addr.replace("localhost", "127.0.0.1")}
    assert "is not trusted" in str(failing(UsageError, lambda: read(env)))
    assert read(env | {"VAULT_TLS_SERVER_NAME": "vault.test"}) == (ID, SECRET)
    assert "is not trusted" in str(failing(UsageError, lambda: read(env | {"VAULT_TLS_SERVER_NAME": "evil.test"})))


@pytest.mark.parametrize("value", ["1", "true", "T"])
def test_the_check_can_be_skipped_on_this_machine_with_a_warning(tls: Realm, provider: Any, value: str) -> None:
    built = provider(tls.env(VAULT_SKIP_VERIFY=value))
    assert built.plugin.credentials(soon()).client_id == ID
    assert any(line.startswith("warning: the certificate of localhost is not checked") for line in built.said)


def test_a_variable_that_says_no_skips_nothing(tls: Realm, read: Any) -> None:
    failing(UsageError, lambda: read(tls.env(VAULT_SKIP_VERIFY="false")))


def test_our_own_no_is_nearer_than_vaults_yes(tls: Realm, read: Any) -> None:
    failing(UsageError, lambda: read(tls.env(VAULT_SKIP_VERIFY="1"), skip_verify="no"))


def test_a_word_that_is_neither_yes_nor_no_is_a_mistake(tls: Realm, provider: Any) -> None:
    assert "VAULT_SKIP_VERIFY" in str(failing(UsageError, lambda: provider(tls.env(VAULT_SKIP_VERIFY="maybe"))))


@pytest.mark.parametrize("name", ["VAULT_SKIP_VERIFY", "BAO_SKIP_VERIFY"])
def test_vaults_variable_skips_nothing_on_the_way_to_another_host(provider: Any, name: str) -> None:
    error = failing(UsageError, lambda: provider({"VAULT_ADDR": "https://vault.test", name: "true"}))
    assert name in str(error)


def test_our_own_setting_skips_the_check_anywhere_with_a_warning(provider: Any) -> None:
    built = provider({"VAULT_ADDR": "https://vault.test"}, skip_verify="true")
    assert any("vault.test is not checked" in line for line in built.said)


def test_plain_http_to_a_tls_port_says_so(tls: Realm, read: Any) -> None:
    error = failing(UsageError, lambda: read(tls.env() | {"VAULT_ADDR": tls.addr.replace("https", "http")}))
    assert "speaks TLS" in str(error)


def test_tls_to_a_plain_port_says_so(tls: Realm, read: Any, secure: Secure) -> None:
    env = tls.env() | {"VAULT_ADDR": secure.plain.replace("http:", "https:")}
    assert "no TLS connection" in str(failing(UsageError, lambda: read(env)))


def test_a_client_certificate_is_shown_when_the_server_wants_one(tls: Realm, read: Any, secure: Secure) -> None:
    env = tls.env(VAULT_CACERT=str(secure.ca)) | {"VAULT_ADDR": secure.strict}
    assert read(env | {"VAULT_CLIENT_CERT": str(secure.client)}) == (ID, SECRET)
    assert "client certificate" in str(failing(UsageError, lambda: read(env)))


def test_a_client_certificate_that_cannot_be_used_is_named(tls: Realm, read: Any, tmp_path: Path) -> None:
    env = tls.env(VAULT_CLIENT_CERT=str(tmp_path / "gone.pem"))
    assert "gone.pem" in str(failing(UsageError, lambda: read(env)))
    assert "vault.client_key" in str(failing(UsageError, lambda: read(tls.env(VAULT_CLIENT_KEY="k.pem"))))


def test_the_login_cert_takes_the_client_certificate(tls: Realm, read: Any, secure: Secure) -> None:
    tls.root.sys.enable_auth_method("cert")
    data = {"certificate": secure.ca.read_text(), "token_policies": ["gc-credhelper"]}
    tls.root.write_data("auth/cert/certs/ci", data=data)
    env = tls.env("", VAULT_CACERT=str(secure.ca))
    assert read(env, auth="cert", client_cert=str(secure.client)) == (ID, SECRET)
    assert read(env, auth="cert", role="ci", client_cert=str(secure.client)) == (ID, SECRET)
    nameless = failing(CredentialsError, lambda: read(env, auth="cert", client_cert=str(secure.nameless)))
    assert "no common name" in str(nameless)
    stranger = failing(CredentialsError, lambda: read(env, auth="cert", client_cert=str(secure.stranger)))
    assert "login with cert" in str(stranger)
    assert "vault.client_cert" in str(failing(UsageError, lambda: read(env, auth="cert")))


# --- an agent on a socket


@pytest.fixture
def agent(realm: Realm, tmp_path: Path) -> Iterator[tuple[str, int]]:
    """An agent that logs in by itself and adds its token; its socket and its id."""
    made = role(realm)
    (tmp_path / "role_id").write_text(made.role_id)
    (tmp_path / "secret_id").write_text(made.secret_id())
    path, port = tmp_path / "agent.sock", free_port()
    (tmp_path / "agent.hcl").write_text(
        f"""
        vault {{ address = "{realm.addr}" }}
        auto_auth {{
          method "approle" {{
            namespace = "{realm.namespace}"
            config = {{
              role_id_file_path = "{tmp_path}/role_id"
              secret_id_file_path = "{tmp_path}/secret_id"
              remove_secret_id_file_after_reading = false
            }}
          }}
        }}
        api_proxy {{ use_auto_auth_token = true }}
        listener "unix" {{ address = "{path}"
          tls_disable = true
          require_request_header = true }}
        listener "tcp" {{ address = "127.0.0.1:{port}"
          tls_disable = true }}
        """
    )
    url = f"http://127.0.0.1:{port}/v1/auth/token/lookup-self"
    ready = answers(url, headers={"X-Vault-Namespace": realm.namespace})
    with running(tmp_path / "agent", "agent", f"-config={tmp_path / 'agent.hcl'}", ready=ready) as pid:
        yield f"unix://{path}", pid


def test_an_agent_on_a_socket_adds_the_token(realm: Realm, read: Any, agent: tuple[str, int]) -> None:
    env = {"VAULT_AGENT_ADDR": agent[0], "VAULT_NAMESPACE": realm.namespace, "VAULT_ADDR": "https://vault.test"}
    assert read(env, auth="none") == (ID, SECRET)


def test_an_agent_that_hangs_ends_with_our_time_limit(realm: Realm, read: Any, agent: tuple[str, int]) -> None:
    os.kill(agent[1], signal.SIGSTOP)
    env = {"VAULT_AGENT_ADDR": agent[0], "VAULT_NAMESPACE": realm.namespace}
    failing(TemporaryError, lambda: read(env, auth="none", timeout="300ms"))


def test_a_socket_that_is_not_there_is_temporary_and_named(read: Any, tmp_path: Path) -> None:
    env = {"VAULT_ADDR": f"unix://{tmp_path}/gone.sock"}
    assert "socket" in str(failing(TemporaryError, lambda: read(env, auth="none")))


# --- sealed


def test_a_server_that_is_not_initialised_or_sealed_is_temporary(read: Any, tmp_path: Path) -> None:
    addr = f"http://127.0.0.1:{free_port()}"
    (tmp_path / "s.hcl").write_text(
        f'storage "inmem" {{}}\nlistener "tcp" {{ address = "{addr[7:]}"\n tls_disable = true }}\n'
    )
    env = {"VAULT_ADDR": addr, "VAULT_TOKEN": canary("s.sealed-canary")}
    with running(
        tmp_path / "sealed", "server", f"-config={tmp_path / 's.hcl'}", ready=answers(f"{addr}/v1/sys/health", 501)
    ):
        first = failing(TemporaryError, lambda: read(env, kv_version=2))
        assert "initialised" in str(first) or "sealed" in str(first)
        keys = requests.put(f"{addr}/v1/sys/init", json={"secret_shares": 1, "secret_threshold": 1}, timeout=10).json()
        assert keys["keys"]
        assert "sealed" in str(failing(TemporaryError, lambda: read(env, kv_version=2)))
