"""One ONNX file of waveforms from two: a front end that makes spectrograms, and a network that embeds them.

    python examples/networks/speech_embedding.py melspectrogram.onnx embedding_model.onnx speech_embedding.onnx

What a network wants of its spectrograms stands in no file; whoever knows it can write it into the graph, once. Here:
the front end takes whole numbers of 16 bits at 16 kHz, the network its output over 10 plus 2, in windows of 76 frames
that begin every 8. The features of the windows of one second are averaged.
"""

import sys

import numpy as np
from onnx import TensorProto, compose, helper, load, numpy_helper, save

SAMPLES, FRAMES, WINDOW, STEP = 16000, 97, 76, 8


def model(name, nodes, given, found, constants):
    """A model of ``nodes``; ``given``, ``found``: name and shape of its input and output."""
    values = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, shape)] for n, shape in (given, found)]
    fixed = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    graph = helper.make_graph([helper.make_node(*node) for node in nodes], name, *values, fixed)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def joined(front, network):
    """Waveforms (1, 16000) in [-1, 1] to features (1, 96)."""
    scale = [("Mul", ["waveform", "full"], ["samples"])]
    first = model("scale", scale, ("waveform", [1, SAMPLES]), ("samples", [1, SAMPLES]), {"full": np.float32(32767)})
    starts = np.arange(0, FRAMES - WINDOW + 1, STEP)[:, None]
    cut = [
        ("Reshape", ["mel", "frames"], ["flat"]),
        ("Div", ["flat", "ten"], ["small"]),
        ("Add", ["small", "two"], ["ready"]),
        ("Gather", ["ready", "rows"], ["windows"]),
    ]
    constants = {
        "frames": np.int64([FRAMES, 32, 1]), "ten": np.float32(10), "two": np.float32(2),
        "rows": np.int64(starts + np.arange(WINDOW)),
    }  # fmt: skip
    windows = ("windows", [len(starts), WINDOW, 32, 1])
    second = model("cut", cut, ("mel", [1, 1, FRAMES, 32]), windows, constants)
    mean = [("Reshape", ["each", "flat"], ["rows"]), ("ReduceMean", ["rows"], ["mean"])]
    mean.append(("Reshape", ["mean", "one"], ["features"]))
    shapes = {"flat": np.int64([len(starts), 96]), "one": np.int64([1, 96])}
    third = model("mean", mean, ("each", [len(starts), 1, 1, 96]), ("features", [1, 96]), shapes)
    next(n for n in third.graph.node if n.op_type == "ReduceMean").attribute.append(helper.make_attribute("axes", [0]))
    found = first
    for part, name in ((front, "front/"), (second, "cut/"), (network, "network/"), (third, "mean/")):
        part.ir_version = found.ir_version
        ours, theirs = found.graph.output[0].name, name + part.graph.input[0].name
        found = compose.merge_models(found, compose.add_prefix(part, name), io_map=[(ours, theirs)])
    return found


if __name__ == "__main__":
    save(joined(load(sys.argv[1]), load(sys.argv[2])), sys.argv[3])
