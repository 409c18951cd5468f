"""The token server of the tests is the one that authors of plug-ins get."""

from gc_credhelper.testing.scripted import Answer, Request, ScriptedServer, http, token

__all__ = ["Answer", "Request", "ScriptedServer", "http", "token"]
