"""ONNX models from files: what goes in, what comes out, and where the classifier begins."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import UserError
from regraft.core.extras import missing

_AFTER = {"Softmax", "LogSoftmax", "Sigmoid", "Add", "Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Div", "Mul"}
"""What may stand between a classifier's products and its scores."""


def libraries() -> tuple[Any, Any]:
    """The libraries onnx and onnxruntime.

    Raises:
        UserError: one is not installed.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise missing("onnx") from error
    return onnx, onnxruntime


def load(path: Path) -> Any:
    """The model in a file, its weights with it.

    Raises:
        UserError: it is none, or it takes neither pictures (N, 3, S, S) nor waveforms (N, T).
    """
    libraries()
    if not path.is_file():
        raise UserError(f"there is no ONNX model {str(path)!r}; give a .onnx file")
    return _loaded(path.resolve(), path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _loaded(path: Path, _: int) -> Any:
    onnx, _runtime = libraries()
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except Exception as error:  # the parser's errors have no common class
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"{path} is not an ONNX model ({said}); give a .onnx file, exported again") from error
    shape = shape_of(model)
    pictures = len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3]
    waveforms = len(shape) == 2 or (len(shape) == 3 and shape[1] == 1)
    if not (pictures or waveforms) or not model.graph.output:
        raise UserError(
            f"{path} takes inputs of shape {tuple(shape) or 'unknown'}; Regraft needs one input of square pictures "
            "(batch, 3, size, size), or of waveforms (batch, samples)"
        )
    return model


def shape_of(model: Any) -> list[int | None]:
    """The shape of the one input, None for what is left open; empty where there are several."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [given for given in model.graph.input if given.name not in weights]
    if len(inputs) != 1:
        return []
    return [d.dim_value if d.HasField("dim_value") else None for d in inputs[0].type.tensor_type.shape.dim]


def classifier_input(model: Any) -> str | None:
    """The tensor that the last product with weights takes, if its results are the model's first output."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    fixed = {tensor.name for tensor in model.graph.initializer}
    fixed |= {name for node in model.graph.node if node.op_type == "Constant" for name in node.output}
    name = model.graph.output[0].name
    while name in made_by:
        node = made_by[name]
        changing = [given for given in node.input if given and given not in fixed]
        if node.op_type in ("Gemm", "MatMul"):
            return str(node.input[0]) if node.input[0] in changing else None
        if node.op_type not in _AFTER or len(changing) != 1:
            return None
        name = changing[0]
    return None


class Session:
    """A model with its features as the one output, run by onnxruntime. Copies are the same object."""

    def __init__(self, model: Any, output: str | None, threads: int) -> None:
        onnx, runtime = libraries()
        chosen = onnx.ModelProto()
        chosen.CopyFrom(model)
        if output is not None:
            del chosen.graph.output[:]
            chosen.graph.output.append(onnx.helper.make_empty_tensor_value_info(output))
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self.session = runtime.InferenceSession(
                chosen.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no common class
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise UserError(f"onnxruntime cannot run the model ({said}); export it with standard operators") from error
        given = self.session.get_inputs()[0]
        self.name, self.half = given.name, given.type == "tensor(float16)"
        self.batch = given.shape[0] if isinstance(given.shape[0], int) else None

    def __deepcopy__(self, memo: dict[int, Any]) -> "Session":
        return self

    def run(self, x: np.ndarray) -> np.ndarray:
        """Pictures (B, 3, S, S) or waveforms to features (B, D); maps and sequences are averaged.

        Raises:
            UserError: the model does not take inputs of this size.
        """
        size = self.batch or len(x)
        parts = []
        for start in range(0, len(x), size):
            part = x[start : start + size]
            whole = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])  # a batch of fixed size
            parts.append(self._outputs(whole)[: len(part)])
        out = np.concatenate(parts).astype(np.float32)
        axes = {3: (1,), 4: (2, 3)}.get(out.ndim)
        return out if axes is None else out.mean(axes)

    def _outputs(self, x: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(self.session.run(None, {self.name: x.astype(np.float16 if self.half else np.float32)})[0])
        except Exception as error:  # onnxruntime's errors have no common class
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise UserError(f"the ONNX model does not take inputs of shape {x.shape[1:]} ({said})") from error
