"""HTTP to addresses that people name: it reaches the public internet, never what lies around us.

An address is checked where it is connected to, not before: a name is resolved once, every answer
must be permitted, and the socket goes to one of these very answers. So neither a name that resolves
otherwise the second time nor a redirect leads inside. `docs/decisions/0015` has the reasons.
"""

import ipaddress
import queue
import re
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from threading import Thread
from typing import Any, NoReturn

import httpcore
import httpx
from django.conf import settings
from django.utils.translation import gettext

from deepfake_site.public_addresses import IPAddress, is_permitted

CONNECT_TIMEOUT_S = 5.0
MAX_URL_LENGTH = 2000
MAX_BODY_BYTES = 64 * 1024
HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")  # a name in ASCII, or an IPv6 address
PRIVILEGED_PORTS = {80, 443}  # of those below 1024
# Ports from 1024 on where something listens that takes a request for its own protocol, or that is
# HTTP and of an administrator alone.
NOT_FOR_PEOPLE = {
    1080, 1433, 1521, 1723, 2049, 2375, 2376, 2379, 2380, 3128, 3260, 3306, 3389, 4369, 5060, 5061,
    5222, 5432, 5672, 5900, 5984, 5985, 5986, 6000, 6379, 6443, 6665, 6666, 6667, 6668, 6669, 6697,
    7000, 7001, 8125, 9042, 9092, 9200, 9300, 10250, 11211, 15672, 16379, 26379, 27017, 50000,
}  # fmt: skip

SocketAddress = tuple[Any, ...]


class AddressRefused(httpx.TransportError):
    """The address, or one that its name resolves to, is none to connect to; nothing was sent."""


class NotPublic(ValueError):  # noqa: N818 (it names what the address is)
    """The host is written as an IP address that is none to connect to."""


class BodyTooLarge(httpx.TransportError):
    """The answer was cut off at the limit."""


def check_url(url: str) -> httpx.URL:
    """Parse an address as the client will, and refuse what is wrong with it as text.

    What a name resolves to is checked when it is connected to; nobody is asked here.

    Raises:
        ValueError: with one sentence for every reason; `NotPublic` where the host is no name.
    """
    if not 1 <= len(url) <= MAX_URL_LENGTH or not url.isprintable() or set(url) & set(" \\#"):
        _refuse_url()
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        _refuse_url()
    if parsed.scheme not in {"http", "https"} or _names_a_user(url):
        _refuse_url()
    if len(str(parsed)) > MAX_URL_LENGTH:  # which is in ASCII, and so may be longer
        _refuse_url()
    if not HOST.fullmatch(parsed.raw_host.decode("ascii")) or not _is_permitted_port(parsed.port):
        _refuse_url()
    if not all(is_permitted(address) for address in _written_out(parsed.raw_host)):
        _refuse_url(NotPublic)
    return parsed


def client(*, deadline_s: float, max_body_bytes: int = MAX_BODY_BYTES) -> httpx.Client:
    """A client for one exchange, redirects that the caller follows included.

    It asks no proxy of the environment, follows no redirect, keeps no cookie and no connection, and
    gives bodies as they were sent: nothing is decompressed. All it does together ends `deadline_s`
    from now, however slowly the other side drips. Whoever needs the status alone says `stream` and
    reads no body.

    Its requests raise `httpx.TransportError`, and of its kinds, beside those of httpx:
        AddressRefused: an address that `check_url` refuses, or that is not public.
        BodyTooLarge: while the body is read; more than `max_body_bytes` came.
    """
    return httpx.Client(
        transport=_Transport(_Deadline(deadline_s), max_body_bytes),
        trust_env=False,
        follow_redirects=False,
        timeout=deadline_s,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"User-Agent": f"Unmask/{settings.VERSION}", "Accept-Encoding": "identity"},
    )


def _refuse_url(kind: type[ValueError] = ValueError) -> NoReturn:
    raise kind(gettext("This desk does not use this address."))


