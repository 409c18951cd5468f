"""Prints the names of the development tools, as pyproject.toml of the core and of each provider declare them."""

import tomllib
from pathlib import Path

files = [Path("pyproject.toml"), *sorted(Path("providers").glob("*/pyproject.toml"))]
names = {name for file in files for name in tomllib.loads(file.read_text())["dependency-groups"]["dev"]}
print("\n".join(sorted(names)))
