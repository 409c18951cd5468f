"""The desktop's keyring for gc-credhelper: a credential provider and a cache for the user's session."""

__version__ = "0.1.0"
