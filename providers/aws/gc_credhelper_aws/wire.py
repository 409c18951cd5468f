"""boto3's session as we need it: one place for endpoint, CA, time-outs and proxies, and guards on both ways.

Nothing goes out in clear but to this machine, and nothing comes in that is not AWS'. What botocore logs of our requests
and answers, which hold the secret and the token, is not logged.
"""

import contextvars
import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.utils import get_environ_proxies
from gc_credhelper.errors import TemporaryError, UsageError
from gc_credhelper.kinds import is_loopback

from . import __version__

CONNECT = 5.0  # seconds
_OK, _REDIRECT, _REFUSED = 200, 300, 400
_NOT_AWS = "is it a login page or a proxy? Check aws.endpoint_url, AWS_ENDPOINT_URL, HTTPS_PROXY and NO_PROXY"

ours: contextvars.ContextVar[bool] = contextvars.ContextVar("ours", default=False)


class Session(botocore.session.Session):
    """Makes every client alike, those that the library makes to become somebody included."""

    def __init__(self, *, timeout: float, endpoint_url: str | None, ca: str | None, **more: Any) -> None:
        """`timeout`: seconds of one attempt. `ca`: a file or directory of certificates, None for the library's."""
        super().__init__(**more)
        self.user_agent_extra = f"gc-credhelper-aws/{__version__}"
        self._timeout = timeout
        self._endpoint_url = endpoint_url
        self._verify = ca or True  # an empty AWS_CA_BUNDLE would have any certificate trusted
        self.register("request-created", _not_in_clear)
        self.register("before-parse", _is_of_aws)

    def create_client(self, service_name: str, *args: Any, **more: Any) -> Any:
        """As the library's. No request is tried again by it: how often and for how long is ours to say."""
        url = more.get("endpoint_url") or self._endpoint_url
        config = Config(
            connect_timeout=min(CONNECT, self._timeout),
            read_timeout=self._timeout,
            retries={"mode": "standard", "total_max_attempts": 1},
            **({"proxies": {}} if url and is_loopback(urlsplit(url).hostname or "") else {}),
        )
        given = more.get("config")
        more |= {"config": config.merge(given) if given else config, "endpoint_url": url, "verify": self._verify}
        client = super().create_client(service_name, *args, **more)
        found = client.meta.endpoint_url  # which a variable or a config file may have said
        if not url and is_loopback(urlsplit(found).hostname or "") and get_environ_proxies(found):
            return self.create_client(service_name, *args, **{**more, "endpoint_url": found})
        return client


def _not_in_clear(request: Any, **_: Any) -> None:
    parts = urlsplit(request.url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        hint = "write https:// in AWS' config files; http is for this machine only"
        raise UsageError(f"the endpoint {parts.hostname} would have the secret sent in clear", hint=hint)


def _is_of_aws(response_dict: Mapping[str, Any], **_: Any) -> None:
    """Before it is parsed: the library takes a page of HTML for an answer without content."""
    status, body = response_dict["status_code"], response_dict["body"] or b""
    if _REDIRECT <= status < _REFUSED:
        raise UsageError(f"the endpoint of AWS leads elsewhere ({status}), which is not followed", hint=_NOT_AWS)
    if status != _OK:
        return
    announced = response_dict["headers"].get("content-length", "")
    if announced.isdigit() and int(announced) > len(body):
        raise TemporaryError("AWS' answer was cut short", hint="try again")
    is_xml = body.lstrip().startswith(b"<") and b"Response xmlns=" in body
    if not is_xml and not _is_json(body) and "x-amzn-requestid" not in response_dict["headers"]:
        raise UsageError("the endpoint answered with something that is not AWS'", hint=_NOT_AWS)


def _is_json(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


class _Quiet(logging.Filter):
    """Lets nothing through that our requests caused. The log of others stays as it is."""

    def filter(self, record: logging.LogRecord) -> bool:
        del record
        return not ours.get()


_quiet = _Quiet()


def hush() -> None:
    """Put the filter on every logger of the library; a logger has one such filter at the most."""
    for name in [*logging.root.manager.loggerDict]:
        if name.partition(".")[0] in ("boto3", "botocore"):
            logging.getLogger(name).addFilter(_quiet)
