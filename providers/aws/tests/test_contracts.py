"""Every role keeps the promises that the core asks of any plug-in, on moto's server and on dynalite."""

import contextlib
import json
import logging
from collections.abc import Iterator

import pytest
from awskit import client, keys, make_table
from gc_credhelper.testing import (
    CredentialProviderContract,
    FarCacheContract,
    FarCase,
    ProviderCase,
    silent_host,
)

CLOSED = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """The operator's own requests hold the secret, and at level DEBUG the library would log them."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def halves(client_id: str | None, secret: str | None) -> str:
    """The JSON of a secret that may lack a half."""
    named = {"client_id": client_id, "client_secret": secret}
    return json.dumps({name: value for name, value in named.items() if value is not None})


class TestSecretsManager(CredentialProviderContract):
    @pytest.fixture
    def case(self, moto: str, secret: str) -> Iterator[ProviderCase]:
        operator = client("secretsmanager", moto)

        @unheard()
        def put(client_id: str | None, value: str | None) -> dict[str, str]:
            with contextlib.suppress(operator.exceptions.ResourceNotFoundException):
                operator.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
            if client_id is not None or value is not None:
                operator.create_secret(Name=secret, SecretString=halves(client_id, value))
            return keys(moto)

        with silent_host() as silent:
            yield ProviderCase(
                name="aws",
                reference=secret,
                put=put,
                unreachable=CLOSED,
                silent={"AWS_ENDPOINT_URL": f"http://{silent}"},
            )


class TestParameterStore(CredentialProviderContract):
    @pytest.fixture
    def case(self, moto: str, secret: str) -> Iterator[ProviderCase]:
        operator = client("ssm", moto)
        name = f"/{secret}"

        @unheard()
        def put(client_id: str | None, value: str | None) -> dict[str, str]:
            with contextlib.suppress(operator.exceptions.ParameterNotFound):
                operator.delete_parameter(Name=name)
            if client_id is not None or value is not None:
                operator.put_parameter(Name=name, Value=halves(client_id, value), Type="SecureString")
            return keys(moto)

        with silent_host() as silent:
            yield ProviderCase(
                name="aws-ssm",
                reference=name,
                put=put,
                unreachable=CLOSED,
                silent={"AWS_ENDPOINT_URL": f"http://{silent}"},
            )


class TestDynamoDB(FarCacheContract):
    @pytest.fixture
    def case(self, dynamo: str) -> Iterator[FarCase]:
        table = make_table(dynamo)

        def end(key: str) -> None:
            client("dynamodb", dynamo).delete_item(TableName=table, Key={"pk": {"S": key}})

        with silent_host() as silent:
            yield FarCase(
                name="dynamodb",
                reference=table,
                env=keys(dynamo),
                unreachable=CLOSED,
                silent={"AWS_ENDPOINT_URL": f"http://{silent}"},
                read_only=None,  # neither server has logins that may only read; test_answers.py has AWS' answer
                end=end,
            )
