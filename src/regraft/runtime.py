"""Device, precision and memory layout, decided in one place."""

import contextlib
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from regraft.core.errors import UserError
from regraft.folding import folded


@dataclass(frozen=True)
class Runtime:
    """Where and how networks run.

    ``precision``: ``fp32``, ``bf16``, or ``bf16-mixed`` (bf16, with grouped convolutions in fp32: on processors their
    backward pass is slower in bf16). Weights stay in fp32 always. ``threads``: of the processor, None for all: a tiny
    network is as fast on one, and much faster there when the machine is busy.
    """

    device: str = "cpu"
    precision: str = "fp32"
    channels_last: bool = True
    threads: int | None = None

    def place(self, module: nn.Module) -> nn.Module:
        """Move a module to the device, in the chosen memory layout, with grouped convolutions set up."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        module.to(self.device)
        plain = (p for name, p in module.named_parameters() if p.dim() == 4 and "lora_" not in name)
        for parameter in plain:  # peft sees low-rank updates as matrices, which they are in the usual layout only
            parameter.data = parameter.data.contiguous(memory_format=layout)
        return module

    def send(self, x: Tensor) -> Tensor:
        """Move a batch to the device."""
        return x.to(self.device, non_blocking=True)

    def seed(self, value: int) -> None:
        """Seed torch's generators: that of the processor and those of the device.

        `torch.manual_seed` would also keep a stack trace for each kind of device that is not in use, which is a fifth
        of a step of a small network.
        """
        torch.default_generator.manual_seed(value)
        if self.device.startswith("cuda"):
            torch.cuda.manual_seed_all(value)

    @contextlib.contextmanager
    def limited(self) -> Iterator[None]:
        """Inside, torch uses ``threads`` threads."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @contextlib.contextmanager
    def compute(self, module: nn.Module):  # type: ignore[no-untyped-def]
        """The precision of a forward pass; ``module`` is what runs inside."""
        handles = _grouped_in_fp32(module) if self.precision == "bf16-mixed" else []
        try:
            with torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=self.precision != "fp32"):
                yield
        finally:
            for restore in handles:
                restore()


def detect(device: str = "auto", precision: str = "auto") -> Runtime:
    """The runtime that options ask for; ``auto`` is the GPU if there is one, and fp32 until measured.

    Raises:
        UserError: a device or precision that this machine or this version does not have.
    """
    name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    torch.set_flush_denormal(True)  # vanishing numbers slow a processor down thirty times
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("option 'device' is cuda, but there is no CUDA device; leave it out to run on the processor")
    if name.partition(":")[0] not in ("cpu", "cuda"):
        raise UserError(f"option 'device' is {device!r}; choose auto, cpu, cuda or cuda:N")
    known = ("auto", "fp32", "bf16", "bf16-mixed")
    if precision not in known:
        raise UserError(f"option 'precision' is {precision!r}; choose one of {', '.join(known)}")
    return Runtime(device=name, precision="fp32" if precision == "auto" else precision)


def devices(device: str = "auto") -> list[str]:
    """The devices that trials may run on side by side: with ``auto`` every GPU, else the one that is named."""
    if device == "auto" and torch.cuda.device_count() > 1:
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [detect(device).device]


def has_bf16(device: str) -> bool:
    """Whether the hardware multiplies in bf16."""
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    capability = torch.backends.cpu.get_cpu_capability()
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() or "BF16" in capability


def measure(
    network: nn.Module, sample: Tensor, training: bool, runtime: Runtime, fixed: bool = False
) -> tuple[Runtime, float]:
    """The fastest runtime for one network and direction, and its seconds per example.

    Two timed passes of each variant, in turn, after one to warm up, so that a busy moment hurts all alike; then three
    more of the chosen one, because plans are made of its seconds. ``network`` comes in the mode it will run in, and is
    left as it was; ``sample``: inputs (B, ...). ``fixed``: only time ``runtime``.
    """
    options = [runtime]
    own = next(network.parameters(), None) is not None  # a network that another library runs has none
    if not fixed and own and has_bf16(runtime.device):
        options += [replace(runtime, precision=p) for p in (("bf16", "bf16-mixed") if training else ("bf16",))]
    network = deepcopy(network)  # a pass in training mode would change batch normalisation's statistics
    with runtime.limited(), folded(network, sample[:2]):
        rounds = [[_seconds(network, sample, training, option) for option in options] for _ in range(3)][1:]
        timed = [(min(times), option) for times, option in zip(zip(*rounds, strict=True), options, strict=True)]
        best, chosen = min(timed, key=lambda pair: pair[0])
        if best > 0.9 * timed[0][0]:  # a tenth is not worth a loss of precision
            best, chosen = timed[0]
        again = [_seconds(network, sample, training, chosen) for _ in range(3)]
    return chosen, min(best, *again) / len(sample)


def _seconds(network: nn.Module, sample: Tensor, training: bool, runtime: Runtime) -> float:
    runtime.place(network)
    x = runtime.send(sample)
    return _timed(lambda: _pass(network, x, training, runtime), runtime)


def _pass(network: nn.Module, x: Tensor, training: bool, runtime: Runtime) -> None:
    with runtime.compute(network), torch.set_grad_enabled(training):
        value = network(x).float().square().mean()
    if value.requires_grad:  # some networks have nothing to train
        value.backward()
        network.zero_grad()


def _timed(call: Callable[[], None], runtime: Runtime) -> float:
    start = time.perf_counter()
    call()
    if runtime.device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _grouped_in_fp32(module: nn.Module) -> list[Callable[[], None]]:
    """Run grouped convolutions outside autocast; returns what undoes it."""
    undo: list[Callable[[], None]] = []
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups > 1:
            original = layer.forward

            def forward(x: Tensor, original: Callable[[Tensor], Tensor] = original) -> Tensor:
                with torch.autocast(x.device.type, enabled=False):
                    return original(x.float())

            layer.forward = forward  # type: ignore[method-assign, assignment]
            undo.append(lambda layer=layer: layer.__dict__.pop("forward", None))  # type: ignore[misc]
    return undo
