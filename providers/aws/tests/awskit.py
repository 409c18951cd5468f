"""What the tests share: moto's server and dynalite, names of their own for each test, and a hunt for secrets."""

import contextlib
import functools
import itertools
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from gc_credhelper.app import environment
from gc_credhelper.plan import Inputs
from support import REQUIRE_REAL, hunting
from support.hunting import Built, canary

from gc_credhelper_aws.wire import hush, ours

HERE = Path(__file__).parent.parent
ROOT = HERE.parent.parent
DYNALITE = ROOT / ".build" / "npm" / "node_modules" / ".bin" / "dynalite"
REGION = "eu-central-1"
ID = "8c9c7a5e-aws-client"
SECRET = canary("canary-Rw8tN3-client-secret")
KEY_ID = "AKIAAWSCANARYKEYID00"
KEY = canary("canary-Lp5vX1-secret-access-key")
ROLE = "arn:aws:iam::123456789012:role/ci"
_numbers = itertools.count(1)


def fresh(stem: str) -> str:
    """A name that no other test uses."""
    return f"{stem}-{os.getpid()}-{next(_numbers)}"


def free_port() -> int:
    """A port that nobody listens on, below those that the system deals out to others in the meantime."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def running(directory: Path, port: int, *argv: str) -> Iterator[str]:
    """A server, from the moment when it listens to the end of the block; its address."""
    with (directory / "log").open("wb") as log:
        env = {"HOME": str(directory), "PATH": os.environ["PATH"]}
        child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory)
    try:
        give_up = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert child.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < give_up, (directory / "log").read_text()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.kill()
        child.wait()


@contextlib.contextmanager
def moto_server(directory: Path) -> Iterator[str]:
    """moto, which behaves like the services of AWS that it knows."""
    port = free_port()
    with running(
        directory, port, sys.executable, str(HERE / "tests" / "atomic_moto.py"), "-H", "127.0.0.1", "-p", str(port)
    ) as address:
        yield address


@contextlib.contextmanager
def dynalite_server(directory: Path) -> Iterator[str]:
    """dynalite, a stricter DynamoDB; where CI says so its absence is a failure, else a loud skip."""
    program = str(DYNALITE) if DYNALITE.exists() else shutil.which("dynalite")
    if not program or not shutil.which("node"):
        if REQUIRE_REAL:
            pytest.fail("dynalite or node is missing, and CI must not skip")
        pytest.skip("dynalite or node is missing: nothing was tested on it (`make .venv/dev` installs it)")
    port = free_port()
    with running(directory, port, program, "--port", str(port), "--createTableMs", "0") as address:
        yield address


@functools.cache
def client(service: str, address: str) -> Any:
    """The library's own client, as an operator would use it."""
    return boto3.client(
        service,
        endpoint_url=address,
        region_name=REGION,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=KEY,
        config=Config(proxies={}),
    )


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """What the library logs of an operator's requests, with all that they hold, is not what is tested."""
    token = ours.set(True)
    hush()
    try:
        yield
    finally:
        ours.reset(token)


def make_table(address: str, name: str | None = None) -> str:
    """A table as table.yaml makes it; its name."""
    name = name or fresh("gc-tokens")
    dynamo = client("dynamodb", address)
    dynamo.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    give_up = time.monotonic() + 30
    while dynamo.describe_table(TableName=name)["Table"]["TableStatus"] != "ACTIVE":
        assert time.monotonic() < give_up
        time.sleep(0.01)
    return name


def keys(address: str, **more: str) -> dict[str, str]:
    """The variables of a job that has an access key."""
    return {
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": address,
        "AWS_EC2_METADATA_DISABLED": "true",
        **more,
    }


def build(cls: Any, directory: Path, settings: Mapping[str, object]) -> Built:
    """A plug-in of that class, from the environment of this process."""
    return hunting.build(cls, Inputs([], environment()), directory, settings)
