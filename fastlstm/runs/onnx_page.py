"""The page of a folder with an exported network: how to feed it in Python, Java and C#."""

from __future__ import annotations

from typing import Any

_PAGE = """# {model}, run {run}

The network forecasts {steps} row(s) of {targets} from the last {timesteps} rows.

| File | Content |
| --- | --- |
| `model.onnx` | the network, for any ONNX runtime (operators of opset {opset}) |
| `network.json` | names of features and targets in their order, quantiles, classes, limits |
| `scalers.json` | what is subtracted from each column, and what it is then divided by |
| `example.json` | one window in its own units, and its forecast |
| `forecast.py` | all steps below, with numpy and onnxruntime alone; run it to check the example |

## Steps

1. Take the last {timesteps} rows of one series, oldest first, with the {features} features of
   `network.json` in their order. {made}
2. Scale each feature: `(value - center) / scale`, in float64, then as float32. {by_series}
3. Run the model: input `window`, float32 `[windows, {timesteps}, {features}]`; output `forecast`,
   float32 `[windows, {outputs}]`. Many windows can be computed at once.
4. Read the output by step, then target, then output of the target: its index is
   `(step * {count} + target) * {each} + output`. {meaning}
5. {unscale}
6. Where `rounded` of `network.json` is true for a target, round its forecasts to whole numbers; where
   `limits` has numbers, cut them to these.

## Python

```python
from forecast import Network
from pathlib import Path

network = Network(Path("."))
print(network.forecast(rows, series={series}))   # [steps][targets][outputs]
```

`pip install onnxruntime numpy`.

## Java

```java
// com.microsoft.onnxruntime:onnxruntime
OrtEnvironment environment = OrtEnvironment.getEnvironment();
OrtSession session = environment.createSession("model.onnx");
float[][][] window = new float[1][{timesteps}][{features}];   // scaled, see step 2
try (OnnxTensor input = OnnxTensor.createTensor(environment, window);
     OrtSession.Result result = session.run(Map.of("window", input))) {{
    float[] forecast = ((float[][]) result.get(0).getValue())[0];
    for (int step = 0; step < {steps}; step++)
        for (int target = 0; target < {count}; target++) {{
            float scaled = forecast[(step * {count} + target) * {each} + {middle}];
            double value = scaled * scale[target] + center[target];   // see step 5
        }}
}}
```

## C#

```csharp
// Microsoft.ML.OnnxRuntime
using var session = new InferenceSession("model.onnx");
var window = new DenseTensor<float>(new[] {{ 1, {timesteps}, {features} }});   // scaled, see step 2
var inputs = new[] {{ NamedOnnxValue.CreateFromTensor("window", window) }};
using var results = session.Run(inputs);
float[] forecast = results.First().AsEnumerable<float>().ToArray();
for (int step = 0; step < {steps}; step++)
    for (int target = 0; target < {count}; target++) {{
        float scaled = forecast[(step * {count} + target) * {each} + {middle}];
        double value = scaled * scale[target] + center[target];   // see step 5
    }}
```

The model's outputs were compared with those of Keras on {windows} windows; the largest difference
was below {tolerance:g} of an output's size.
"""

_MADE = (
    "Features under `made` are no columns of your table; the text beside each says what makes it."
)
_BY_SERIES = (
    "The columns under `series` have a scale for each series: take that of the rows' series in place of "
    "the common one. A series without a scale cannot be forecast by this folder alone."
)


def page(
    about: dict[str, Any], *, by_series: bool, windows: int, tolerance: float, opset: int
) -> str:
    """The page as Markdown.

    Args:
        about: content of ``network.json``.
        by_series: whether columns have a scale for each series.
        windows: how many windows the outputs were compared on.
        tolerance: largest difference from Keras.
        opset: release of the operators.
    """
    each, count = about["outputs_each"], len(about["targets"])
    meaning = "The outputs of a target are its quantiles, rising." if about["quantiles"] else ""
    if about["task"] == "classifier":
        meaning = "Outputs are probabilities; with `classes`, targets are the classes' indicators."
    unscale = "Outputs are in the targets' own units."
    if about["scaled_targets"]:
        unscale = "Scale back: `output * scale + center` with those of the targets."
    return _PAGE.format(
        model=about["model"], run=about["run"], steps=about["steps_ahead"],
        timesteps=about["timesteps"], features=len(about["features"]), count=count, each=each,
        outputs=about["steps_ahead"] * count * each, middle=each // 2, meaning=meaning,
        targets=", ".join(about["targets"]), made=_MADE if about["made"] else "",
        by_series=_BY_SERIES if by_series else "", unscale=unscale,
        series='"the label"' if by_series else "None", windows=windows, tolerance=tolerance,
        opset=opset,
    )  # fmt: skip
