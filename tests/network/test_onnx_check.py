"""ONNX models of other operators than our networks have are refused before onnxruntime opens them."""

from __future__ import annotations

import random

import numpy as np
import pytest
from onnx import TensorProto, helper

from fastlstm.errors import StoreError
from fastlstm.network.onnx_check import check_operators
from fastlstm.network.onnx_session import OnnxNetwork

NOTHING = helper.make_graph([], "nothing", [], [])


def model(node, functions=(), initializer=()):
    window = helper.make_tensor_value_info("window", TensorProto.FLOAT, ["windows", 2, 2])
    forecast = helper.make_tensor_value_info("forecast", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "g", [window], [forecast], list(initializer))
    return helper.make_model(
        graph, functions=list(functions), ir_version=8, opset_imports=[helper.make_opsetid("", 17)]
    ).SerializeToString()


def of(kind, **attributes):
    return helper.make_node(kind, ["window"], ["forecast"], **attributes)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (model(of("Loop", body=NOTHING)), "holds a graph"),
        (model(of("Add", body=NOTHING)), "holds a graph"),
        (model(of("RandomNormal", shape=[10**9])), "operator 'RandomNormal'"),
        (model(of("Add", domain="com.example")), "operator 'com.example Add'"),
        (model(of("Identity"), [helper.make_function(
            "x", "F", [], [], [of("Add")], [helper.make_opsetid("", 17)])]), "functions of its own"),
        (b"\xff" * 50, "damaged"),
        (model(of("Identity"))[:60], "damaged"),
    ],
)  # fmt: skip
def test_a_model_of_other_operators(content, told):
    with pytest.raises(StoreError, match=told):
        OnnxNetwork(content)


def test_one_of_ours_is_opened_and_a_damaged_one_ends_in_one_error():
    content, rng = model(of("Identity")), random.Random(1)
    assert OnnxNetwork(content).features == 2
    for _ in range(2_000):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 2, 8))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            check_operators(bytes(damaged))
        except StoreError:
            pass


def test_one_that_cannot_be_computed():
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [-1, 3])
    reshape = helper.make_node("Reshape", ["window", "shape"], ["forecast"])
    content = model(reshape, initializer=[shape])
    with pytest.raises(StoreError, match=r"cannot be computed .*; take the run from"):
        OnnxNetwork(content).predict(np.ones((1, 2, 2), np.float32))
