"""Kubernetes: kubectl and the Python client, against an API server on loopback that wants our token."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import clients
import pytest
import trustme
from support import Machine, Run, client
from support.scripted import ScriptedServer, http, token

from callers.gateway import Gateway, run
from callers.shown import block

CANARIES = ("tok-canary-one-Xq4", "tok-canary-two-Lm8")
PODS = {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get", "list"]}
MORE = ("gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform")
PATHS: dict[str, object] = {
    "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.0"} | dict.fromkeys(MORE, ""),
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [PODS]},
    "/api/v1/namespaces/default/pods": {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []},
}
REFUSAL = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized", "code": 401}


class Cluster:
    """An account with a kubeconfig: the users of our page, and a cluster."""

    def __init__(self, machine: Machine, server: ScriptedServer, api: Gateway, ca: Path) -> None:
        self.machine, self.server, self.api, self.ca = machine, server, api, ca
        machine.write_config("[profiles.ci]\nmin_ttl = '10m'\n")
        self.use(block("kubernetes-exec.md", "yaml"))

    def use(self, users: str) -> None:
        """Put the kubeconfig in place."""
        cluster = f"{{server: '{self.api.url}', certificate-authority: '{self.ca}'}}"
        text = users + f"clusters: [{{name: here, cluster: {cluster}}}]\n"
        text += "contexts: [{name: here, context: {cluster: here, user: genesys}}]\ncurrent-context: here\n"
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(text)

    @property
    def file(self) -> Path:
        return self.machine.home / ".kube" / "config"

    def environ(self, **more: str) -> dict[str, str]:
        return self.machine.environ(client(self.server, **more))

    def kubectl(self, *argv: str) -> Run:
        return run(clients.need("kubectl"), *argv, env=self.environ(), cwd=self.machine.home)

    def python(self, text: str) -> Run:
        return run(clients.need("kubernetes"), "-I", "-c", text, env=self.environ(), cwd=self.machine.home)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def api(ca: trustme.CA) -> Iterator[Gateway]:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    good = {f"Bearer {one}" for one in CANARIES}
    with Gateway(PATHS.get, good, context, refusal=REFUSAL) as server:
        yield server


@pytest.fixture
def cluster(machine: Machine, scripted: ScriptedServer, api: Gateway, ca: trustme.CA) -> Cluster:
    scripted.answers = [token(one) for one in CANARIES]
    file = machine.home / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    return Cluster(machine, scripted, api, file)


def silent(done: Run) -> None:
    """It worked, and nobody was told anything that is secret, or that is ours."""
    assert done.code == 0, done.err
    assert "gc-credhelper" not in done.err
    assert not any(one in done.out + done.err for one in CANARIES)


def test_kubectl_takes_the_token_with_the_configuration_of_the_page(cluster: Cluster) -> None:
    done = cluster.kubectl("get", "pods")
    silent(done)
    assert done.err == "No resources found in default namespace.\n"
    assert cluster.api.headers == {f"Bearer {CANARIES[0]}"}
    assert len(cluster.server.requests) == 1


def test_kubectl_takes_the_older_version_where_it_is_configured(cluster: Cluster) -> None:
    cluster.use(cluster.file.read_text().partition("clusters:")[0].replace("k8s.io/v1", "k8s.io/v1beta1"))
    silent(cluster.kubectl("get", "pods"))
    assert cluster.api.headers == {f"Bearer {CANARIES[0]}"}


def test_eight_kubectl_at_once_on_a_cold_cache_cause_one_token_request(cluster: Cluster) -> None:
    argv = [clients.need("kubectl"), "get", "--raw", "/version"]
    children = [
        subprocess.Popen(
            argv,
            env=cluster.environ(),
            cwd=cluster.machine.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for child in children:
        out, err = child.communicate(timeout=100)
        silent(Run(child.returncode, out, err))
        assert "v1.35.0" in out
    assert len(cluster.server.requests) == 1
    assert len(cluster.api.seen) == 8


def test_a_dead_token_is_gone_after_one_reject(cluster: Cluster) -> None:
    silent(cluster.kubectl("get", "pods"))
    cluster.api.good.discard(f"Bearer {CANARIES[0]}")
    for _ in range(2):  # the protocol has no word for it, so kubectl gets the same token again
        done = cluster.kubectl("get", "pods")
        assert (done.code, "must be logged in" in done.err) == (1, True)
    assert len(cluster.server.requests) == 1
    rejected = cluster.machine.run("reject", "--profile", "ci", env=client(cluster.server), stdin=f"{CANARIES[0]}\n")
    assert (rejected.code, rejected.out, rejected.err) == (0, "", "")
    silent(cluster.kubectl("get", "pods"))
    assert len(cluster.server.requests) == 2
    assert cluster.api.seen[-1][1] == f"Bearer {CANARIES[1]}"


def test_a_plug_in_that_fails_is_run_again_and_asks_the_server_once(cluster: Cluster) -> None:
    cluster.server.answers = [http(401, {"error": "invalid_client"})]
    done = cluster.kubectl("get", "pods")
    assert done.code == 1
    errors = [line for line in done.err.splitlines() if "gc-credhelper: error: " in line]
    assert len(errors) >= 3, done.err  # five times with kubectl 1.35
    assert len(errors) == done.err.count("gc-credhelper: hint: ")
    assert cluster.server.client_secret not in done.err
    assert len(cluster.server.requests) == 1
    assert cluster.api.seen == []


def test_without_the_program_kubectl_says_how_to_get_it(cluster: Cluster) -> None:
    cluster.use(cluster.file.read_text().partition("clusters:")[0].replace("command: gc-", "command: no-gc-"))
    done = cluster.kubectl("get", "pods")
    assert done.code == 1
    assert "see its README" in done.err


PYTHON = """
from kubernetes import client, config
config.load_kube_config()
for _ in range(3):
    print(client.VersionApi().get_code().git_version)
"""


def test_the_python_client_takes_the_token(cluster: Cluster) -> None:
    done = cluster.python(PYTHON)
    silent(done)
    assert done.out == "v1.35.0\n" * 3
    assert cluster.api.headers == {f"Bearer {CANARIES[0]}"}
    assert len(cluster.server.requests) == 1


def test_the_python_client_shows_why_it_goes_on_without_a_token(cluster: Cluster) -> None:
    cluster.server.answers = [http(401, {"error": "invalid_client"})]
    done = cluster.python(PYTHON)
    assert done.code == 1
    assert "gc-credhelper: error: " in done.err
    assert cluster.server.client_secret not in done.err
    assert len(cluster.server.requests) == 1
