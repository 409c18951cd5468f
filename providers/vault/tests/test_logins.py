"""Every login on a real server, and what each way to be refused looks like."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hvac
import jwt
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gc_credhelper.config import Layers
from gc_credhelper.errors import CredentialsError, UsageError
from gc_credhelper.plan import Inputs, encode
from gc_credhelper.private import PrivateDir
from gc_credhelper.roles import Context
from issuers import reviewer, service_account
from support.hunting import Said, canary, failing, soon
from support.scripted import ScriptedServer
from support.scripted import http as answer
from vaultkit import ID, SECRET, AppRole, Realm, role

from gc_credhelper_vault.cache import VaultCache
from gc_credhelper_vault.errors import Forbidden
from gc_credhelper_vault.provider import VaultProvider

# --- token


def test_a_token_file_that_is_named_is_nearer_than_the_variable(realm: Realm, read: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(realm.token() + "\n")
    env = realm.env(canary("s.wrong-canary-token"))
    assert read(env, token_file=str(tmp_path / "token")) == (ID, SECRET)


def test_the_variable_is_nearer_than_the_token_of_the_home_directory(realm: Realm, read: Any, tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text(canary("s.wrong-canary-home"))
    assert read(realm.env()) == (ID, SECRET)


@pytest.mark.parametrize("variable", [{}, {"VAULT_TOKEN": ""}])
def test_without_a_variable_the_token_of_the_home_directory_is_taken(
    realm: Realm, read: Any, tmp_path: Path, variable: dict[str, str]
) -> None:
    (tmp_path / ".vault-token").write_text(realm.token())
    assert read(realm.env("") | variable) == (ID, SECRET)


def test_the_twin_of_openbao_is_read(realm: Realm, read: Any) -> None:
    env = {"BAO_ADDR": realm.addr, "BAO_NAMESPACE": realm.namespace, "BAO_TOKEN": realm.token()}
    assert read(env) == (ID, SECRET)


def test_the_variables_of_vault_are_nearer_than_their_twins(realm: Realm, read: Any) -> None:
    env = realm.env() | {"BAO_ADDR": "http://127.0.0.1:1", "BAO_NAMESPACE": "nowhere", "BAO_TOKEN": "s.wrong"}
    assert read(env) == (ID, SECRET)


def test_the_address_of_an_agent_is_nearer_than_that_of_the_server(realm: Realm, read: Any) -> None:
    env = realm.env() | {"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_AGENT_ADDR": realm.addr}
    assert read(env) == (ID, SECRET)


def test_no_token_at_all_says_where_one_is_looked_for(realm: Realm, read: Any) -> None:
    error = failing(CredentialsError, lambda: read(realm.env("")))
    assert "VAULT_TOKEN" in str(error)
    assert "vault.auth" in error.hint


@pytest.mark.parametrize("content", [b"", b"\n", b"one\ntwo", b"\xff\xfe"])
def test_a_token_file_that_holds_no_token_is_named(realm: Realm, read: Any, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    error = failing(CredentialsError, lambda: read(realm.env(""), token_file=str(tmp_path / "token")))
    assert str(tmp_path / "token") in str(error)


def test_a_token_file_that_is_not_there_is_named(realm: Realm, read: Any, tmp_path: Path) -> None:
    error = failing(CredentialsError, lambda: read(realm.env(""), token_file=str(tmp_path / "gone")))
    assert "gone cannot be read" in str(error)


@pytest.mark.parametrize("token", ["s.no-such-token-canary", "hvs.no-such-token-canary", "anything-canary"])
def test_a_token_that_the_server_does_not_know_is_denied(realm: Realm, read: Any, token: str) -> None:
    failing(Forbidden, lambda: read(realm.env(canary(token)), kv_version=2))


def test_a_revoked_token_is_denied(realm: Realm, read: Any) -> None:
    token = realm.token()
    realm.root.auth.token.revoke(token)
    failing(Forbidden, lambda: read(realm.env(token), kv_version=2))


def test_a_token_for_one_use_serves_one_request(realm: Realm, read: Any) -> None:
    env = realm.env(realm.token(num_uses=1))
    assert read(env, kv_version=2) == (ID, SECRET)
    failing(Forbidden, lambda: read(env, kv_version=2))


def test_a_batch_token_serves(realm: Realm, read: Any) -> None:
    made = realm.root.write_data(
        "auth/token/create", data={"policies": ["gc-credhelper"], "type": "batch", "ttl": "1h", "renewable": False}
    )
    assert read(realm.env(canary(made["auth"]["client_token"]))) == (ID, SECRET)


def test_a_token_file_that_was_written_anew_is_read_again_after_a_403(
    realm: Realm, provider: Any, tmp_path: Path
) -> None:
    file = tmp_path / "sink"
    file.write_text(old := realm.token())
    built = provider(realm.env(""), token_file=str(file))
    built.plugin.credentials(soon())
    realm.root.auth.token.revoke(old)
    file.write_text(realm.token())
    assert built.plugin.credentials(soon()).client_id == ID


# --- approle


@pytest.fixture
def approle(realm: Realm) -> AppRole:
    return role(realm)


def test_approle_with_the_secret_id_in_a_variable(approle: AppRole, read: Any) -> None:
    assert read(approle.env(approle.secret_id()), **approle.settings) == (ID, SECRET)


def test_approle_gives_a_batch_token_as_well(realm: Realm, read: Any) -> None:
    batch = role(realm, token_type="batch")
    assert read(batch.env(batch.secret_id()), **batch.settings) == (ID, SECRET)


def test_approle_with_both_halves_in_files(approle: AppRole, read: Any, tmp_path: Path) -> None:
    (tmp_path / "role").write_text(approle.role_id + "\n")
    (tmp_path / "secret").write_text(approle.secret_id() + "\n")
    files = {"role_id_file": str(tmp_path / "role"), "secret_id_file": str(tmp_path / "secret")}
    assert read(approle.realm.env(""), auth="approle", **files) == (ID, SECRET)


def test_the_role_id_may_come_from_vaults_own_variable(approle: AppRole, read: Any) -> None:
    assert read(approle.env(approle.secret_id(), VAULT_ROLE_ID=approle.role_id), auth="approle") == (ID, SECRET)


def test_approle_at_a_mount_of_another_name(realm: Realm, read: Any) -> None:
    other = role(realm, "jenkins/ci")
    secret_id = canary(realm.root.auth.approle.generate_secret_id("ci", mount_point="jenkins/ci")["data"]["secret_id"])
    assert read(other.env(secret_id), **other.settings, auth_mount="auth/jenkins/ci") == (ID, SECRET)


def test_a_wrapped_secret_id_is_unwrapped(approle: AppRole, read: Any) -> None:
    assert read(approle.env(approle.wrapped()), **approle.settings, secret_id_wrapped="true") == (ID, SECRET)


def test_a_wrapped_secret_id_that_was_used_before_is_a_possible_theft(approle: AppRole, read: Any) -> None:
    wrapping = approle.wrapped()
    stolen = hvac.Client(approle.realm.addr, wrapping, namespace=approle.realm.namespace).sys.unwrap()
    canary(stolen["data"]["secret_id"])
    error = failing(CredentialsError, lambda: read(approle.env(wrapping), **approle.settings, secret_id_wrapped="true"))
    assert "possible theft" in str(error)
    assert "new secret id" in error.hint


def test_a_wrapping_token_that_somebody_else_made_is_a_possible_theft(approle: AppRole, read: Any) -> None:
    made = approle.realm.root.sys.wrap({"secret_id": canary("put-in-its-place-canary")}, ttl=60)
    wrapping = canary(made["wrap_info"]["token"])
    error = failing(CredentialsError, lambda: read(approle.env(wrapping), **approle.settings, secret_id_wrapped="true"))
    assert "not made by auth/approle" in str(error)
    assert "possible theft" in str(error)


def test_a_secret_id_that_is_lost_on_the_way_is_not_called_a_theft(scripted: ScriptedServer, read: Any) -> None:
    found = answer(200, {"data": {"creation_path": "auth/approle/role/ci/secret-id"}})
    scripted.answers = [found, b"", answer(400, {"errors": ["wrapping token is not valid or does not exist"]})]
    env = {"VAULT_ADDR": f"http://127.0.0.1:{scripted.port}", "VAULT_SECRET_ID": canary("s.wrap-canary")}
    settings = {"auth": "approle", "role_id": "r", "secret_id_wrapped": "1"}
    error = failing(CredentialsError, lambda: read(env, **settings))
    assert "lost while it was unwrapped" in str(error)
    assert "theft" not in str(error)
    assert len(scripted.requests) == 2


def test_a_wrapped_secret_id_serves_both_roles_of_a_process_and_a_second_login(
    approle: AppRole, tmp_path: Path
) -> None:
    env = approle.env(approle.wrapped(), HOME=str(tmp_path))
    inputs = Inputs([], {encode(name): encode(value) for name, value in env.items()})
    given = {**approle.settings, "secret_id_wrapped": "yes", "secret": "secret/ci/genesys", "cache": "gc-cache/ci"}
    layers = Layers(inputs, {f"vault.{name}": (value, "a test") for name, value in given.items()})
    rows = {row.name: layers.one(row).value for row in (*VaultProvider.settings, *VaultCache.settings)}
    context = Context(rows, inputs, Said(), PrivateDir("-" + str(tmp_path)))
    cache, provider = VaultCache(context), VaultProvider(context)
    assert cache.read("abc", soon()).version == 0
    assert provider.credentials(soon()).client_id == ID
    accessors = approle.realm.root.list("auth/token/accessors")["data"]["keys"]
    for accessor in accessors:
        if "gc-credhelper" in approle.realm.root.auth.token.lookup_accessor(accessor)["data"]["policies"]:
            approle.realm.root.auth.token.revoke_accessor(accessor)
    assert provider.credentials(soon()).client_id == ID


def test_a_secret_id_that_is_used_up_is_refused(realm: Realm, read: Any) -> None:
    once = role(realm, secret_id_num_uses=1)
    env = once.env(once.secret_id())
    assert read(env, **once.settings) == (ID, SECRET)
    error = failing(CredentialsError, lambda: read(env, **once.settings))
    assert "wrong, past its time or used up" in str(error)


def test_after_a_login_ended_there_is_one_new_login(approle: AppRole, provider: Any) -> None:
    built = provider(approle.env(approle.secret_id()), **approle.settings)
    built.plugin.credentials(soon())
    for accessor in approle.realm.root.list("auth/token/accessors")["data"]["keys"]:
        if "gc-credhelper" in approle.realm.root.auth.token.lookup_accessor(accessor)["data"]["policies"]:
            approle.realm.root.auth.token.revoke_accessor(accessor)
    assert built.plugin.credentials(soon()).client_id == ID


def test_a_login_whose_token_serves_one_request_logs_in_for_each(realm: Realm, read: Any) -> None:
    once = role(realm, token_num_uses=1)
    assert read(once.env(once.secret_id()), **once.settings) == (ID, SECRET)


def test_a_login_without_the_policy_is_denied_and_not_called_refused(realm: Realm, read: Any) -> None:
    bare = role(realm, secret_id_num_uses=1)
    realm.root.sys.create_or_update_policy("gc-credhelper", 'path "none" { capabilities = ["read"] }')
    failing(Forbidden, lambda: read(bare.env(bare.secret_id()), **bare.settings, kv_version=2))


def test_approle_without_its_halves_says_which_is_missing(approle: AppRole, read: Any) -> None:
    assert "vault.role_id" in str(failing(UsageError, lambda: read(approle.env("x"), auth="approle")))
    error = failing(CredentialsError, lambda: read(approle.realm.env(""), **approle.settings))
    assert "no secret id" in str(error)


def test_an_auth_mount_that_is_not_there_points_at_its_setting(approle: AppRole, read: Any) -> None:
    env = approle.env(approle.secret_id())
    error = failing(CredentialsError, lambda: read(env, **approle.settings, auth_mount="nope"))
    assert "vault.auth_mount" in error.hint


def test_a_standby_that_does_not_know_the_login_yet_is_asked_again(scripted: ScriptedServer, read: Any) -> None:
    secret: dict[str, Any] = {"data": {"data": {"client_id": ID, "client_secret": SECRET}, "metadata": {"version": 1}}}
    logged_in = answer(200, {"auth": {"client_token": canary("s.fresh-canary")}}, X_Vault_Index="v1:login")
    scripted.answers = [logged_in, answer(429, {"errors": []}), answer(200, secret)]
    env = {"VAULT_ADDR": f"http://127.0.0.1:{scripted.port}", "VAULT_SECRET_ID": canary("sid-canary-9")}
    assert read(env, auth="approle", role_id="r", kv_version=2) == (ID, SECRET)
    assert [request.headers.get("x-vault-index") for request in scripted.requests] == [None, "v1:login", "v1:login"]


LOGGED_IN = answer(200, {"auth": {"client_token": canary("s.fresh-canary")}})
NO = answer(403, {"errors": ["permission denied"]})


def test_a_new_login_that_is_denied_is_not_made_again(scripted: ScriptedServer, read: Any) -> None:
    scripted.answers = [LOGGED_IN, NO]
    env = {"VAULT_ADDR": f"http://127.0.0.1:{scripted.port}", "VAULT_SECRET_ID": canary("sid-canary-9")}
    failing(Forbidden, lambda: read(env, auth="approle", role_id="r", kv_version=2))
    assert len(scripted.requests) == 2


def test_a_login_that_worked_before_is_made_again_once(scripted: ScriptedServer, provider: Any) -> None:
    found: dict[str, Any] = {"data": {"data": {"client_id": ID, "client_secret": SECRET}}}
    scripted.answers = [LOGGED_IN, answer(200, found), NO, answer(200, {"auth": {"client_token": "s.other"}}), NO]
    env = {"VAULT_ADDR": f"http://127.0.0.1:{scripted.port}", "VAULT_SECRET_ID": canary("sid-canary-9")}
    built = provider(env, auth="approle", role_id="r", kv_version=2)
    built.plugin.credentials(soon())
    failing(Forbidden, lambda: built.plugin.credentials(soon()))
    assert len(scripted.requests) == 5


@pytest.mark.parametrize("auth", [{}, None, {"client_token": ""}, {"client_token": 7}, [SECRET]])
def test_a_login_whose_answer_holds_no_token_is_a_mistake(scripted: ScriptedServer, read: Any, auth: object) -> None:
    scripted.answers = [answer(200, {"auth": auth})]
    env = {"VAULT_ADDR": f"http://127.0.0.1:{scripted.port}", "VAULT_SECRET_ID": canary("sid-canary-9")}
    assert "no token" in str(failing(UsageError, lambda: read(env, auth="approle", role_id="r")))


# --- jwt

_KEY = ec.generate_private_key(ec.SECP256R1())
_OTHER = ec.generate_private_key(ec.SECP256R1())
GITHUB = {"repository": "org/repo", "environment": "prod", "sub": "repo:org/repo:ref:refs/heads/main"}


def signed(key: ec.EllipticCurvePrivateKey = _KEY, **claims: Any) -> str:
    now = dt.datetime.now(dt.UTC)
    body = {"iss": "https://issuer.test", "aud": "vault", "iat": now, "exp": now + dt.timedelta(minutes=5)}
    body |= GITHUB | claims
    return canary(jwt.encode({name: value for name, value in body.items() if value is not None}, key, "ES256"))


@pytest.fixture
def jwt_realm(realm: Realm) -> Realm:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = _KEY.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
    realm.root.sys.enable_auth_method("jwt")
    config = {"jwt_validation_pubkeys": [pem], "bound_issuer": "https://issuer.test"}
    realm.root.write_data("auth/jwt/config", data=config)
    realm.root.auth.jwt.create_role(
        "ci",
        "sub",
        [],
        role_type="jwt",
        bound_audiences=["vault"],
        bound_claims={"repository": "org/repo", "environment": "prod"},
        token_policies=["gc-credhelper"],
        token_type="batch",
    )
    return realm


def test_jwt_from_gitlabs_variable(jwt_realm: Realm, read: Any) -> None:
    assert read(jwt_realm.env("", VAULT_ID_TOKEN=signed()), auth="jwt", role="ci") == (ID, SECRET)


def test_jwt_from_a_file_and_from_any_variable(jwt_realm: Realm, read: Any, tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text(signed())
    assert read(jwt_realm.env(""), auth="jwt", role="ci", jwt_file=str(tmp_path / "jwt")) == (ID, SECRET)
    assert read(jwt_realm.env("", MY_JWT=signed()), auth="jwt", role="ci", jwt_env="MY_JWT") == (ID, SECRET)


def github(server: ScriptedServer, **more: str) -> dict[str, str]:
    url = f"http://127.0.0.1:{server.port}/token?api-version=2.0"
    return {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": canary("runner-canary-W8"), **more}


def test_jwt_from_the_oidc_endpoint_of_github_actions(jwt_realm: Realm, read: Any, scripted: ScriptedServer) -> None:
    scripted.answers = [answer(200, {"value": signed()})]
    env = jwt_realm.env("", **github(scripted))
    assert read(env, auth="jwt", role="ci", jwt_audience="https://vault.test/a b") == (ID, SECRET)
    (request,) = scripted.requests
    assert request.line == "GET /token?api-version=2.0&audience=https%3A%2F%2Fvault.test%2Fa%20b HTTP/1.1"
    assert request.headers["authorization"] == "bearer runner-canary-W8"
    assert "x-vault-token" not in request.headers


def test_without_an_audience_github_chooses_its_own(jwt_realm: Realm, read: Any, scripted: ScriptedServer) -> None:
    scripted.answers = [answer(200, {"value": signed()})]
    assert read(jwt_realm.env("", **github(scripted)), auth="jwt", role="ci") == (ID, SECRET)
    assert "audience" not in scripted.requests[0].line


def test_an_oidc_endpoint_that_gives_no_token_is_named(jwt_realm: Realm, read: Any, scripted: ScriptedServer) -> None:
    scripted.answers = [answer(403, {"message": "no runner-canary-W8"})]
    error = failing(CredentialsError, lambda: read(jwt_realm.env("", **github(scripted)), auth="jwt", role="ci"))
    assert "the runner's OIDC endpoint refused us (403)" in str(error)
    assert "id-token: write" in error.hint


def test_no_jwt_anywhere_says_how_each_platform_gives_one(jwt_realm: Realm, read: Any) -> None:
    error = failing(CredentialsError, lambda: read(jwt_realm.env(""), auth="jwt", role="ci"))
    assert "id-token: write" in error.hint
    assert "id_tokens" in error.hint
    named = failing(CredentialsError, lambda: read(jwt_realm.env(""), auth="jwt", role="ci", jwt_env="MY_JWT"))
    assert "MY_JWT" in str(named)


def test_a_jwt_in_place_of_a_variables_name_is_not_repeated(jwt_realm: Realm, read: Any) -> None:
    failing(CredentialsError, lambda: read(jwt_realm.env(""), auth="jwt", role="ci", jwt_env=signed()))


_PAST = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"repository": "org/canary-other"}, "the claim repository of the JSON Web Token is not one"),
        ({"environment": None}, "has no claim environment"),
        ({"aud": "canary-aud"}, "the audience of"),
        ({"iss": "https://canary.test"}, "the issuer of"),
        ({"exp": _PAST, "iat": _PAST, "nbf": _PAST}, "past its time"),
        ({"key": _OTHER}, "made the signature"),
    ],
)
def test_each_way_to_refuse_a_jwt_is_said_in_our_words(
    jwt_realm: Realm, read: Any, claims: dict[str, Any], words: str
) -> None:
    env = jwt_realm.env("", VAULT_ID_TOKEN=signed(**claims))
    error = failing(CredentialsError, lambda: read(env, auth="jwt", role="ci"))
    assert words in str(error)
    assert "canary" not in str(error)


def test_a_role_that_is_not_there_says_so(jwt_realm: Realm, read: Any) -> None:
    env = jwt_realm.env("", VAULT_ID_TOKEN=signed())
    assert "no such role" in str(failing(CredentialsError, lambda: read(env, auth="jwt", role="nope")))


# --- userpass, none, kubernetes


def test_userpass_with_the_password_in_a_variable_and_in_a_file(realm: Realm, read: Any, tmp_path: Path) -> None:
    realm.root.sys.enable_auth_method("userpass")
    password = canary("pass-canary-5G")
    realm.root.auth.userpass.create_or_update_user("ann", password, "gc-credhelper")
    (tmp_path / "p").write_text(password + "\n")
    assert read(realm.env("", VAULT_PASSWORD=password), auth="userpass", username="ann") == (ID, SECRET)
    assert read(realm.env(""), auth="userpass", username="ann", password_file=str(tmp_path / "p")) == (ID, SECRET)
    wrong = realm.env("", VAULT_PASSWORD=canary("pass-canary-wrong"))
    error = failing(CredentialsError, lambda: read(wrong, auth="userpass", username="ann"))
    assert "user name or password is wrong" in str(error)
    assert "no password" in str(failing(CredentialsError, lambda: read(realm.env(""), auth="userpass", username="a")))
    assert "vault.username" in str(failing(UsageError, lambda: read(wrong, auth="userpass")))


def test_none_sends_no_token_even_when_one_lies_about(
    realm: Realm, read: Any, scripted: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / ".vault-token").write_text(realm.token())
    scripted.answers = [answer(200, {"data": {"data": {"client_id": ID, "client_secret": SECRET}, "metadata": {}}})]
    env = realm.env() | {"VAULT_ADDR": f"http://127.0.0.1:{scripted.port}"}
    assert read(env, auth="none", kv_version=2) == (ID, SECRET)
    assert "x-vault-token" not in scripted.requests[0].headers
    assert scripted.requests[0].headers["x-vault-request"] == "true"


@pytest.fixture
def cluster() -> Iterator[tuple[str, str]]:
    """A Kubernetes API that takes every token; its URL and its CA."""
    with reviewer(lambda *_: service_account("runner", "ci")) as found:
        yield found


def test_kubernetes_with_the_token_of_a_service_account(
    realm: Realm, read: Any, cluster: tuple[str, str], tmp_path: Path
) -> None:
    realm.root.sys.enable_auth_method("kubernetes")
    host, ca = cluster
    account: dict[str, Any] = {"kubernetes.io": {"namespace": "ci", "serviceaccount": {"name": "runner", "uid": "1"}}}
    token = signed(sub="system:serviceaccount:ci:runner", aud=["https://kubernetes.default.svc"], **account)
    config = {"kubernetes_host": host, "kubernetes_ca_cert": ca, "token_reviewer_jwt": token}
    realm.root.write_data("auth/kubernetes/config", data={**config, "disable_local_ca_jwt": True})
    names = {"bound_service_account_names": "runner", "bound_service_account_namespaces": "ci"}
    realm.root.write_data("auth/kubernetes/role/ci", data={**names, "token_policies": ["gc-credhelper"]})
    (tmp_path / "sa").write_text(token)
    env = realm.env("")
    assert read(env, auth="kubernetes", role="ci", jwt_file=str(tmp_path / "sa")) == (ID, SECRET)
    assert "vault.role" in str(failing(UsageError, lambda: read(env, auth="kubernetes")))
    other = failing(CredentialsError, lambda: read(env, auth="kubernetes", role="nope", jwt_file=str(tmp_path / "sa")))
    assert "kubernetes" in str(other)


def test_outside_a_cluster_kubernetes_says_which_file_it_wants(realm: Realm, read: Any) -> None:
    error = failing(CredentialsError, lambda: read(realm.env(""), auth="kubernetes", role="ci"))
    assert "/var/run/secrets/kubernetes.io/serviceaccount/token" in str(error)


def test_kubernetes_without_its_api_server_is_refused_like_a_wrong_token(
    realm: Realm, read: Any, tmp_path: Path
) -> None:
    realm.root.sys.enable_auth_method("kubernetes")
    account: dict[str, Any] = {"kubernetes.io": {"namespace": "ci", "serviceaccount": {"name": "runner", "uid": "1"}}}
    token = signed(sub="system:serviceaccount:ci:runner", aud=["https://kubernetes.default.svc"], **account)
    config = {"kubernetes_host": "https://127.0.0.1:1", "token_reviewer_jwt": token, "disable_local_ca_jwt": True}
    realm.root.write_data("auth/kubernetes/config", data={**config, "kubernetes_ca_cert": _ca_pem()})
    names = {"bound_service_account_names": "runner", "bound_service_account_namespaces": "ci"}
    realm.root.write_data("auth/kubernetes/role/ci", data=names)
    realm.root.write_data("auth/kubernetes/role/other", data={**names, "bound_service_account_names": "other"})
    (tmp_path / "sa").write_text(token)
    given = {"auth": "kubernetes", "jwt_file": str(tmp_path / "sa")}
    error = failing(CredentialsError, lambda: read(realm.env(""), role="ci", **given))
    assert "cannot ask the cluster" in str(error)
    other = failing(CredentialsError, lambda: read(realm.env(""), role="other", **given))
    assert "not one that the role is bound to" in str(other)


def _ca_pem() -> str:
    return trustme.CA().cert_pem.bytes().decode()
