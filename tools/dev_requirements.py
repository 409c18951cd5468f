"""Prints the names of the development tools, a line each, as pyproject.toml declares them."""

import tomllib
from pathlib import Path

print("\n".join(tomllib.loads(Path("pyproject.toml").read_text())["dependency-groups"]["dev"]))
