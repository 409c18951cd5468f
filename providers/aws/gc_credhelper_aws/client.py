"""Client: AWS, and who we are in it. Roles of a process share it, so that a login happens once."""

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import Error, TemporaryError, UsageError
from gc_credhelper.roles import Context, Finding

from .errors import Refused, meaning_of_login
from .identity import Identity
from .settings import CONNECTION
from .variables import on_ec2

if TYPE_CHECKING:
    import boto3.session

T = TypeVar("T")

_NAMES = {"secretsmanager": "AWS Secrets Manager", "ssm": "AWS Parameter Store", "dynamodb": "DynamoDB"}
_shared: "weakref.WeakValueDictionary[tuple[object, ...], Client]" = weakref.WeakValueDictionary()
_sharing = threading.Lock()


class Client:
    """Thread-safe. Credentials are kept in memory for this process, and nowhere else."""

    def __init__(self, context: Context) -> None:
        """UsageError when the settings contradict each other."""
        self.identity = Identity(context)
        self._made: boto3.session.Session | None
        self._clients: dict[tuple[str, str | None], Any]
        self.forget()

    def ask(
        self, service: str, region: str | None, operation: str, deadline: Deadline, **parameters: Any
    ) -> dict[str, Any]:
        """The answer to one request, which is sent once. Refused as AWS said it; every Error of a login."""
        what = f"a request to {_NAMES[service]}"

        def send() -> dict[str, Any]:
            from .wire import hush

            client = self.client(service, region, deadline)
            hush()
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
            return answer

        return self._run(lambda: self._translated(send, _NAMES[service], operation), what, deadline)

    def log_in(self, region: str | None, deadline: Deadline) -> str:
        """Find or get credentials, unless that was done; how, in a word of the library. Every Error of a login."""

        def get() -> str:
            import botocore.exceptions

            with self._my_turn(deadline):
                found = self._session(region).get_credentials()
            if not found:
                raise botocore.exceptions.NoCredentialsError
            found.get_frozen_credentials()
            return str(found.method)

        return self._run(lambda: self._translated(get, "AWS"), "the login to AWS", deadline)

    def _run(self, work: Callable[[], T], what: str, deadline: Deadline) -> T:
        if self._pid != os.getpid():  # neither a connection nor a lock outlives a fork
            self.forget()

        def run() -> T:
            from .wire import ours

            ours.set(True)  # this thread is ours alone
            return work()

        try:
            return deadline.run(run, what)
        except Error:
            self.forget()  # a thread may still hang in it, or what it knows be past its time
            raise

    def _translated(self, work: Callable[[], T], what: str, operation: str = "") -> T:
        """`operation`: the request that is meant; any other is a part of a login."""
        import boto3.session  # noqa: F401  # all that logs is there when it is hushed
        import botocore.exceptions

        from .failures import failure
        from .wire import hush

        hush()
        try:
            return work()
        except botocore.exceptions.ClientError as e:
            code, headers = e.response["Error"]["Code"], e.response["ResponseMetadata"].get("HTTPHeaders", {})
            refused = Refused(code, e.operation_name, headers.get("date", ""))
            if e.operation_name != operation.title().replace("_", ""):
                raise meaning_of_login(refused) from None
            if refused.is_about_credentials:
                self.forget()
            raise refused from None
        except Error:
            raise
        except botocore.exceptions.NoCredentialsError as e:
            if on_ec2(self.identity.values):
                hint = "try again; has it a role? For a container on it the hop limit must be 2"
                raise TemporaryError("the metadata service of this machine gave no credentials", hint=hint) from None
            raise failure(e, what) from None
        except (botocore.exceptions.BotoCoreError, OSError, ValueError) as e:
            raise failure(e, what) from None

    def client(self, service: str, region: str | None, deadline: Deadline) -> Any:
        """The library's client, made when first needed. TemporaryError when another thread does not end to make it."""
        with self._my_turn(deadline):
            made = self._session(region)
            if (service, region) not in self._clients:
                if not (found := region or made.region_name):
                    hint = "set AWS_REGION or aws.region, or name the secret by its ARN"
                    raise UsageError("the region of AWS is not set", hint=hint)
                self._clients[service, region] = made.client(service, region_name=found)
            return self._clients[service, region]

    @contextlib.contextmanager
    def _my_turn(self, deadline: Deadline) -> Iterator[None]:
        turn = self._turn
        if not turn.acquire(timeout=deadline.left()):
            raise TemporaryError("another thread's login to AWS did not end in time", hint="raise --deadline")
        try:
            yield
        finally:
            turn.release()

    def _session(self, region: str | None) -> "boto3.session.Session":
        if not self._made:
            import boto3.session

            self._made = boto3.session.Session(botocore_session=self.identity.session(region))
        return self._made

    def forget(self) -> None:
        """Make all anew for the next request."""
        self._pid = os.getpid()
        self._turn, self._made, self._clients = threading.Lock(), None, {}


def login_finding(client: Client, region: str | None, deadline: Deadline) -> Finding:
    """Where the credentials for AWS come from, for `doctor`. Every Error of a login."""
    return Finding.ok(f"credentials for AWS are there ({client.log_in(region, deadline)})")


def client_for(context: Context) -> Client:
    """The client of these settings; the roles of a process share it."""
    key = (id(context.inputs), *(context.settings[row.name] for row in CONNECTION))
    with _sharing:
        client = _shared.get(key)
        if client is None:
            client = _shared[key] = Client(context)
        return client
