"""Addresses that must lead nowhere, and names that a test answers for instead of the network."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

HOSTILE_URLS = [
    "http://127.0.0.1/",
    "http://127.0.0.1:8000/",
    "http://127.1/",
    "http://127.255.255.254/",
    "http://0/",
    "http://0.0.0.0/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://１２７.０.０.１/",
    "http://１２７。０。０。１/",
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://127.0.0.1./",
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::ffff:0:7f00:1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::a9fe:a9fe]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[2001:db8::1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://168.63.129.16/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://192.0.0.192/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://metadata.google.internal/",
    "http://user@public.example/",
    "http://user:password@public.example/",
    "http://@public.example/",
    "http://public.example@127.0.0.1/",
    "http://public.example#@127.0.0.1/",
    "http://127.0.0.1\\@public.example/",
    "http://public.example/\r\nHost: 127.0.0.1",
    "http://public.example\t.127.0.0.1.example/",
    "http://public.example /",
    "http://public.example/a b",
    "http://public.example/\u2028",
    "http://public%2eexample/",
    "http://public.example:22/",
    "http://public.example:25/",
    "http://public.example:6379/",
    "http://public.example:5432/",
    "http://public.example:0/",
    "http://public.example:65616/",
    "http://public.example:http/",
    "http:///photo.jpg",
    "http://",
    "http:127.0.0.1",
    "//public.example/",
    "public.example/photo.jpg",
    "",
    "file:///etc/passwd",
    "gopher://public.example/_x",
    "ftp://public.example/photo.jpg",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "ws://public.example/",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "http://public.example/" + "a" * 2000,
]

INSIDE = [
    "http://127.0.0.1:8000/",
    "http://127.1/",
    "http://0/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://127.0.0.1./",
    "http://[::1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://10.0.0.1/",
    "http://172.31.255.255/",
    "https://192.168.0.1/",
    "http://100.64.0.1/",
]  # of these, what needs no resolver to be told
PUBLIC = "93.184.216.34"
NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "public.example": [PUBLIC],
}


class Names:
    """Stands in for the resolver: numbers are read as ever, of names it knows those it was told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self._answers: dict[str, Callable[[], list[str]]] = {}
        self._numeric = socket.getaddrinfo
        for name, addresses in NAMES.items():
            self.say(name, addresses)
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def say(self, name: str, addresses: list[str], *later: list[str]) -> None:
        """What the name resolves to; and what the second time, if that is something else."""
        turns = [addresses, *later]
        self._answers[name] = lambda: turns.pop(0) if len(turns) > 1 else turns[0]

    def _getaddrinfo(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if kwargs.get("flags", 0) & socket.AI_NUMERICHOST:  # whether it is a name at all
            return self._numeric(host, port, *args, **kwargs)
        name = host.decode() if isinstance(host, bytes) else host
        self.asked.append(name)
        addresses = self._answers[name]() if name in self._answers else [name]
        numbers = kwargs | {"flags": socket.AI_NUMERICHOST}
        return [row for one in addresses for row in self._numeric(one, port, *args, **numbers)]


class Connections(list[Any]):
    """Addresses that sockets were told to connect to; none but this machine is really reached."""

    stand_in = 0  # port here of a server that plays the one at PUBLIC

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        real = socket.socket.connect

        def connect(sock: socket.socket, address: Any) -> None:
            self.append(address)
            if address[0] == PUBLIC and self.stand_in:
                real(sock, ("127.0.0.1", self.stand_in))
            elif address[0] == "127.0.0.1":
                real(sock, address)
            else:
                raise ConnectionRefusedError("a test stays on this machine")

        monkeypatch.setattr(socket.socket, "connect", connect)
