"""HashiCorp Vault and OpenBao for gc-credhelper: a credential provider and a cache that machines share."""

__version__ = "0.1.0"
