"""Wire: what the settings say of the two URLs, and of the way to them."""

import functools
from typing import TYPE_CHECKING

from .errors import UsageError
from .plan import Inputs
from .reading import expanded
from .regions import Endpoints, endpoints
from .report import Report
from .settings import Settings

if TYPE_CHECKING:
    from .exchange import TokenExchanger
    from .transport import Transport


class Wire:
    """Of one App, which has found the settings. What speaks HTTP is imported when it is needed."""

    inputs: Inputs
    report: Report
    settings: Settings

    @functools.cached_property
    def endpoints(self) -> Endpoints:
        """The two URLs."""
        return endpoints(self.settings)

    def exchanger(self) -> "TokenExchanger":
        """One to the token endpoint. UsageError for a client certificate's key without a certificate."""
        from .exchange import TokenExchanger  # its imports take longer than all the rest of a run that needs none

        where, client_auth = self.endpoints, self.settings["client_auth"]
        return TokenExchanger(where.token_url, client_auth, where.decided_by, self.transport(), self.report)

    def transport(self) -> "Transport":
        """What goes to the two URLs goes through it. UsageError for a key without a certificate."""
        from .transport import Transport

        certificate, key = (
            path and expanded(path, self.inputs) for path in (self.settings["client_cert"], self.settings["client_key"])
        )
        if key and not certificate:
            raise UsageError(f"client_key ({self.settings.origin('client_key')}) is set, but client_cert is not")
        return Transport((certificate, key) if key else certificate)
