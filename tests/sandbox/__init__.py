"""Tests of the loopback Genesys Cloud, over real sockets."""
