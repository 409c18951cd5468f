"""What a cold run with the provider `aws` costs, and what lighter ways into botocore would.

`.venv/bin/python bench/aws_cold.py`: moto's server stands for AWS, and a server of our own for Genesys Cloud. All are
timed in turns. The baseline is the whole cold command with the provider `env`, and in the second table `boto3.client`.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import side

REGION = "eu-central-1"
PYTHON = str(Path(sys.executable))  # not resolved: the interpreter of a venv is a link out of it
KEYS = f"region_name='{REGION}', aws_access_key_id='a', aws_secret_access_key='b'"
TRIMMED = f"""
import botocore.loaders, botocore.session
class Loader(botocore.loaders.Loader):
    def list_available_services(self, type_name):
        return ['secretsmanager']
session = botocore.session.Session()
session.register_component('data_loader', Loader(include_default_search_paths=True))
session.create_client('secretsmanager', {KEYS})
"""
BARE = f"import botocore.session; botocore.session.Session().create_client('secretsmanager', {KEYS})"
WAYS = {
    "boto3.client": f"import boto3; boto3.client('secretsmanager', {KEYS})",
    "botocore, no boto3": BARE,
    "botocore, trimmed loader": TRIMMED,
    "import boto3": "import boto3",
    "import botocore.session": "import botocore.session",
    "import requests": "import requests",
    "pass": "pass",
}


def moto(home: str) -> tuple["subprocess.Popen[bytes]", str]:
    """A running server and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    child = subprocess.Popen(argv, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            break
    return child, f"http://127.0.0.1:{port}"


def show(rows: dict[str, side.Timing], head: str) -> None:
    print(f"{head:42}     ms  ratio  quartiles")
    for name, timing in rows.items():
        print(f"{name:42} {timing.milliseconds:6.0f}  {timing.ratio:5.2f}  {timing.low:.2f} to {timing.high:.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds (default: 15)")
    options = parser.parse_args()
    ours = str(Path(sys.executable).parent / "gc-credhelper")
    with side.account() as user:
        server, address = moto(user.home)
        try:
            user.env |= {
                "AWS_ACCESS_KEY_ID": "AKIABENCH00000000000",
                "AWS_SECRET_ACCESS_KEY": "not-a-secret",
                "AWS_REGION": REGION,
                "AWS_ENDPOINT_URL": address,
                "AWS_EC2_METADATA_DISABLED": "true",
            }
            store = [ours, "store", "--provider", "aws:bench", "--no-check"]
            subprocess.run(store, env=user.env, input=b"bench\nnot-a-secret\n", check=True, stdout=subprocess.DEVNULL)
            cold = [ours, "token", "--cache", "none"]
            commands = {
                "token --cache none --provider env": cold,
                "token --cache none --provider aws:bench": [*cold, "--provider", "aws:bench"],
            }
            whole = side.in_turns([*commands.values()], user.env, options.rounds)
            ways = side.in_turns([[PYTHON, "-c", code] for code in WAYS.values()], user.env, options.rounds)
        finally:
            server.kill()
            server.wait()
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    show(dict(zip(commands, whole, strict=True)), "the whole cold command")
    print()
    show(dict(zip(WAYS, ways, strict=True)), "a way into the library")
    return 0


if __name__ == "__main__":
    sys.exit(main())
