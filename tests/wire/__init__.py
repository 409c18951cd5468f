"""Tests of the wire: what is sent, what is understood, what is never shown."""