def _written_out(host: bytes) -> list[IPAddress]:
    """The IP address that a host is, as connecting to it would read it: `127.1` is 127.0.0.1.

    Empty for a name.
    """
    try:
        found = socket.getaddrinfo(
            host.rstrip(b"."), None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except OSError:
        return []
    return [ipaddress.ip_address(address[0]) for *_, address in found]


def _names_a_user(url: str) -> bool:
    authority = re.split("[/?]", url.partition("//")[2], maxsplit=1)[0]
    return "@" in authority


def _is_permitted_port(port: int | None) -> bool:
    """None is the port of the scheme."""
    if port is None or port in PRIVILEGED_PORTS:
        return True
    return 1024 <= port <= 65535 and port not in NOT_FOR_PEOPLE


class _Deadline:
    """A moment after which there is no time left for anything."""

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def left(self, *, at_most: float | None = None) -> float:
        """Seconds until then.

        Raises:
            TimeoutError: it has passed; a socket would take 0 for "do not block".
        """
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the deadline has passed")
        return seconds if at_most is None else min(seconds, at_most)


class _Transport(httpx.BaseTransport):
    """What `httpx.HTTPTransport` does, over a pool that connects by our backend.

    The latter takes no backend, and setting one in its private pool would break silently.
    """

    def __init__(self, deadline: _Deadline, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._pool = httpcore.ConnectionPool(
            ssl_context=_tls_context(),
            max_keepalive_connections=0,
            http1=True,
            http2=False,
            network_backend=_Backend(deadline),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:  # also an address that no caller checked, such as that of a redirect
            check_url(str(request.url))
        except ValueError as error:
            raise AddressRefused(str(error)) from None
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _errors_of_httpx():
            answer = self._pool.handle_request(sent)
        headers = [pair for pair in answer.headers if pair[0].lower() != b"content-encoding"]
        return httpx.Response(
            answer.status,
            headers=headers,  # without the one by which httpx would decompress
            stream=_Body(answer, self._max_body_bytes),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    """An answer's body as it comes, up to a limit."""

    def __init__(self, answer: httpcore.Response, max_bytes: int) -> None:
        self._answer = answer
        self._max_bytes = max_bytes

    def __iter__(self) -> Iterator[bytes]:
        received = 0
        with _errors_of_httpx():
            for part in self._answer.iter_stream():
                received += len(part)
                if received > self._max_bytes:
                    raise BodyTooLarge("the body is over the limit")
                yield part

    def close(self) -> None:
        self._answer.close()


class _Backend(httpcore.NetworkBackend):
    """Connects to permitted addresses alone, and to the very ones that it checked."""

    def __init__(self, deadline: _Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        with _errors_of_httpcore(httpcore.ConnectTimeout, httpcore.ConnectError):
            within = _Deadline(self._deadline.left(at_most=CONNECT_TIMEOUT_S))
            return _Stream(_connected(_permitted(host, port, within), within), self._deadline)

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        raise AddressRefused("no sockets of this machine")


class _Stream(httpcore.NetworkStream):
    """A connection all of whose reads and writes together end at the deadline."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _errors_of_httpcore(httpcore.ReadTimeout, httpcore.ReadError):
            self._sock.settimeout(self._deadline.left(at_most=timeout))
            return self._sock.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _errors_of_httpcore(httpcore.WriteTimeout, httpcore.WriteError):
            while buffer:
                self._sock.settimeout(self._deadline.left(at_most=timeout))
                buffer = buffer[self._sock.send(buffer) :]

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """The name asked for and proved is the one in the address, not what it resolved to."""
        try:
            with _errors_of_httpcore(httpcore.ConnectTimeout, httpcore.ConnectError):
                self._sock.settimeout(self._deadline.left(at_most=timeout))
                secured = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        except Exception:
            self.close()
            raise
        return _Stream(secured, self._deadline)


def _permitted(host: str, port: int, deadline: _Deadline) -> list[tuple[int, SocketAddress]]:
    """All that a name resolves to; one forbidden answer among them refuses the name."""
    answers = _resolved(host, port, deadline)
    if not all(is_permitted(ipaddress.ip_address(address[0])) for _family, address in answers):
        raise AddressRefused("not a public address")
    return answers


def _resolved(host: str, port: int, deadline: _Deadline) -> list[tuple[int, SocketAddress]]:
    """Ask once. In a thread, because `getaddrinfo` takes no time limit.

    One that is given up goes on until the resolver of this machine loses patience.
    """
    answer: queue.SimpleQueue[list[tuple[int, SocketAddress]] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            # Bytes, which Python hands on as they are: httpx has made the name ASCII.
            found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
            answer.put([(family, address) for family, *_, address in found])
        except Exception as error:  # noqa: BLE001 (raised where it is waited for)
            answer.put(error)

    Thread(target=ask, daemon=True).start()
    try:
        found = answer.get(timeout=deadline.left())
    except queue.Empty:
        raise TimeoutError("the name was not resolved in time") from None
    if isinstance(found, Exception):
        raise found
    return found


def _connected(answers: list[tuple[int, SocketAddress]], deadline: _Deadline) -> socket.socket:
    """A connection to the first of the addresses that takes one."""
    failure = OSError("the name has no address")
    for family, address in answers:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(deadline.left())
            sock.connect(address)
            _check_peer(sock, address)
        except Exception as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            failure = error
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise failure


def _check_peer(sock: socket.socket, address: SocketAddress) -> None:
    """Something between us and the network may send a connection elsewhere than it was told."""
    peer = ipaddress.ip_address(sock.getpeername()[0])
    if peer != ipaddress.ip_address(address[0]):
        raise AddressRefused("connected to another address than asked for")


@cache
def _tls_context() -> ssl.SSLContext:
    """The usual authorities, and those of this machine: an organisation may have its own."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


@contextmanager
def _errors_of_httpcore(
    timeout: type[httpcore.TimeoutException], failure: type[httpcore.NetworkError]
) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error)) from error
    except (OSError, ValueError) as error:
        raise failure(str(error)) from error


@contextmanager
def _errors_of_httpx() -> Iterator[None]:
    """The same error by the name that httpx gives it."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise getattr(httpx, type(error).__name__)(str(error)) from error
