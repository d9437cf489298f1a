"""The two messages between a Decoder and its child: length-prefixed JSON, descriptors beside it."""

import json
import os
import socket
import struct
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

MAX_MESSAGE_BYTES = 1 << 20
HEAD = struct.Struct(">I")


def framed(message: dict[str, Any]) -> bytes:
    """Length and JSON; the file with a result begins in the same way."""
    body = json.dumps(message).encode()
    return HEAD.pack(len(body)) + body


def send(to: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one message; descriptors arrive as copies."""
    packet = framed(message)
    sent = socket.send_fds(to, [packet], list(descriptors)) if descriptors else to.send(packet)
    if sent < len(packet):  # sending nothing more fails where the reader is done, and ended
        to.sendall(packet[sent:])


def receive(of: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Wait for one message.

    Raises:
        EOFError: the other side is gone.
    """
    head, descriptors, _, _ = socket.recv_fds(of, HEAD.size, 2)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    head += _exactly(of, HEAD.size - len(head)) if head else b""
    if not head:
        raise EOFError
    (length,) = HEAD.unpack(head)
    if length > MAX_MESSAGE_BYTES:
        raise EOFError(f"a message of {length} bytes")
    return json.loads(_exactly(of, length)), list(descriptors)


def _exactly(of: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = of.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def anonymous_file() -> int:
    """Descriptor of a file without a name: memory on Linux, an unlinked file elsewhere."""
    if sys.platform == "linux":
        return os.memfd_create("pixels", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
