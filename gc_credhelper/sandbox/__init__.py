"""A loopback Genesys Cloud: a login and the part of the Platform API that a pipeline needs to be tried out."""
