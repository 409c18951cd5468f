"""In which situation a job is when a page shows a failure: by the heading, where the commands do not say it."""

import socket
from collections.abc import Callable
from contextlib import suppress

import hvac
import requests
from cijobs import asking, pod_token
from howtokit import Story
from support.hunting import canary
from support.scripted import ScriptedServer, http
from vaultkit import SECRET

CLIENT = "7cb1c5b3-0000-4000-8000-made0up0id00"
AUDIENCE = "https://vault.example.com"
# As the documentation of each shows them.
OF_GITHUB = {
    "sub": "repo:example/deploy:environment:production",
    "repository": "example/deploy",
    "repository_id": "740000001",
    "repository_owner": "example",
    "repository_owner_id": "65",
    "repository_visibility": "private",
    "ref": "refs/heads/main",
    "ref_type": "branch",
    "workflow": "deploy",
    "job_workflow_ref": "example/deploy/.github/workflows/deploy.yml@refs/heads/main",
    "event_name": "push",
    "runner_environment": "github-hosted",
    "run_id": "1",
}
OF_GITLAB = {
    "sub": "project_path:example/deploy:ref_type:branch:ref:main",
    "namespace_id": "72",
    "namespace_path": "example",
    "project_id": "22",
    "project_path": "example/deploy",
    "user_login": "ann",
    "pipeline_source": "push",
    "job_id": "302",
    "ref": "main",
    "ref_type": "branch",
    "ref_path": "refs/heads/main",
    "ref_protected": "true",
    "runner_environment": "gitlab-hosted",
}


def job(story: Story) -> dict[str, str]:
    """The variables of a job that has a token of Vault."""
    return story.stage.realm.env(**story.reach())


def at(addr: str) -> dict[str, str]:
    return {"VAULT_ADDR": addr}


def saying(story: Story, status: int, body: str, **headers: str) -> dict[str, str]:
    """A server that answers everything so."""
    server = story.stack.enter_context(ScriptedServer(http(status, body, **headers)))
    return at(f"http://127.0.0.1:{server.port}")


def elsewhere(story: Story, directory: str) -> dict[str, str]:
    """Another machine, as far as its cache goes."""
    return {"GC_CREDHELPER_CACHE_DIR": str(story.machine.home / directory)}


def of(story: Story, *paths: str) -> dict[str, str]:
    """A token that may also read these paths."""
    realm = story.stage.realm
    policy = realm.allow("of-" + paths[0].replace("/", "-").strip("*"), *paths)
    return {"VAULT_TOKEN": realm.token(policies=("gc-credhelper", policy))}


def sealed(story: Story) -> dict[str, str]:
    stage, token = story.stage, {"X-Vault-Token": "root-canary"}
    requests.put(f"{stage.secure}/v1/sys/seal", headers=token, verify=str(stage.ca), timeout=20)
    return at(stage.secure) | {"VAULT_CACERT": str(stage.ca)}


def silent(story: Story) -> dict[str, str]:
    listener = story.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    return at(f"http://127.0.0.1:{listener.getsockname()[1]}")


def limited(story: Story) -> dict[str, str]:
    """A quota that is used up."""
    root, path = hvac.Client(story.stage.realm.addr, "root-canary"), f"{story.stage.realm.namespace}/secret"
    root.write_data("sys/quotas/rate-limit/howto", data={"rate": 0.01, "path": path})
    story.stack.callback(root.delete, "sys/quotas/rate-limit/howto")
    with suppress(hvac.exceptions.RateLimitExceeded):
        for _ in range(9):
            story.stage.realm.root.secrets.kv.v2.read_secret_version("ci/genesys", raise_on_deleted_version=True)
    return {}


def deleted(story: Story) -> dict[str, str]:
    story.stage.realm.put("ci/old")
    story.stage.realm.root.secrets.kv.v2.delete_latest_version_of_secret("ci/old", mount_point="secret")
    return of(story, "secret/data/ci/*")


def with_lines(story: Story) -> dict[str, str]:
    story.stage.realm.put("ci/lines", client_id=CLIENT, client_secret=SECRET + "\n")
    return of(story, "secret/data/ci/*")


def first_version(story: Story) -> dict[str, str]:
    story.stage.realm.root.sys.enable_secrets_engine("kv", "kv1", options={"version": "1"})
    return of(story, "kv1/*")


def revoked(story: Story) -> dict[str, str]:
    token = story.stage.realm.token()
    story.stage.realm.root.auth.token.revoke(token)
    return {"VAULT_TOKEN": token}


def signed(story: Story, **claims: object) -> dict[str, str]:
    return {"VAULT_ID_TOKEN": story.stage.gitlab.sign(**{"aud": AUDIENCE, **claims})}


