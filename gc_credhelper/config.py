"""From flags, environment and profile to Settings: the four layers, and the errors that name their Origin."""

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .errors import UsageError
from .plan import Inputs
from .reading import expanded, read_bytes
from .settings import SETTINGS, Layer, Origin, Setting, Settings, Value, nearest, spoken

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

    def resolve(self, rows: Iterable[Setting], tables: Iterable[str], known_names: Callable[..., set[str]]) -> Settings:
        """Every row's value. `tables`: the plug-ins in use; `known_names`: the tables that a profile may have as well,
        or the rows of one of them, asked only when it speaks of more than is in use. UsageError for a value of the
        wrong type and for a name that no row declares.
        """
        rows = list(rows)
        values = {row.name: self.one(row) for row in rows}
        values["profile"], values["config"] = self.profile_name, self.config
        for name, (_, option) in self._flags.items():
            if name not in values:
                shown = spoken(name, values)
                written = option if shown == name else option.partition(" ")[0]
                raise UsageError(
                    f"there is no setting {shown} ({written})", hint=_flag_hint(name, values, tables, known_names)
                )
        settable = {row.name for row in rows if not row.bootstrap}
        for name, raw in self._profile.items():
            if not isinstance(raw, dict):
                self._must_exist(name, settable)
            elif name in tables:
                inner = {f"{name}.{key}" for key in raw}
                # A plug-in may be in use in one of its roles, while the profile speaks of the other as well.
                known = settable if inner <= settable else settable | known_names(name)
                for dotted in sorted(inner):
                    self._must_exist(dotted, known)
            elif name not in known_names():
                self._must_exist(name, settable, tables=known_names())
        return Settings(values)

    def _must_exist(self, name: str, known: set[str], tables: Iterable[str] = ()) -> None:
        if name in known:
            return
        hint = nearest(name, {*known, *tables})
        if looks_secret(name):
            hint = NO_SECRET
        elif any(row.bootstrap and row.name == name for row in SETTINGS):
            hint = f"{name} is needed before a profile is read: set its variable or its flag"
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
        path = expanded(named.value, self._inputs) if named.value else str(default_config(self._inputs))
        return Value(path, named.origin)

    def _read_profile(self) -> dict[str, Any]:
        """The profile's table; empty when neither file nor profile was asked for by name."""
        path, name = self.config.value, self.profile_name
        asked = name.origin.layer != Layer.DEFAULT
        named = self.config.origin.layer != Layer.DEFAULT
        if not self._inputs.file(path) and not named:
            if asked:
                raise UsageError(
                    f"there is no profile {spoken(name.value, ())} ({name.origin}): there is no {path}",
                    hint=f"write [profiles.NAME] into that file, or unset {name.origin.name}",
                )
            return {}
        profiles = read_toml(path, f"{path} ({self.config.origin})" if named else path, self._inputs).get(
            "profiles", {}
        )
        profile = profiles.get(name.value)
        if profile is None and asked:
            raise UsageError(
                f"there is no profile {spoken(name.value, profiles)} ({name.origin}) in {path}",
                hint=nearest(name.value, profiles),
            )
        if not isinstance(profile, dict | None):
            raise UsageError(f"profiles.{name.value} in {path} is not a table", hint=_SHAPE)
        return profile or {}


NO_SECRET = "no secret belongs there; name a provider that holds it"  # noqa: S105  # a hint
_LIMIT = 1 << 20
_SHAPE = 'write [profiles.NAME] and below it lines such as region = "eu-west-1"'


def looks_secret(name: str) -> bool:
    """Does somebody want to pass a secret by this name?"""
    return "secret" in name.lower() or name.lower().strip("-") in ("password", "token", "access_token", "access-token")


def read_toml(path: str, what: str, inputs: Inputs) -> dict[str, Any]:
    """The whole config file; UsageError with line and column when it does not parse. `what`: its name in messages."""
    import tomllib

    content = ""
    try:
        content = read_bytes(path, inputs, limit=_LIMIT).decode("utf-8-sig")
        whole = tomllib.loads(content)
    except tomllib.TOMLDecodeError as e:
        # The parser's text ends in "(at line 3, column 9)" and quotes keys and single characters, but no values.
        last = content.rpartition("\n")[2]
        end = f"at the end: line {content.count(chr(10)) + 1}, column {len(last) + 1}"
        said = str(e).replace("at end of document", end)
        raise UsageError(f"{what} is not TOML: {said}", hint="see https://toml.io for the format") from None
    except UnicodeDecodeError as e:
        raise UsageError(f"{what} is not UTF-8 (byte {e.start + 1})", hint="save the file as UTF-8") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, arrays in arrays without end
        raise UsageError(f"{what} holds a value beyond all measure", hint=_SHAPE) from None
    except OSError as e:
        raise UsageError(
            f"the config file {what} cannot be read: {e.strerror}", hint="check the path and who may read it"
        ) from None
    for name in whole:
        if name != "profiles":
            hint = NO_SECRET if looks_secret(name) else "settings belong below [profiles.NAME]"
            raise UsageError(f"there is no key {name} in {path}", hint=hint)
    if not isinstance(whole.get("profiles", {}), dict):
        raise UsageError(f"profiles in {path} is not a table", hint=_SHAPE)
    return whole


def _flag_hint(name: str, known: Iterable[str], tables: Iterable[str], known_names: Callable[..., set[str]]) -> str:
    table = name.rpartition(".")[0]
    if looks_secret(name):
        return NO_SECRET
    if table and table not in tables:
        if table in known_names():
            return f"{table} is not in use here; name it with --provider or --cache"
        return nearest(table, known_names())
    return nearest(name, known)


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
