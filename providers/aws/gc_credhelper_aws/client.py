"""Client: AWS, and who we are in it. Roles of a process share it, so that a login happens once."""

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import Error, TemporaryError, UsageError
from gc_credhelper.roles import Context

from .errors import Refused, meaning_of_login
from .identity import Identity
from .settings import CONNECTION
from .variables import on_ec2

if TYPE_CHECKING:
    import boto3.session

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
        if self._pid != os.getpid():  # neither a connection nor a lock outlives a fork
            self.forget()

        def work() -> dict[str, Any]:
            from .wire import ours

            ours.set(True)  # this thread is ours alone
            return self._ask(service, region, operation, deadline, parameters)

        try:
            return deadline.run(work, f"a request to {_NAMES[service]}")
        except Error:
            self.forget()  # a thread may still hang in it, or what it knows be past its time
            raise

    def _ask(
        self, service: str, region: str | None, operation: str, deadline: Deadline, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        import boto3.session  # noqa: F401  # all that logs is there when it is hushed
        import botocore.exceptions

        from .failures import failure
        from .wire import hush

        try:
            hush()
            client = self.client(service, region, deadline)
            hush()
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
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
            raise failure(e, _NAMES[service]) from None
        except (botocore.exceptions.BotoCoreError, OSError, ValueError) as e:
            raise failure(e, _NAMES[service]) from None
        return answer

    def client(self, service: str, region: str | None, deadline: Deadline) -> Any:
        """The library's client, made when first needed. TemporaryError when another thread does not end to make it."""
        if not self._turn.acquire(timeout=deadline.left()):
            raise TemporaryError("another thread's login to AWS did not end in time", hint="raise --deadline")
        try:
            if not self._made:
                import boto3.session

                self._made = boto3.session.Session(botocore_session=self.identity.session(region))
            if (service, region) not in self._clients:
                if not (found := region or self._made.region_name):
                    hint = "set AWS_REGION or aws.region, or name the secret by its ARN"
                    raise UsageError("the region of AWS is not set", hint=hint)
                self._clients[service, region] = self._made.client(service, region_name=found)
            return self._clients[service, region]
        finally:
            self._turn.release()

    def forget(self) -> None:
        """Make all anew for the next request."""
        self._pid = os.getpid()
        self._turn, self._made, self._clients = threading.Lock(), None, {}


def client_for(context: Context) -> Client:
    """The client of these settings; the roles of a process share it."""
    key = (id(context.inputs), *(context.settings[row.name] for row in CONNECTION))
    with _sharing:
        client = _shared.get(key)
        if client is None:
            client = _shared[key] = Client(context)
        return client
