"""From flags, environment and profile to Settings: the four layers, and the errors that name their Origin."""

import sys
import tomllib
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from .errors import UsageError
from .plan import Inputs
from .settings import SETTINGS, Layer, Origin, Setting, Settings, Value, nearest

Flags = Mapping[str, tuple[object, str]]  # setting → value and the option as the user wrote it


class Layers:
    """The raw values of every layer, read once; `resolve` types the rows of the core and of the plug-ins in use."""

    def __init__(self, inputs: Inputs, flags: Flags) -> None:
        """`flags`: by setting name, dotted for plug-ins. UsageError: no such file or profile, or it does not parse."""
        self._inputs = inputs
        self._flags = flags
        rows = {row.name: row for row in SETTINGS}
        self.config = self._config_path(rows["config"])
        self.profile_name = self.one(rows["profile"])
        self._profile = self._read_profile()

    def resolve(
        self, rows: Iterable[Setting], tables: Iterable[str], known_tables: Callable[[], Container[str]]
    ) -> Settings:
        """Every row's value. `tables`: the plug-ins in use; `known_tables`: those that a profile may speak of as well,
        asked only when it does. UsageError for a value of the wrong type and for a name that no row declares.
        """
        rows = list(rows)
        values = {row.name: self.one(row) for row in rows}
        values["profile"], values["config"] = self.profile_name, self.config
        for name, (_, option) in self._flags.items():
            if name not in values:
                raise UsageError(f"there is no setting {name} ({option})", hint=nearest(name, values))
        settable = {row.name for row in rows if not row.bootstrap}
        in_use = set(tables)
        for name, raw in self._profile.items():
            if isinstance(raw, dict) and name in in_use:
                for inner in raw:
                    self._must_exist(f"{name}.{inner}", settable)
            elif not isinstance(raw, dict) or name not in known_tables():
                self._must_exist(name, settable)
        return Settings(values)

    def _must_exist(self, name: str, known: set[str]) -> None:
        if name in known:
            return
        hint = nearest(name, known)
        if "secret" in name.lower() or name in ("password", "token", "access_token"):
            hint = "no secret belongs into the config file; name a provider that holds it"
        raise UsageError(f"there is no setting {name} ({self._profile_origin})", hint=hint)

    def one(self, row: Setting) -> Value:
        """The value of the nearest layer that has one."""
        if row.name in self._flags:
            raw, option = self._flags[row.name]
            return row.read(raw, Origin(Layer.FLAG, option))
        if (raw := self._inputs.env(row.variable)) is not None:
            return row.read(raw, Origin(Layer.VARIABLE, row.variable))
        if not row.bootstrap:
            table, _, name = row.name.rpartition(".")
            profile = self._profile.get(table, {}) if table else self._profile
            if isinstance(profile, dict) and name in profile:
                return row.read(profile[name], self._profile_origin)
        for name in row.platform:
            if (raw := self._inputs.env(name)) is not None:
                return row.read(raw, Origin(Layer.PLATFORM, name))
        origin = Origin(Layer.DEFAULT)
        return Value(None, origin) if row.default is None else row.read(row.default, origin)

    @property
    def _profile_origin(self) -> Origin:
        return Origin(Layer.PROFILE, f"{self.profile_name.value} in {self.config.value}")

    def _config_path(self, row: Setting) -> Value:
        named = self.one(row)
        return named if named.value else Value(str(default_config(self._inputs)), named.origin)

    def _read_profile(self) -> dict[str, Any]:
        """The profile's table; empty when neither file nor profile was asked for by name."""
        path = self.config.value
        asked = self.profile_name.origin.layer != Layer.DEFAULT
        if not self._inputs.file(path):
            if self.config.origin.layer != Layer.DEFAULT:
                raise UsageError(f"the config file {path} ({self.config.origin}) does not exist")
            if asked:
                raise UsageError(
                    f"there is no profile {self.profile_name.value} ({self.profile_name.origin}): no {path}",
                    hint="write the profile, or unset it",
                )
            return {}
        profiles = read_toml(path).get("profiles", {})
        profile = profiles.get(self.profile_name.value)
        if profile is None and asked:
            name = self.profile_name
            raise UsageError(
                f"there is no profile {name.value} ({name.origin}) in {path}", hint=nearest(name.value, profiles)
            )
        if not isinstance(profile, dict | None):
            raise UsageError(f"profiles.{self.profile_name.value} in {path} is not a table")
        return profile or {}


def read_toml(path: str) -> dict[str, Any]:
    """The whole config file; UsageError with line and column when it does not parse."""
    try:
        whole = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as e:
        # The parser's text ends in "(at line 3, column 9)" and quotes nothing but single characters before it.
        raise UsageError(f"{path} is not TOML: {e}", hint="see https://toml.io for the format") from None
    except UnicodeDecodeError as e:
        raise UsageError(f"{path} is not UTF-8: byte {e.start}") from None
    except OSError as e:
        raise UsageError(f"{path} cannot be read: {e.strerror}") from None
    for name in whole:
        if name != "profiles":
            raise UsageError(f"there is no key {name} in {path}", hint="settings belong below [profiles.NAME]")
    if not isinstance(whole.get("profiles", {}), dict):
        raise UsageError(f"profiles in {path} is not a table")
    return whole


def default_config(inputs: Inputs) -> Path:
    """Where the config file lies when nobody says where."""
    if (path := inputs.env("XDG_CONFIG_HOME")) and Path(path).is_absolute():
        base = Path(path)
    elif sys.platform == "win32":  # pragma: no cover
        base = Path(inputs.env("APPDATA") or ".")
    elif sys.platform == "darwin":  # pragma: no cover
        base = Path(inputs.env("HOME") or "/", "Library/Application Support")
    else:
        base = Path(inputs.env("HOME") or "/", ".config")
    return base / "gc-credhelper" / "config.toml"
