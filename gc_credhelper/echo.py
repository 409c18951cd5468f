"""Echo: finds a secret, or a part of it, in what a server says, in clear or in any coding that it could be put in."""

import base64
import re

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RUN = 5  # characters in a row that nothing which is shown has in common with it


def is_uuid(text: str) -> bool:
    """Has it the form of the ids that Genesys' support asks for?"""
    return bool(_UUID.fullmatch(text))


class Echo:
    """Of one secret or token."""

    def __init__(self, secret: str) -> None:
        raw = secret.encode()
        forms = {secret: 1, raw.hex(): 2, base64.b32encode(raw).decode(): 1, base64.b85encode(raw).decode(): 1}
        for shift in range(3):
            forms[base64.b64encode(b" " * shift + raw).decode()[2 * shift :].rstrip("=")] = 1
        for written in ("%{:02x}", "&#{};", "&#x{:x};", "\\u{:04x}"):  # one character at a time
            parts = [written.format(code) for code in raw]
            forms["".join(parts)] = min(map(len, parts))
        forms["?".join(secret)] = 2  # UTF-16, as `one_line` shows it
        self._runs = {
            turned[i : i + width * _RUN]
            for form, width in forms.items()
            for turned in (_plain(form), _plain(form)[::-1])
            for i in range(max(1, len(turned) - width * _RUN + 1))
        }

    def misses(self, text: str) -> bool:
        """Is there nothing of it in the text, however turned?"""
        plain = _plain(text)
        return not any(run in plain for run in self._runs)


def _plain(text: str) -> str:
    """In which case, and with which hyphens, it is written makes no difference."""
    return text.replace("-", "").casefold()
