"""Tests of README and docs: what they show runs, and what they list exists."""
