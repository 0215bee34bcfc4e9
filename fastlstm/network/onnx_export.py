"""Write a network as an ONNX model, and check that it forecasts the same.

The Keras graph is walked layer by layer. What depends on no window, such as the weights of a
combination, is computed here and stored as a constant; a forecaster whose weight is 0 everywhere is left
out. Scaling stays outside, as with the ``.keras`` file: inputs ``window`` are
``(windows, timesteps, n_features)``, outputs ``forecast`` are
``(windows, steps_ahead * n_targets * outputs)``, both float32.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.network.inference import predict
from fastlstm.network.onnx_graph import OnnxGraph, Value
from fastlstm.network.onnx_operations import RULES, NoOnnxError, Use
from fastlstm.network.onnx_session import TOLERANCE, OnnxNetwork, largest_difference

# Most windows that the two are compared on, and most values of their inputs.
_COMPARED, _COMPARED_VALUES = 256, 2_000_000


@dataclass(frozen=True)
class OnnxCheck:
    """What came of writing a network as ONNX.

    Attributes:
        windows: how many windows its outputs were compared on; 0 where there is no model.
        reason: why there is none; empty where there is one.
    """

    windows: int
    reason: str = ""

    def facts(self) -> dict[str, Any]:
        """What a run keeps of it."""
        return {"reason": self.reason} if self.reason else {"windows": self.windows}


def export_onnx(model: Any, windows: np.ndarray, file: Path) -> OnnxCheck:
    """Write a network as an ONNX model whose outputs are those of Keras, or say why not.

    Args:
        model: the Keras network.
        windows: scaled inputs to compare the outputs on, ``(n, timesteps, n_features)``, at least one.
        file: where to write; nothing is written where the outputs differ.
    """
    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            return OnnxCheck(0, f'{package} is not installed; run "pip install {package}"')
    compared = windows[: max(1, min(_COMPARED, _COMPARED_VALUES // windows[0].size))]
    expected = predict(model, compared)
    try:
        content = onnx_model(model)
        difference = largest_difference(predict(OnnxNetwork(content), compared), expected)
    except NoOnnxError as error:
        return OnnxCheck(0, str(error))
    except Exception as error:  # a training of hours is not lost for want of a second format
        return OnnxCheck(0, f"{type(error).__name__}: {str(error).splitlines()[0][:300]}")
    if not difference <= TOLERANCE:
        return OnnxCheck(0, f"its outputs differ from Keras' by {difference:.1e} of their size")
    file.write_bytes(content)
    return OnnxCheck(len(compared))


def onnx_model(model: Any) -> bytes:
    """A Keras network as a serialized ONNX model.

    Raises:
        NoOnnxError: a part of the network has no equal in ONNX.
    """
    network = getattr(model, "_functional", None) or model  # of a sequential model
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise NoOnnxError("the network has several inputs or outputs")
    graph, values = OnnxGraph(), dict[int, Value]()
    by_depth = network._nodes_by_depth
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            if not node.is_input:
                _add(graph, node, values)
                continue
            for tensor in node.output_tensors:
                _keep(graph, values, tensor, "window")
    (window,), (output,) = network.inputs, network.outputs
    return graph.model(
        tuple(window.shape[1:]), graph.named(values[id(output)]), tuple(output.shape[1:])
    )


def _keep(graph: OnnxGraph, values: dict[int, Value], tensor: Any, value: Value) -> None:
    """Keep what a tensor of the network is in the graph."""
    values[id(tensor)] = value
    if isinstance(value, str):
        graph.shapes[value] = tuple(tensor.shape)


def _add(graph: OnnxGraph, node: Any, values: dict[int, Value]) -> None:
    """Add one use of a layer or operation to the graph."""
    operation, tensors = node.operation, {id(tensor) for tensor in node.input_tensors}

    def translated(part: Any) -> Any:
        if id(part) in tensors:
            return values[id(part)]
        if isinstance(part, list | tuple):
            return type(part)(translated(one) for one in part)
        return part

    arguments = [translated(one) for one in node.arguments.args]
    keywords = {name: translated(one) for name, one in node.arguments.kwargs.items()}
    found: Any
    if not any(isinstance(values[one], str) for one in tensors):
        found = operation(*arguments, **keywords)
        found = [np.asarray(one) for one in (found if isinstance(found, list | tuple) else [found])]
    else:
        kind = type(operation)
        if kind.__name__ not in RULES or not kind.__module__.startswith("keras.src."):
            raise NoOnnxError(f"{operation.name}: no rule for {kind.__module__}.{kind.__name__}")
        if getattr(operation, "compute_dtype", "float32") != "float32":
            raise NoOnnxError(f"{operation.name}: computes in {operation.compute_dtype}")
        use = Use(
            graph, operation, arguments, keywords, tuple(node.input_tensors[0].shape),
            tuple(node.output_tensors[0].shape),
        )  # fmt: skip
        found = RULES[kind.__name__](use)
        found = found if isinstance(found, list) else [found]
    for tensor, value in zip(node.output_tensors, found, strict=True):
        _keep(graph, values, tensor, value)
