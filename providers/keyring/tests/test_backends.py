"""Other backends: which are refused, and that limits of macOS and Windows lose nothing. These two are simulated."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fakes
import pytest
from gc_credhelper.errors import CredentialsError, Error, UsageError
from keyringkit import ID, SECRET, Desktop, client
from support.hunting import canary, failing, soon

KEY = "c0ffee" * 6
NULL, PLAIN = "keyring.backends.null.Keyring", "keyrings.alt.file.PlaintextKeyring"
REFUSED = (
    NULL,
    PLAIN,
    "keyring.backends.fail.Keyring",
    "keyring.backends.chainer.ChainerBackend",
    "keyrings.alt.file.EncryptedKeyring",
    "nobody.knows.This",
)
canary("canary-of-a-foreign-text")


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    yield
    fakes.Dictionary.items.clear()
    fakes.WinVaultKeyring.targets.clear()
    fakes.Dictionary.reset()


@pytest.mark.parametrize("name", REFUSED)
def test_a_variable_for_other_programs_cannot_choose_a_backend_that_keeps_no_secrets(
    session: Desktop, provider: Any, cache: Any, name: str
) -> None:
    env = session.env(PYTHON_KEYRING_BACKEND=name)
    error = failing(UsageError, lambda: provider(env).plugin.credentials(soon()))
    assert "PYTHON_KEYRING_BACKEND" in str(error)
    assert "keyring.backend" in error.hint
    failing(UsageError, lambda: provider(env).plugin.store(client(), soon(), replace=True))
    with pytest.raises(Error, match="PYTHON_KEYRING_BACKEND"):
        cache(env).put(KEY, "text")


def test_a_variable_for_other_programs_can_choose_one_that_does(session: Desktop, provider: Any) -> None:
    env = session.env(PYTHON_KEYRING_BACKEND="keyring.backends.SecretService.Keyring")
    provider(env).plugin.store(client(), soon(), replace=False)
    assert provider(session.env()).plugin.credentials(soon()) == client()


def test_a_config_file_for_other_programs_is_not_read(
    session: Desktop, provider: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / ".config" / "python_keyring" / "keyringrc.cfg"
    config.parent.mkdir(parents=True)
    config.write_text(f"[backend]\ndefault-keyring={NULL}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    provider(session.env()).plugin.store(client(), soon(), replace=False)
    assert provider(session.env()).plugin.credentials(soon()) == client()


def test_a_plaintext_backend_is_used_when_a_setting_names_it(
    provider: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    plugin = provider({}, backend=PLAIN).plugin
    assert plugin.store(client(), soon(), replace=False).endswith(f"in the keyring {PLAIN}")
    assert plugin.credentials(soon()) == client()
    assert [*tmp_path.rglob("keyring_pass.cfg")]


@pytest.mark.parametrize("name", [NULL, "fakes.DropsAll"])
def test_a_backend_that_drops_what_it_is_given_is_found_out(provider: Any, name: str) -> None:
    plugin = provider({}, backend=name).plugin
    error = failing(CredentialsError, lambda: plugin.store(client(), soon(), replace=False))
    assert "did not keep" in str(error)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fakes.Nowhere", UsageError),
        ("no.such.Module", UsageError),
        ("fakes.NotHere", CredentialsError),
        ("keyring.backends.fail.Keyring", CredentialsError),
        ("keyring.backends.Windows.WinVaultKeyring", CredentialsError),
        ("keyring.backends.macOS.Keyring", CredentialsError),
        ("fakes.Talkative", CredentialsError),
        ("fakes.Broken", CredentialsError),
    ],
)
def test_a_backend_that_does_not_serve_is_an_error_without_its_own_text(provider: Any, name: str, kind: Any) -> None:
    failing(kind, lambda: provider({}, backend=name).plugin.credentials(soon()))
    failing(kind, lambda: provider({}, backend=name).plugin.store(client(), soon(), replace=True))


@pytest.mark.parametrize("backend", ["fakes.Dictionary", "fakes.DeletesFirst", "fakes.WinVaultKeyring"])
def test_both_roles_work_on_any_backend(provider: Any, cache: Any, backend: str) -> None:
    source, plugin = provider({}, backend=backend).plugin, cache({}, backend=backend)
    source.store(client(), soon(), replace=False)
    failing(CredentialsError, lambda: source.store(client(), soon(), replace=False))
    for content in ("one", "two"):
        plugin.put(KEY, content)
        assert plugin.get(KEY) == content
    plugin.put("abc", "three")
    source.store(client(secret="canary-second"), soon(), replace=True)
    assert source.credentials(soon()).client_secret.reveal() == "canary-second"
    assert plugin.keys() == ["abc", KEY]
    assert [plugin.remove(key) for key in (KEY, KEY, "abc")] == [True, False, True]
    assert (plugin.keys(), plugin.get(KEY)) == ([], None)
    assert source.credentials(soon()).client_id == ID


def test_a_replacement_that_is_cut_off_at_any_step_loses_nothing(provider: Any) -> None:
    source = provider({}, backend="fakes.DeletesFirst").plugin
    source.store(client(), soon(), replace=False)
    seen = set()
    for steps in itertools.count():
        fakes.Dictionary.reset(steps)
        done = True
        try:
            source.store(client(secret="canary-second"), soon(), replace=True)
        except CredentialsError:
            done = False
        fakes.Dictionary.reset()
        found = source.credentials(soon()).client_secret.reveal()
        seen.add(found)
        assert found in (SECRET, "canary-second")
        source.store(client(), soon(), replace=True)
        assert source.credentials(soon()) == client()
        assert len(fakes.Dictionary.items) == 1
        if done:
            break
    assert steps > 3
    assert seen == {SECRET, "canary-second"}


def test_what_is_too_large_for_windows_is_refused_before_anything_is_lost(provider: Any, cache: Any) -> None:
    backend = "fakes.WinVaultKeyring"
    source, plugin = provider({}, backend=backend).plugin, cache({}, backend=backend)
    source.store(client(), soon(), replace=False)
    plugin.put(KEY, "x" * 1280)
    targets = dict(fakes.WinVaultKeyring.targets)
    large = client(secret="canary-" + "x" * 1300)
    error = failing(CredentialsError, lambda: source.store(large, soon(), replace=True))
    assert "2560 at the most" in str(error)
    with pytest.raises(Error, match="2562 bytes"):
        plugin.put(KEY, "x" * 1281)
    with pytest.raises(Error, match="2564 bytes"):
        plugin.put(KEY, "x" * 1280 + "\N{KEY}")
    assert fakes.WinVaultKeyring.targets == targets
    assert source.credentials(soon()) == client()


def test_a_token_that_could_not_be_listed_is_not_kept(cache: Any, tmp_path: Path) -> None:
    from gc_credhelper.private import PrivateDir

    plugin = cache({}, backend="fakes.Dictionary")
    (tmp_path / "file").write_text("")
    plugin._directory = PrivateDir("-" + str(tmp_path / "file"))
    with pytest.raises(NotADirectoryError):
        plugin.put(KEY, "text")
    assert fakes.Dictionary.items == {}
