"""The regions of Genesys Cloud, every spelling that users pass, and the two URLs that follow.

The rows are those that the official SDKs, the `gc` CLI and the Terraform provider agree on. A secret never goes to
a host that was guessed: a name that is not in the table is an error.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import UsageError
from .kinds import is_loopback, url
from .settings import Settings, closest, spoken

# AWS region, domain, AWS short form, web-messenger environment
_ROWS = """
us-east-1       mypurecloud.com         use1   prod
us-east-2       use2.us-gov-pure.cloud  use2   fedramp-use2-core
us-west-2       usw2.pure.cloud         usw2   prod-usw2
ca-central-1    cac1.pure.cloud         cac1   prod-cac1
sa-east-1       sae1.pure.cloud         sae1   prod-sae1
mx-central-1    mxc1.pure.cloud         mxc1   prod-mxc1
eu-west-1       mypurecloud.ie          euw1   prod-euw1
eu-west-2       euw2.pure.cloud         euw2   prod-euw2
eu-central-1    mypurecloud.de          euc1   prod-euc1
eu-central-2    euc2.pure.cloud         euc2   prod-euc2
eusc-de-east-1  edee1.eusc-pure.cloud   edee1  eusc-edee1-core
me-central-1    mec1.pure.cloud         mec1   prod-mec1
ap-south-1      aps1.pure.cloud         aps1   prod-aps1
ap-southeast-1  apse1.pure.cloud        apse1  prod-apse1
ap-southeast-2  mypurecloud.com.au      apse2  prod-apse2
ap-northeast-1  mypurecloud.jp          apne1  prod-apne1
ap-northeast-2  apne2.pure.cloud        apne2  prod-apne2
ap-northeast-3  apne3.pure.cloud        apne3  prod-apne3
"""


@dataclass(frozen=True, slots=True)
class Region:
    """A row of the table. `aws` is the AWS region, `domain` what follows `login.`, `api.` and `apps.`."""

    aws: str
    domain: str
    spellings: frozenset[str]

    @property
    def token_url(self) -> str:
        """The token endpoint."""
        return f"https://login.{self.domain}/oauth/token"

    @property
    def api_url(self) -> str:
        """The Platform API."""
        return f"https://api.{self.domain}"


def _rows() -> tuple[Region, ...]:
    found = []
    for line in _ROWS.split("\n")[1:-1]:
        aws, domain, short, environment = line.split()
        hosts = {domain, *(f"{service}.{domain}" for service in ("api", "login", "apps"))}
        found.append(Region(aws, domain, frozenset({aws, aws.replace("-", "_"), short, environment, *hosts})))
    return tuple(found)


REGIONS = _rows()


def find(spelling: str) -> Region | None:
    """The row that a domain, a host, a URL, an AWS name, an SDK's enum name or a short form means; None for no row."""
    name = spelling.strip().casefold()
    try:
        parts = urlsplit(name if "://" in name else f"https://{name}")
        if parts.scheme != "https" or parts.username is not None or parts.port not in (None, 443):
            return None
    except ValueError:
        return None
    host = (parts.hostname or "").removesuffix(".")
    return next((row for row in REGIONS if host in row.spellings), None)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the token comes from and where it is used. `api_url` is None when nobody said and nothing follows."""

    token_url: str
    api_url: str | None
    decided_by: str  # the setting and its Origin, for messages


def endpoints(settings: Settings) -> Endpoints:
    """The two URLs that the settings mean: a nearer region displaces farther URLs. UsageError for an unknown region,
    and for an unknown Platform API when tokens are to be checked there.
    """
    found = _endpoints(settings)
    if found.api_url is None and settings["verify"]:
        raise UsageError(
            f"verify ({settings.origin('verify')}) asks the Platform API, and that of this token_url is not known",
            hint="set api_url, or leave verify off",
        )
    return found


def _endpoints(settings: Settings) -> Endpoints:
    token_url = settings["token_url"]
    if token_url is None or settings.nearer("region", "token_url"):
        name, base_token, base_api = _of_region(settings)
        api_url = settings["api_url"]
        if api_url is None or settings.nearer("region", "api_url"):
            api_url = base_api
        return Endpoints(base_token, api_url, f"region {name} ({settings.origin('region')})")
    api_url = settings["api_url"]
    if api_url is None or settings.nearer("token_url", "api_url"):
        row = find(urlsplit(token_url).hostname or "")
        api_url = row.api_url if row and token_url == row.token_url else None
    return Endpoints(token_url, api_url, f"token_url {token_url} ({settings.origin('token_url')})")


def _of_region(settings: Settings) -> tuple[str, str, str]:
    """The region's name, and its two URLs."""
    name = settings["region"]
    if row := find(name):
        return row.domain, row.token_url, row.api_url
    local = _on_this_machine(name.casefold())
    if local:
        return name, f"{local}/oauth/token", local
    known = {spelling for row in REGIONS for spelling in (row.aws, row.domain)}
    close = closest(name, known, cutoff=0.5) or ["mypurecloud.com", "eu-west-1"]
    raise UsageError(
        f"unknown region {spoken(name, known)} ({settings.origin('region')})",
        hint=f"nearest: {', '.join(close)}; for a host that is not in the table name it with --token-url",
    )


def _on_this_machine(name: str) -> str | None:
    """The URL that `localhost` or `localhost:PORT` means, as it does to the gc CLI."""
    if not re.fullmatch(r"[\w.]+(:\d{1,5})?", name, re.ASCII) or not is_loopback(name.partition(":")[0]):
        return None
    try:
        return url(f"http://{name}")
    except ValueError:
        return None
