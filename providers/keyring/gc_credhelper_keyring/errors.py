"""What a failure of a keyring means, in our words. No text of the keyring is ever shown: it may hold the secret."""

from gc_credhelper.errors import CredentialsError, Error, TemporaryError

ELSEWHERE = "on a server or in CI take the credentials from another provider (env, file, vault) and cache in files"
UNLOCK = "log in to the desktop or unlock the keyring there; keyring.prompt=yes lets it ask you"
_AGAIN = "try again"
_SPAWN = "org.freedesktop.DBus.Error.Spawn"  # what D-Bus calls each failure to start the service begins with

# The first row that bears one of the names of an exception says what it means: its class, a base of that, or D-Bus's
# name for it. By name, because none of the libraries that raise them is imported here.
_MEANINGS: tuple[tuple[frozenset[str], type[Error], str, str], ...] = (
    (
        frozenset(
            {"LockedException", "KeyringLocked", "PromptDismissedException", "org.freedesktop.Secret.Error.IsLocked"}
        ),
        CredentialsError,
        "the keyring is locked",
        UNLOCK,
    ),
    (
        frozenset(
            {
                "org.freedesktop.DBus.Error.NoReply",
                "org.freedesktop.DBus.Error.TimedOut",
                "ConnectionResetError",
                "BrokenPipeError",
                "TimeoutError",
            }
        ),
        TemporaryError,
        "the keyring's service went away before it answered",
        _AGAIN,
    ),
    (
        frozenset({"SecretServiceNotAvailableException", "ConnectionRefusedError", "FileNotFoundError", _SPAWN}),
        CredentialsError,
        "there is no keyring: no Secret Service answers on D-Bus",
        ELSEWHERE,
    ),
    (
        frozenset({"AuthenticationError", "PermissionError"}),
        CredentialsError,
        "there is no keyring: the D-Bus of DBUS_SESSION_BUS_ADDRESS refuses this user",
        f"under sudo it is that of the other user; {ELSEWHERE}",
    ),
    (frozenset({"NoKeyringError", "InitError"}), CredentialsError, "the keyring cannot be used here", ELSEWHERE),
    (frozenset({"ItemNotFoundException"}), TemporaryError, "the item was deleted at the same moment", _AGAIN),
    (
        frozenset({"KeyringError"}),
        CredentialsError,
        "the keyring refused",
        "it may want to ask you whether this Python may read it: run once with --set keyring.prompt=yes",
    ),
)


def meaning(error: Exception) -> Error:
    """Our error for one of a library's."""
    names = {cls.__name__ for cls in type(error).__mro__}
    names |= {str(getattr(cause, "name", "")) for cause in (error, error.__cause__)}
    if any(name.startswith(_SPAWN) for name in names):
        names.add(_SPAWN)
    for known, kind, message, hint in _MEANINGS:
        if known & names:
            return kind(message, hint=hint)
    return CredentialsError(f"the keyring failed ({type(error).__name__})", hint="check keyring.backend and its log")