def secret_id(story: Story, value: str, *, wrapped: bool = False) -> dict[str, str]:
    return {"VAULT_SECRET_ID": value and canary(value), "GC_CREDHELPER_VAULT_SECRET_ID_WRAPPED": "yes" * wrapped}


def destroyed(story: Story) -> dict[str, str]:
    approle = story.stage.realm.root.auth.approle
    value = approle.generate_secret_id("genesys")["data"]["secret_id"]
    approle.destroy_secret_id("genesys", value)
    return secret_id(story, value)


def opened(story: Story) -> dict[str, str]:
    realm = story.stage.realm
    value = realm.root.auth.approle.generate_secret_id("genesys", wrap_ttl="60s")["wrap_info"]["token"]
    canary(hvac.Client(realm.addr, value, namespace=realm.namespace).sys.unwrap()["data"]["secret_id"])
    return secret_id(story, value, wrapped=True)


def planted(story: Story) -> dict[str, str]:
    made = story.stage.realm.root.sys.wrap({"secret_id": canary("put-in-its-place-canary")}, ttl=60)
    return secret_id(story, made["wrap_info"]["token"], wrapped=True)


def pod(story: Story, account: str = "deploy", audience: str = AUDIENCE) -> dict[str, str]:
    file = story.machine.home / "pod-token"
    file.write_text(pod_token(story.stage.cluster, account, "ci", audience))
    return {"GC_CREDHELPER_VAULT_JWT_FILE": str(file)}


def lonely(story: Story) -> dict[str, str]:
    root = story.stage.realm.root
    config = {"kubernetes_host": "https://127.0.0.1:1", "disable_local_ca_jwt": True}
    config |= {key: (story.stage.desk / file).read_text() for key, file in
               (("kubernetes_ca_cert", "ca.crt"), ("token_reviewer_jwt", "reviewer.jwt"))}  # fmt: skip
    root.write_data("auth/kubernetes/config", data=config)
    return pod(story)


# Under which heading the job is in which situation, where the commands themselves do not say it.
SITUATIONS: dict[str, Callable[[Story], dict[str, str]]] = {
    "Jobs that may only read": lambda story: (
        {"VAULT_TOKEN": story.stage.realm.token(policies=("gc-credhelper-reader",))} | elsewhere(story, "reader")
    ),
    "When Vault is down": lambda story: at("http://127.0.0.1:1") | elsewhere(story, "alone"),
    "The job may not ask for a token": lambda story: dict.fromkeys(asking(story.stage.github), ""),
    "The repository is not the one that the role is bound to": lambda story: asking(
        story.stage.github, repository_id="1", environment="production"
    ),
    "The job names no environment": lambda story: asking(story.stage.github),
    "The job has no id_tokens": lambda _: {"VAULT_ID_TOKEN": ""},
    "The branch is not protected": lambda story: signed(story, ref_protected="false"),
    "The aud of the token is another": lambda story: signed(story, aud="https://other.example.com"),
    "The token is for another audience": lambda story: pod(story, audience="https://other.example.com"),
    "The job runs longer than its token lives": lambda story: signed(story, iat=1, nbf=1, exp=2),
    "The secret id has ended": destroyed,
    "The step has no secret id": lambda story: secret_id(story, ""),
    "The wrapped secret id was opened before": opened,
    "The wrapping token is somebody else's": planted,
    "The account is not one that the role is for": lambda story: pod(story, "other"),
    "The cluster cannot be asked": lonely,
    "The port is that of TLS": lambda story: (
        at(story.stage.secure.replace("https", "http")) | {"VAULT_TOKEN": "s.short", "VAULT_NAMESPACE": ""}
    ),
    "The certificate is self-signed, or of a private CA": lambda story: at(story.stage.secure),
    "The cache is not on a KV version 2 mount": first_version,
    "A login page or a proxy answers": lambda story: saying(story, 200, canary("<html>canary-page")),
    "The address leads elsewhere": lambda story: saying(story, 302, "", Location="https://vault.example.com/"),
    "There is no such secret": lambda story: of(story, "secret/data/ci/*"),
    "The secret was deleted": deleted,
    "The token is past its time": revoked,
    "The role does not exist": signed,
    "The auth method is mounted elsewhere": signed,
    "The JSON Web Token was signed by somebody else": lambda story: {
        "VAULT_ID_TOKEN": story.stage.cluster.sign(iss=story.stage.gitlab.url, aud=AUDIENCE, **OF_GITLAB)
    },
    "Vault is sealed": sealed,
    "Vault cannot be reached": lambda _: at("http://127.0.0.1:1"),
    "Vault does not answer": silent,
    "Vault limits the rate of requests": limited,
    "A proxy before Vault fails": lambda story: saying(story, 502, canary("<html>canary-page")),
    "The secret ends in a line feed": with_lines,
}
