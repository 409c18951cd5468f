"""Every role keeps the promises that the core asks of any plug-in, on moto, and the cache on dynalite as well."""

import contextlib
import http.client
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from awskit import client, fresh, keys, make_table, unheard
from gc_credhelper.testing import (
    CredentialProviderContract,
    FarCacheContract,
    FarCase,
    ProviderCase,
    silent_host,
)

CLOSED = "http://127.0.0.1:1"


def fields(client_id: str | None, secret: str | None) -> str:
    halves = {"client_id": client_id, "client_secret": secret}
    return json.dumps({name: value for name, value in halves.items() if value is not None})


class TestSecretsManager(CredentialProviderContract):
    @pytest.fixture
    def case(self, moto: str, secret: str, tmp_path: Path) -> Iterator[ProviderCase]:
        env = keys(moto)
        manager = client("secretsmanager", moto)

        @unheard()
        def put(client_id: str | None, value: str | None) -> dict[str, str]:
            with contextlib.suppress(manager.exceptions.ResourceNotFoundException):
                manager.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
            if (client_id, value) != (None, None):
                manager.create_secret(Name=secret, SecretString=fields(client_id, value))
            return env

        with silent_host() as silent:
            home = tmp_path / "contract-home" / ".aws"
            yield ProviderCase(
                name="aws",
                reference=secret,
                put=put,
                unreachable={"AWS_ENDPOINT_URL": CLOSED},
                silent={"AWS_ENDPOINT_URL": f"http://{silent}"},
                files=(home / "config", home / "credentials"),
            )


class TestParameterStore(CredentialProviderContract):
    @pytest.fixture
    def case(self, moto: str) -> Iterator[ProviderCase]:
        env, path = keys(moto), "/" + fresh("ci/contract")
        store = client("ssm", moto)

        @unheard()
        def put(client_id: str | None, value: str | None) -> dict[str, str]:
            with contextlib.suppress(store.exceptions.ParameterNotFound):
                store.delete_parameter(Name=path)
            if (client_id, value) != (None, None):
                store.put_parameter(Name=path, Value=fields(client_id, value), Type="SecureString")
            return env

        with silent_host() as silent:
            yield ProviderCase(
                name="aws-ssm",
                reference=path,
                put=put,
                unreachable={"AWS_ENDPOINT_URL_SSM": CLOSED},
                silent={"AWS_ENDPOINT_URL_SSM": f"http://{silent}"},
            )


@contextlib.contextmanager
def read_only(address: str) -> Iterator[str]:
    """A relay that lets reads through and denies writes as IAM does; neither moto nor dynalite knows policies."""
    denied = json.dumps({"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "not authorized"})

    class Relay(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["X-Amz-Target"].endswith(".PutItem"):
                self.reply(400, denied.encode())
                return
            onward = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
            onward.request("POST", "/", body, dict(self.headers))
            with onward.getresponse() as answer:
                self.reply(answer.status, answer.read())
            onward.close()

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


class TestDynamoDB(FarCacheContract):
    fleet = 16

    @pytest.fixture
    def case(self, dynamo: str) -> Iterator[FarCase]:
        name = make_table(dynamo)

        def end(key: str) -> None:
            """As DynamoDB's clock ends it, before the item is deleted, which takes days."""
            table = client("dynamodb", dynamo)
            item = table.get_item(TableName=name, Key={"pk": {"S": key}}, ConsistentRead=True)["Item"]
            table.put_item(TableName=name, Item={**item, "exp": {"N": str(int(time.time()) - 1)}})

        with silent_host() as silent, read_only(dynamo) as relay:
            yield FarCase(
                name="dynamodb",
                reference=name,
                env=keys(dynamo),
                unreachable={"AWS_ENDPOINT_URL": CLOSED},
                silent={"AWS_ENDPOINT_URL": f"http://{silent}"},
                read_only={"AWS_ENDPOINT_URL": relay},
                end=end,
            )
