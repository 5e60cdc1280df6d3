"""First convolutions for pictures of one, three or many channels."""

from timm.models import adapt_input_conv
from torch import Tensor, nn


def first_convolution(network: nn.Module) -> str | None:
    """The name of the convolution that sees the picture: the first, as the library lists them; None without any."""
    return next((name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)), None)


def with_channels(network: nn.Module, channels: int) -> nn.Module:
    """``network`` with a random first convolution for ``channels``, whose outputs are of the size that they were."""
    name = first_convolution(network)
    old = network.get_submodule(name) if name is not None else None
    if name is None or not isinstance(old, nn.Conv2d) or old.in_channels == channels:
        return network
    new = nn.Conv2d(
        channels, old.out_channels, old.kernel_size, old.stride, old.padding, old.dilation,  # type: ignore[arg-type]
        bias=old.bias is not None, padding_mode=old.padding_mode,
    )  # fmt: skip
    nn.init.normal_(new.weight, std=float(old.weight.detach().std()) * (old.in_channels / channels) ** 0.5)
    if old.bias is not None:
        new.bias = old.bias
    parent, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(parent), leaf, new)
    return network


def channels_adapted(network: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """``tensors`` with the kernels of the first convolution for as many channels as ``network`` takes.

    For one channel the kernels of all are added up, so that a grey picture gives what it gave in colour; for many they
    are repeated and scaled down, so that what comes out stays of the same size. Both are timm's.
    """
    name = f"{first_convolution(network)}.weight"
    own, given = network.state_dict().get(name), tensors.get(name)
    if own is None or given is None or own.dim() != given.dim() or own.shape[2:] != given.shape[2:]:
        return tensors
    return {**tensors, name: adapt_input_conv(own.shape[1], given, base_chans=given.shape[1])}
