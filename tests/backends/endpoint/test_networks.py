"""Networks: proxies, certificates and addresses without a scheme each have their own sentence."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import threading
from contextlib import suppress

import pytest
from scripted_server import ScriptedServer

from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.opening import load_backend
from jupyter_mop.errors import DataError, MissingPackageError, ModelError

DEAD = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setattr(defaults, "FIRST_WAIT", 0.01)
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in {"OPENAI_API_KEY", "SSL_CERT_FILE"}:
            monkeypatch.delenv(name)


def probe(url: str) -> OpenAIBackend:
    backend = OpenAIBackend(url, "scripted")
    _ = backend.capabilities
    return backend


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Give the files of a self-signed certificate and its key."""
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    subject = ("-addext", "subjectAltName=IP:127.0.0.1")
    out = ("-out", str(files[0]), "-keyout", str(files[1]))
    subprocess.run(["openssl", *command.split(), *subject, *out], check=True, capture_output=True)
    return files


@pytest.fixture
def secure(certificate):
    """Give the address of a server with that certificate."""
    server = ScriptedServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server._http.socket = context.wrap_socket(server._http.socket, server_side=True)
    yield server.url.replace("http://", "https://")
    server.close()


def test_a_certificate_that_is_not_trusted_is_named(secure, certificate, monkeypatch):
    with pytest.raises(ModelError, match="is not trusted: self-signed certificate") as caught:
        probe(secure)
    assert "tried" not in caught.value.message
    assert "SSL_CERT_FILE" in caught.value.hint
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert probe(secure).capabilities.can("chat")


def test_a_server_without_tls_is_named(scripted):
    with pytest.raises(ModelError, match="does not answer with TLS") as caught:
        probe(scripted.url.replace("http://", "https://"))
    assert "http://" in caught.value.hint


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
def test_a_dead_proxy_is_named_without_its_password(scripted, monkeypatch, variable):
    monkeypatch.setenv(variable, f"http://me:sk-planted@{DEAD}")
    wanted = f"through the proxy http://{DEAD} (tried 2 times)"
    with pytest.raises(ModelError, match=re.escape(wanted)) as caught:
        probe(scripted.url)
    assert "NO_PROXY" in caught.value.hint
    assert "sk-planted" not in str(caught.value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert probe(scripted.url).capabilities.can("chat")


def test_a_socks_proxy_needs_an_extra(scripted, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", f"socks5://{DEAD}")
    monkeypatch.setattr("jupyter_mop.backends.endpoint.connection.find_spec", lambda _: None)
    with pytest.raises(MissingPackageError, match="'socksio' is required") as caught:
        probe(scripted.url)
    assert "jupyter-mop[socks]" in caught.value.hint
    assert not scripted.seen


def test_calls_go_through_a_socks_proxy(scripted, monkeypatch):
    pytest.importorskip("socksio")
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve_socks, args=(listener,), daemon=True).start()
    proxy = f"socks5://127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("ALL_PROXY", proxy)
    assert probe(scripted.url).capabilities.can("chat")
    assert scripted.seen
    listener.close()
    with pytest.raises(ModelError, match=re.escape(f"through the proxy {proxy}")):
        probe(scripted.url)


@pytest.mark.parametrize(
    "address", ["localhost:8080/v1", "127.0.0.1:8000", "api.openai.com/v1", "host.example/api/v1/"]
)
def test_an_address_without_a_scheme_is_told_how_to_begin(address):
    with pytest.raises(DataError, match="has no scheme") as caught:
        load_backend(address)
    assert f"http://{address}" in caught.value.hint


@pytest.mark.parametrize("path", ["models/a.gguf", "a.b/c.gguf", "llama", "C:\\models\\a"])
def test_a_path_is_no_address(path):
    with pytest.raises(ModelError):
        load_backend(path)


def serve_socks(listener: socket.socket) -> None:
    """Relay connections as a SOCKS5 proxy without a password."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        client.recv(262)
        client.sendall(b"\x05\x00")
        request = client.recv(262)
        host = socket.inet_ntoa(request[4:8])
        server = socket.create_connection((host, int.from_bytes(request[8:10])))
        client.sendall(b"\x05\x00\x00\x01" + b"\0" * 6)
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=relay, args=(one, other), daemon=True).start()


def relay(source: socket.socket, target: socket.socket) -> None:
    """Pass on all bytes of one direction."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
