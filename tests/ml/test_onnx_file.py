import onnx
import pytest
from onnx import TensorProto, helper

from ml.onnx_file import has_external_data
from tests.ml.tiny import red_detector


def _external() -> onnx.TensorProto:
    tensor = TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def _in_initializer(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(_external())


def _without_its_location(model: onnx.ModelProto) -> None:
    tensor = _external()
    del tensor.external_data[:]
    model.graph.initializer.append(tensor)


def _in_attribute(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=_external()))


def _in_list_attribute(model: onnx.ModelProto) -> None:
    node = model.graph.node.add(op_type="Custom")
    node.attribute.append(helper.make_attribute("values", [_external()]))


def _in_sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add().values.CopyFrom(_external())


def _in_sparse_attribute(model: onnx.ModelProto) -> None:
    attribute = model.graph.node.add(op_type="Constant").attribute.add(name="sparse_value")
    attribute.sparse_tensor.indices.CopyFrom(_external())


def _in_branch(model: onnx.ModelProto) -> None:
    branch = helper.make_graph([], "branch", [], [], [_external()])
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=branch))


def _in_function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Constant", [], ["c"], value=_external())
    model.functions.add(name="f").node.append(node)


def _in_training(model: onnx.ModelProto) -> None:
    model.training_info.add().algorithm.initializer.append(_external())


@pytest.mark.parametrize(
    "hide",
    [
        _in_initializer,
        _without_its_location,
        _in_attribute,
        _in_list_attribute,
        _in_sparse,
        _in_sparse_attribute,
        _in_branch,
        _in_function,
        _in_training,
    ],
)
def test_it_finds_external_data_wherever_it_hides(hide):
    model = red_detector()
    hide(model)
    assert has_external_data(model.SerializeToString())


def test_a_model_that_holds_its_own_values_passes():
    assert not has_external_data(red_detector().SerializeToString())


def test_a_cut_off_model_is_no_message():
    with pytest.raises(ValueError, match=r"past the end|cut off"):
        has_external_data(red_detector().SerializeToString()[:-3])


def test_endless_nesting_is_refused():
    message = b""
    for _ in range(100):  # graph in attribute in node in graph
        message = _field(6, message)
        message = _field(5, message)
        message = _field(1, message)
    with pytest.raises(ValueError, match="deeper"):
        has_external_data(_field(7, message))


def _field(number: int, body: bytes) -> bytes:
    size, rest = [], len(body)
    while rest > 0x7F:
        size.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([number << 3 | 2, *size, rest]) + body
