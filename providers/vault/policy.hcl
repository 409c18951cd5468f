# All that gc-credhelper needs. Put your own paths in; one path and one policy for each trust domain,
# because whoever may write below gc-cache/data/ci/ chooses the token that the others use.

# Credentials: the one secret that `--provider vault:secret/ci/genesys` reads.
path "secret/data/ci/genesys" {
  capabilities = ["read"]
}

# Tokens: the mount that `--cache vault:gc-cache/ci` keeps them on, and that holds nothing else.
# No delete, no list, no metadata: a counter of versions that starts again would break the lease.
path "gc-cache/data/ci/*" {
  capabilities = ["create", "read", "update"]
}
