"""Find the classifier of a network by running it, and cut it off."""

from typing import Any

import torch
from torch import Tensor, nn

from regraft.core.errors import UserError

_MAKES = "one that takes spectrograms must make them in its first layer, and one of texts is opened with --target TEXTS"


class Tapped(nn.Module):
    """A network of which what goes into the layer ``name`` is the output; or, with ``after``, what comes out of it."""

    def __init__(self, network: nn.Module, name: str, after: bool = False) -> None:
        super().__init__()
        self.network, self.name, self.after = network, name, after

    def forward(self, x: Tensor) -> Tensor:
        """Inputs (B, ...) to (B, D)."""
        seen: list[Tensor] = []

        def record(_: nn.Module, inputs: tuple[Any, ...], given: dict[str, Any], output: Tensor) -> None:
            seen.append(output if self.after else (inputs or tuple(given.values()))[0])

        layer = self.network.get_submodule(self.name)
        handle = layer.register_forward_hook(record, with_kwargs=True)
        try:
            self.network(x)
        finally:
            handle.remove()
        return seen[-1]


class _Nothing(nn.Module):
    """In the place of a classifier: zeros of its shape, for what follows in the forward pass."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(*x.shape[:-1], self.classes)


class _Pooled(nn.Module):
    """A network without a classifier, its maps (B, C, H, W) averaged."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x).mean((2, 3))


def classifier(network: nn.Module, x: Tensor) -> str | None:
    """The name of the linear layer that a forward pass of ``x`` reaches last, if all of the output comes from it.

    That is proven: with zeros in place of what the layer says, the network says the same of each example.

    Raises:
        UserError: the network does not take ``x``.
    """
    reached: list[nn.Module] = []
    names = {m: n for n, m in network.named_modules() if isinstance(m, nn.Linear)}
    handles = [m.register_forward_hook(lambda m, _, out: reached.append(m) if out.dim() == 2 else None) for m in names]
    try:
        output(network, x)
    finally:
        for handle in handles:
            handle.remove()
    if not reached:
        return None
    handle = reached[-1].register_forward_hook(lambda _, __, out: torch.zeros_like(out))
    try:
        said = output(network, x)
    finally:
        handle.remove()
    alike = not isinstance(said, Tensor) or torch.allclose(said[:1].expand_as(said), said)
    return names[reached[-1]] if alike else None  # type: ignore[index]


def output(network: nn.Module, x: Tensor) -> Any:
    """What an untouched network makes of ``x`` in evaluation mode.

    Raises:
        UserError: it does not take ``x``.
    """
    was = network.training
    try:
        with torch.no_grad():
            return network.eval()(x)
    except Exception as error:  # the user's code may raise anything
        said = str(error).strip().splitlines()[:1]
        what, given = _given(x)
        raise UserError(
            f"the network does not take {what} of shape {tuple(x.shape)} ({' '.join(said) or type(error).__name__}); "
            f"Regraft gives it {given}"
        ) from error
    finally:
        network.train(was)


def _given(x: Tensor) -> tuple[str, str]:
    """What a network is given, and in which shape."""
    if not x.is_floating_point():
        return "token numbers", "(batch, length)"
    if x.dim() == 4:
        return "pictures", f"(batch, channels, size, size); {_MAKES}"
    return "waveforms", f"(batch, samples); {_MAKES}"


def takes(network: nn.Module, x: Tensor) -> bool:
    """Whether an untouched network takes ``x``, example by example."""
    try:
        found = output(network, x)
    except UserError:
        return False
    return not isinstance(found, Tensor) or len(found) == len(x)


def channels(x: Tensor) -> tuple[Tensor, Tensor]:
    """Waveforms (N, T) as networks may take them: as they are, or as one channel."""
    return x, x.unsqueeze(1)


def without_classifier(network: nn.Module, x: Tensor) -> nn.Module:
    """The network from inputs like ``x`` to pooled features (B, D): what goes into its classifier, if it has one.

    Raises:
        UserError: it gives neither vectors nor maps, or does not take ``x``.
    """
    name = classifier(network, x)
    if name is None:
        return _pooled(network, x)
    wanted = output(Tapped(network, name), x)
    layer = network.get_submodule(name)
    parent, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(parent), leaf, nn.Identity())
    try:
        found = output(network, x)
    except UserError:
        found = None
    if isinstance(found, Tensor) and found.shape == wanted.shape and torch.equal(found, wanted):
        return network
    # Something follows the classifier, such as log-softmax: it must not work on the features.
    setattr(network.get_submodule(parent), leaf, _Nothing(layer.out_features))  # type: ignore[arg-type]
    return Tapped(network, name)


def _pooled(network: nn.Module, x: Tensor) -> nn.Module:
    found = output(network, x)
    if isinstance(found, Tensor) and found.dim() in (2, 4):
        return network if found.dim() == 2 else _Pooled(network)
    what = f"of shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
    raise UserError(
        f"the network's output is {what}, and no linear layer in it takes one vector per picture; "
        "Regraft needs features (batch, width) or maps (batch, width, height, width)"
    )
