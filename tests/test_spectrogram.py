"""Spectrograms against slow references written from the definitions, and networks of pictures that hear."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from regraft.augment import Augment
from regraft.backbones._base import Network
from regraft.backbones._carried import Carried
from regraft.backbones._spectrogram import BANDS, RANGE, Spectrogram, early, hearing, mel_filters, span
from regraft.backbones.small import Small
from regraft.features import fingerprint
from regraft.folding import folded
from regraft.preprocessing.images import Images
from regraft.preprocessing.waveform import Waveform
from regraft.runtime import Runtime

PICTURES = Images(size=32, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))


def sine(hertz: float, waveform: Waveform, volume: float = 0.5) -> torch.Tensor:
    time = torch.arange(waveform.length, dtype=torch.float64) / waveform.rate
    return (volume * torch.sin(2 * math.pi * hertz * time)).float().unsqueeze(0)


def noise(waveform: Waveform, count: int = 2) -> torch.Tensor:
    return 0.1 * torch.randn(count, waveform.length, generator=torch.Generator().manual_seed(3)).clamp(-5, 5)


def mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def slow_filters(bands: int, points: int, rate: int) -> np.ndarray:
    """One triangle after the other, one frequency after the other."""
    centres = [700 * (10 ** (mel(rate / 2) * i / (bands + 1) / 2595) - 1) for i in range(bands + 2)]
    found = np.zeros((bands, points // 2 + 1))
    for band in range(bands):
        left, peak, right = centres[band : band + 3]
        for k in range(points // 2 + 1):
            hertz = k * rate / points
            if left < hertz <= peak:
                found[band, k] = (hertz - left) / (peak - left)
            elif peak < hertz < right:
                found[band, k] = (right - hertz) / (right - peak)
    return found


@pytest.mark.parametrize(
    ("bands", "points", "rate"), [(64, 512, 8000), (64, 1024, 16000), (40, 2048, 44100), (1, 16, 50)]
)
def test_mel_filters_against_a_slow_reference(bands, points, rate):
    found = mel_filters(bands, points, rate)
    assert found.shape == (bands, points // 2 + 1)
    assert np.abs(found.numpy() - slow_filters(bands, points, rate)).max() < 1e-5


def test_the_scale_is_that_of_the_book():
    """The band that peaks at 1000 mel does so at 1000 hertz: the constants are chosen for that."""
    rate, points = 8000, 2**16
    bands = round(mel(4000) / 500) - 1
    peaks = mel_filters(bands, points, rate).argmax(1) * rate / points
    step = mel(4000) / (bands + 1)
    assert [mel(float(p)) for p in peaks] == pytest.approx([step * (i + 1) for i in range(bands)], abs=0.2)
    assert mel(1000) == pytest.approx(1000, abs=0.05)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_every_band_hears_something(rate):
    assert (mel_filters(BANDS, span(rate).points, rate).sum(1) > 0.3).all()


def slow_decibels(wave: np.ndarray, rate: int, floor: float) -> np.ndarray:
    """Frame by frame, with the Fourier transform written out."""
    window, hop, points = span(rate)
    taper = np.array([0.5 - 0.5 * math.cos(2 * math.pi * i / window) for i in range(window)])
    edge = (points - window) // 2
    padded = np.concatenate([np.zeros(points // 2), wave, np.zeros(points // 2)])
    turn = np.exp(-2j * math.pi * np.outer(np.arange(points // 2 + 1), np.arange(points)) / points)
    filters, frames = slow_filters(BANDS, points, rate), []
    for start in range(0, len(wave) + 1, hop):
        frame = np.zeros(points)
        frame[edge : edge + window] = padded[start + edge : start + edge + window] * taper
        power = np.abs(turn @ frame) ** 2
        frames.append(10 * np.log10(np.maximum(filters @ power, 1e-10)))
    found = np.stack(frames, 1)
    return np.maximum(found, found.max() - floor)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_decibels_against_a_slow_reference(rate):
    waveform = Waveform(rate=rate, seconds=0.2)
    x = noise(waveform)
    x[1, : waveform.length // 2] *= 1e-5  # half of it far below the rest
    found = Spectrogram(waveform, PICTURES).decibels(x).numpy()
    for i in range(2):
        wanted = slow_decibels(x[i].double().numpy(), rate, RANGE)
        assert found[i].shape == wanted.shape == (BANDS, 21)
        assert np.abs(found[i] - wanted).max() < 0.05


@pytest.mark.parametrize("hertz", [150, 440, 1000, 3000])
def test_a_tone_is_loudest_in_the_band_around_it(hertz):
    waveform = Waveform(rate=8000, seconds=0.5)
    loudest = Spectrogram(waveform, PICTURES).decibels(sine(hertz, waveform))[0, :, 10:-10].mean(1).argmax()
    width = mel(4000) / (BANDS + 1)
    assert abs((int(loudest) + 1) * width - mel(hertz)) < 0.75 * width


def test_pictures_have_the_networks_size_and_normalisation():
    waveform = Waveform(rate=8000, seconds=0.7)
    found = Spectrogram(waveform, PICTURES)(noise(waveform))
    assert found.shape == (2, 3, 32, 32)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    grey = found * torch.tensor(PICTURES.std).view(1, 3, 1, 1) + torch.tensor(PICTURES.mean).view(1, 3, 1, 1)
    assert torch.allclose(grey[:, 0], grey[:, 1], atol=1e-5)
    assert torch.allclose(grey[:, 0], grey[:, 2], atol=1e-5)
    assert (grey.mean((1, 2, 3)) - 0.5).abs().max() < 0.01


def test_high_bands_are_on_top_and_time_runs_to_the_right():
    waveform = Waveform(rate=8000, seconds=0.4)
    x = torch.cat([sine(200, waveform)[:, :1600], sine(3000, waveform)[:, 1600:]], 1)
    grey = Spectrogram(waveform, PICTURES)(x)[0, 0]
    assert grey[16:, :12].max() > grey[:16, :12].max() + 1
    assert grey[:16, 20:].max() > grey[16:, 20:].max() + 1


@pytest.mark.parametrize("volume", [0.001, 0.05, 2.0])
def test_volume_does_not_matter(volume):
    waveform = Waveform(rate=16000, seconds=0.5)
    stage, x = Spectrogram(waveform, PICTURES), noise(waveform)
    assert (stage(volume * x) - stage(x)).abs().max() < 1e-3


def test_silence_and_extremes_are_finite():
    waveform = Waveform(rate=8000, seconds=0.1)
    click = torch.zeros(800)
    click[400] = 1.0
    x = torch.stack([torch.zeros(800), torch.ones(800), click, 1e-4 * torch.ones(800)])
    found = Spectrogram(waveform, PICTURES)(x)
    assert found.isfinite().all()
    assert found[0].std((1, 2)).max() < 1e-6


def test_half_precision_of_the_rest_does_not_change_it():
    waveform = Waveform(rate=8000, seconds=0.5)
    stage, x = Spectrogram(waveform, PICTURES), noise(waveform)
    with Runtime(precision="bf16").compute(stage):
        inside = stage(x)
    assert torch.equal(inside, stage(x))


def test_it_has_no_weights_and_its_options_tell_networks_apart():
    one, two = (Small(size=32, arch="conv", hears=Waveform(rate=8000, seconds=s)) for s in (0.5, 0.6))
    networks = []
    for backbone in (one, two, Small(size=32, arch="conv")):
        torch.manual_seed(0)
        networks.append(backbone.build())
    heard, other, seen = networks
    assert heard.state_dict().keys() == {
        f"stages.{int(k.split('.')[1]) + 1}.{k.split('.', 2)[2]}" for k in seen.state_dict()
    }
    assert len({fingerprint(n) for n in networks}) == 3
    x = noise(one.hears)
    stage = Spectrogram(one.hears, Images(size=32))
    with torch.no_grad():
        assert torch.equal(heard.eval()(x), seen.eval()(stage(x)))
    assert not torch.equal(other.stages[0](noise(two.hears)), stage(x))


def test_folding_works_behind_it():
    """Fixed batch norm is folded into the convolutions although the inputs are recordings."""
    waveform = Waveform(rate=8000, seconds=0.3)
    torch.manual_seed(0)
    network = Small(size=32, arch="conv", hears=waveform).build().eval()
    for norm in (m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
    x = noise(waveform)
    with torch.no_grad():
        wanted = network(x)
        with folded(network, waveform.sample(2)):
            assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
            assert torch.allclose(network(x), wanted, atol=1e-4)


def test_hearing_keeps_the_order_of_blocks():
    network = Small(size=32, arch="conv").build()
    network.inner_blocks = list(network.stages)
    found = hearing(network, Waveform(), PICTURES)
    assert found.inner_blocks == network.inner_blocks
    assert found.feature_dim == network.feature_dim
    assert found.tempo == network.tempo


def test_waveforms_are_scaled():
    arrays = np.array([[-32767, 0, 16384, 32767]], dtype=np.int16)
    waveform = Waveform(rate=4, seconds=1.0)
    assert waveform.tensor(arrays).tolist() == [[-32767 / 32768, 0.0, 0.5, 32767 / 32768]]
    assert waveform.sample(2).shape == (2, 4)
    assert torch.equal(waveform.sample(2), waveform.sample(2))


@pytest.mark.parametrize(
    ("shift", "drawn", "wanted"),
    [(0.5, 1.0, [0, 0, 1, 2]), (0.25, -1.0, [2, 3, 4, 0]), (1.0, 1.0, [0] * 4), (0.0, 1.0, [1, 2, 3, 4])],
)
def test_waveforms_are_shifted_amid_silence(shift, drawn, wanted):
    arrays = (8192 * np.array([[1, 2, 3, 4]]) // 4).astype(np.int16)
    draws = torch.zeros(1, 9)
    draws[0, 4] = drawn
    varied = Waveform(rate=4, seconds=1.0).tensor(arrays, Augment(shift=shift), draws)
    assert (varied[0] * 16).tolist() == wanted


def test_waveforms_get_louder_and_softer_each_for_itself_and_never_beyond_full_scale():
    arrays = np.full((3, 8), 16384, dtype=np.int16)
    draws = torch.zeros(3, 9)
    draws[:, 7] = torch.tensor([-1.0, 0.0, 1.0])
    waveform = Waveform(rate=8, seconds=1.0)
    assert waveform.tensor(arrays, Augment(colour=0.25), draws)[:, 0].tolist() == [0.375, 0.5, 0.625]
    assert waveform.tensor(arrays, Augment(colour=4.0), draws)[:, 0].tolist() == [-1.0, 0.5, 1.0]


@pytest.mark.parametrize("draw", [-1.0, 1.0])
def test_waveforms_played_faster_are_shorter_and_higher(draw):
    """A tone of 500 hertz in the middle half of a second, played at e^(0.2 * draw) times the speed."""
    waveform = Waveform(rate=8000, seconds=1.0)
    wave = sine(500, waveform)[0].numpy() * 32767
    wave[:2000], wave[6000:] = 0, 0
    draws = torch.zeros(1, 9)
    draws[0, 1] = draw
    found = waveform.tensor(wave.astype(np.int16)[None], Augment(zoom=0.2), draws)[0]
    faster = math.exp(0.2 * draw)
    assert int(torch.fft.rfft(found).abs().argmax()) == pytest.approx(500 * faster, abs=2)
    assert int((found != 0).sum()) == pytest.approx(4000 / faster, abs=20)


def test_recordings_are_heard_by_the_first_stages_which_keep_pitch_apart():
    pictures, network = Images(size=64), Small(size=64, arch="conv").build().eval()
    network.carried = Carried.whole({"stem": 3})
    found, x = early(network, pictures).eval(), pictures.sample(2)
    assert found.carried == network.carried
    with torch.no_grad():
        maps, features = network(x, 0, 2), found(x).unflatten(1, (64, 6, 2))
    assert maps.shape[2:] == (16, 16)  # the next are 8 by 8
    assert found.feature_dim == 64 * 6 * 2
    top, bottom = maps[:, :, :3, :8].mean((2, 3)), maps[:, :, -3:, 8:].mean((2, 3))
    assert torch.allclose(features[:, :, 0, 0], top, atol=1e-5)
    assert torch.allclose(features[:, :, 5, 1], bottom, atol=1e-5)


def test_networks_of_small_maps_or_without_stages_hear_whole():
    pictures, network = Images(size=8), Small(size=8, arch="conv").build()
    flat = Network([nn.AvgPool2d(2), nn.Flatten()], 48)
    assert early(flat, pictures) is flat
    network.inner_blocks = list(network.stages)
    assert early(network, pictures) is network
