"""A walk over an ONNX file's protobuf that finds references to other files.

ONNX allows a tensor to name a file beside the model that holds its values. A runtime that
follows such a name reads whatever path the model's author wrote. The walk needs no `onnx`
package and runs before the runtime sees a byte.
"""

from collections.abc import Iterator

# Numbers from onnx.proto3. Which fields of a message are messages worth entering.
MODEL = "model"
_CHILDREN: dict[str, dict[int, str]] = {
    MODEL: {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse",
        23: "sparse",
    },
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_MAX_DEPTH = 64


def has_external_data(model: bytes) -> bool:
    """Whether any tensor anywhere in the model names a file of its own.

    Raises:
        ValueError: the bytes are no protobuf message or nest deeper than any real model.
    """
    return _is_external(memoryview(model), MODEL, depth=0)


def _is_external(message: memoryview, kind: str, *, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        raise ValueError(f"messages nest deeper than {_MAX_DEPTH}")
    for field, value in _fields(message):
        if kind == "tensor" and field == _EXTERNAL_DATA:
            return True
        if kind == "tensor" and field == _DATA_LOCATION and value != 0:
            return True
        child = _CHILDREN[kind].get(field)
        if child is None:
            continue
        if not isinstance(value, memoryview):
            raise ValueError(f"field {field} of a {kind} is not a message")
        if _is_external(value, child, depth=depth + 1):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        field, wire = key >> 3, key & 7
        if wire == 0:
            number, at = _varint(message, at)
            yield field, number
        elif wire in (1, 2, 5):
            length, at = _varint(message, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
            if at + length > len(message):
                raise ValueError("a field runs past the end of its message")
            yield field, message[at : at + length]
            at += length
        else:
            raise ValueError(f"unknown wire type {wire}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("a number is cut off")
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
