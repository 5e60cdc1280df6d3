"""The main job with networks that come in files: the user's own, of Keras, of ONNX; what is kept works by itself."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from regraft.backbones._keras_file import library

NET = """
from torch import nn


def net():
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                         nn.Linear(32, 5))
"""
DESCRIBED = Path(__file__).parents[1] / "contract" / "files" / "small_keras.json"


def own(folder: Path) -> str:
    (folder / "net.py").write_text(NET, encoding="utf-8")
    code: dict = {}
    exec(NET, code)
    torch.save(code["net"]().state_dict(), folder / "net.pth")
    return "torch:net.py:net@net.pth"


def of_keras(folder: Path) -> str:
    library().models.model_from_json(DESCRIBED.read_text(encoding="utf-8")).save(folder / "small.keras")
    return "keras:small.keras"


def of_onnx(folder: Path) -> str:
    from onnx import TensorProto, helper, numpy_helper, save

    kernel = nn.Conv2d(3, 8, 3, bias=False).weight.detach().numpy()
    nodes = [helper.make_node("Conv", ["x", "k"], ["c"]), helper.make_node("Relu", ["c"], ["r"])]
    nodes += [helper.make_node("GlobalAveragePool", ["r"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 3, 16, 16))
    found = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", 8))
    graph = helper.make_graph(nodes, "small", [given], [found], [numpy_helper.from_array(kernel, "k")])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "small.onnx")
    return "onnx:small.onnx"


KINDS = {"torch": (own, "torch"), "keras": (of_keras, "keras"), "onnx": (of_onnx, "onnxruntime")}


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_in_a_file_goes_through_the_main_job(kind, shell):
    write, needed = KINDS[kind]
    if find_spec(needed) is None:
        pytest.skip(f"needs the extra {kind!r}")
    target, source = shell.data("handwriting"), write(shell.here)
    plain = ("--target", target, "--shots", 3, "--seeds", 1, "--budget", "1s", "--precision", "fp32")
    found = shell.json("run", *plain, "--source", source, "--out", "run")
    assert found["finalist"]["source"] == source
    assert found["sources"][0]["understood"]["input"]
    out = {row["method"] for row in found["left_out"]}
    assert ("fine_tune" in out, "lora" in out) == (kind == "onnx",) * 2
    assert "logistic" not in out
    finalist = next((shell.here / "run").rglob(f"finish-{found['finalist']['method']}-0/model.json")).parent
    if kind != "torch":  # whose code is not copied
        next(shell.here.glob("small.*")).unlink()
    picture = next(target.rglob("*.png"))
    predicted = shell("predict", finalist, picture)
    assert predicted.returncode == 0, predicted.stderr
