"""Values of the parameter family, by closed forms and slow references that are written here from the papers."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from regraft import artifacts, runs, training
from regraft.backbones._transformer import transformer
from regraft.core import catalog
from regraft.core.batch import Batch, Stream
from regraft.core.errors import CandidateError, UserError
from regraft.edits.adapter import Adapter, _Bottleneck
from regraft.edits.freeze import Freeze
from regraft.edits.ia3 import Ia3
from regraft.edits.interpolate import Interpolate
from regraft.edits.keep import Keep
from regraft.edits.lora import Lora
from regraft.edits.merge import Merge
from regraft.edits.prefix import Prefix
from regraft.edits.prompt import Prompt
from regraft.edits.recall import Recall
from regraft.edits.soup import Soup
from regraft.edits.stoch_norm import StochNorm
from regraft.model import Model, channel_axis
from regraft.optimisation import Descent
from regraft.preprocessing._text import PAD
from regraft.selectors.target_validation import TargetValidation
from regraft.terms._base import Round, Weighted
from regraft.terms.contrast_classes import ContrastClasses
from regraft.terms.keep_outputs import KeepOutputs
from regraft.terms.match_layers import MatchLayers
from regraft.terms.shrink_spectrum import ShrinkSpectrum
from regraft.terms.stay_close import StayClose
from regraft.terms.supervised import Supervised
from regraft.training import Phase


def batch(problem, count: int = 8) -> dict[Stream, Batch]:
    data = problem.target.train.take(range(count))
    x = problem.backbone.preprocess.tensor(data.arrays[data.rows])
    return {Stream.TARGET: Batch(x, torch.from_numpy(data.labels))}


def moved(model: Model, size: float = 0.05) -> Model:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(size * torch.randn_like(parameter))
    return model


def as_toys(toy, monkeypatch) -> None:
    """Let saved toy models be loaded: their backbone is in no catalogue."""
    entry = artifacts.entry
    toys = lambda kind, value: toy.backbone() if kind == "backbones" else entry(kind, value)  # noqa: E731
    monkeypatch.setattr(artifacts, "entry", toys)


def value(term, toy, model: Model | None = None) -> float:
    """The term at weights that have moved, bound at the source's."""
    problem, model = toy.problem(), model or deepcopy(toy.trained)
    fixed = term.bind(model, problem)
    return fixed(Round(moved(model).eval(), batch(problem), 0.5, term.watches)).item()


def linear(toy, *, seed: int = 0) -> tuple[Model, object]:
    """A network of one linear layer over pixels, whose Fisher information has a closed form."""
    torch.manual_seed(seed)
    model = deepcopy(toy.trained)
    layer = nn.Linear(192, 3, bias=False)
    model.backbone.stages = nn.ModuleList([nn.Sequential(nn.Flatten(), layer)])
    model.backbone.feature_dim, model.head = 3, nn.Identity()
    return model, toy.problem(source_model=model)


def test_fisher_information_of_a_linear_layer_is_the_mean_square_of_its_inputs(toy):
    """Features with unit normal noise around W x have the information E[x_i^2] in each W_ki; the draw adds noise."""
    model, problem = linear(toy)
    fixed = StayClose(fisher=True, fresh=0.0, examples=80).bind(model, problem)
    found = fixed.get_buffer("importance_0").mean(0)
    x = problem.backbone.preprocess.tensor(problem.source.train.arrays[problem.source.train.rows]).flatten(1)
    expected = x.square().mean(0) / x.square().mean()
    assert found.mean().item() == pytest.approx(1.0, abs=1e-5)
    assert torch.corrcoef(torch.stack([found, expected]))[0, 1] > 0.9


def test_distances_are_the_papers(toy):
    """Li, Grandvalet and Davoine, ICML 2018, eq. 2, 4 and 5, group by filter; the head has no part in it here."""
    pairs = zip(moved(deepcopy(toy.trained)).backbone.parameters(), toy.trained.backbone.parameters(), strict=True)
    changes = [(a - b).detach() for a, b in pairs]
    rows = [c.flatten(1) if c.dim() > 1 else c[None] for c in changes]
    expected = {
        "l2": 0.5 * sum(c.square().sum() for c in changes),
        "l1": sum(c.abs().sum() for c in changes),
        "group": sum(r.shape[1] ** 0.5 * r.norm(dim=1).sum() for r in rows),
    }
    for distance, wanted in expected.items():
        assert value(StayClose(distance=distance, fresh=0.0), toy) == pytest.approx(wanted.item(), rel=1e-4)


def test_a_norm_at_zero_has_a_gradient(toy):
    model = deepcopy(toy.trained)
    value = StayClose(distance="group").bind(model, toy.problem())(Round(model, {}, 0.0))
    value.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("examples", [5, 20])
def test_the_spectrum_is_that_of_the_features(count, examples, toy):
    """Chen et al., NeurIPS 2019, eq. 4, with N below D; by the eigenvalues of the Gram matrix."""
    problem, model = toy.problem(), deepcopy(toy.trained).eval()
    drawn = batch(problem, examples)
    x = model.backbone(drawn[Stream.TARGET].inputs).detach().double().numpy()
    expected = np.linalg.eigvalsh(x @ x.T)[:count].sum()
    found = ShrinkSpectrum(count=count).bind(model, problem)(Round(model, drawn, 0.0)).item()
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_kept_answers_are_the_papers_cross_entropy_less_a_constant(toy):
    """Li and Hoiem, TPAMI 2018, eq. 2 and 3, with probabilities to the power 1 / T, normalised."""
    problem, model = toy.problem(), moved(deepcopy(toy.trained)).eval()
    x = batch(problem)[Stream.TARGET].inputs
    with torch.no_grad():
        old, new = (toy.trained.head(m.backbone(x)).softmax(1).sqrt() for m in (deepcopy(toy.trained).eval(), model))
    old, new = old / old.sum(1, keepdim=True), new / new.sum(1, keepdim=True)
    expected = (-(old * new.log()).sum(1) + (old * old.log()).sum(1)).mean()
    assert value(KeepOutputs(temperature=2.0), toy) == pytest.approx(expected.item(), rel=1e-4)


def test_without_a_head_there_is_nothing_to_keep(toy):
    _, problem = linear(toy)
    with pytest.raises(CandidateError, match="no head"):
        KeepOutputs().bind(deepcopy(toy.trained), problem)


def test_equal_maps_give_the_squared_distance_of_the_layers(toy):
    """Li et al., ICLR 2019, eq. 5 with equal weights: the sum over layers and maps of mean squared differences."""
    x = batch(toy.problem())[Stream.TARGET].inputs
    expected, pair = 0.0, (deepcopy(toy.trained).eval(), moved(deepcopy(toy.trained)).eval())
    maps = [x, x]
    with torch.no_grad():
        for number in range(3):
            maps = [m.backbone.stages[number](a) for m, a in zip(pair, maps, strict=True)]
            expected += (
                0.5
                * (maps[0] - maps[1]).flatten(2 if maps[0].dim() > 2 else 1).square().sum()
                / (len(x) * (maps[0][0, 0].numel()))
            )
    assert value(MatchLayers(importance="equal"), toy) == pytest.approx(float(expected), rel=1e-4)


def test_the_estimate_of_what_matters_follows_the_measurement(toy):
    """Switching each map off, as the paper does, against its first-order estimate: the same maps matter."""
    shares = [
        MatchLayers(importance=how).shares(deepcopy(toy.trained), toy.problem()) for how in ("measured", "estimated")
    ]
    assert list(shares[0]) == list(shares[1]) == [0, 1, 2]
    for one, other in zip(*(found.values() for found in shares), strict=True):
        assert one.mean().item() == pytest.approx(1.0, abs=1e-4)
        assert torch.corrcoef(torch.stack([one, other]))[0, 1] > 0.7


def test_contrast_is_the_papers_over_the_keys_of_earlier_steps(toy):
    """Zhong et al., eq. 3 and 5, example by example; the second step has the keys of the first."""
    problem, model = toy.problem(), moved(deepcopy(toy.trained)).eval()
    fixed, tau = ContrastClasses(temperature=0.5, queue=2).bind(model, problem), 0.5
    drawn = batch(problem)[Stream.TARGET]
    x, y = model.backbone(drawn.inputs).detach(), drawn.targets.tolist()
    keys = nn.functional.normalize(nn.functional.pad(x, (0, 1), value=1.0))
    queue = [(keys[i], y[i]) for c in range(4) for i in [i for i in range(8) if y[i] == c][:2]]
    expected, weights = 0.0, torch.cat([model.head.weight, model.head.bias[:, None]], 1).detach()
    project = lambda k: nn.functional.normalize(fixed.projector(k[:-1]).detach(), dim=0)  # noqa: E731
    for i in range(8):
        w, z = nn.functional.normalize(weights[y[i]], dim=0), project(keys[i])
        for logits in (
            [w @ k / tau for k, _ in [(keys[i], y[i]), *queue]],
            [z @ project(k) / tau for k, _ in [(keys[i], y[i]), *queue]],
        ):
            positive = [j for j, (_, c) in enumerate([(keys[i], y[i]), *queue]) if c == y[i]]
            total = torch.logsumexp(torch.stack(logits), 0)
            expected -= sum(logits[j] - total for j in positive) / len(positive) / 8
    first, second = (fixed(Round(model, {Stream.TARGET: drawn}, at)).item() for at in (0.0, 0.1))
    assert first == pytest.approx(0.0, abs=1e-6)  # there is no other key yet
    assert second == pytest.approx(float(expected), rel=1e-4)


def test_keys_are_those_of_a_copy_that_follows_slowly(toy):
    """Zhong et al., section 3 (momentum, as He et al., MoCo, CVPR 2020, eq. 2): the copy moves once a step, and not by
    gradients; its keys, features and projections, are what the queue holds, the latest first."""
    problem, model = toy.problem(), deepcopy(toy.trained).eval()
    fixed = ContrastClasses(queue=3, momentum=0.75, width=5).bind(model, problem).eval()
    drawn = batch(problem)[Stream.TARGET]
    copy, projector = deepcopy(model.backbone), deepcopy(fixed.projector)
    wanted = torch.zeros(4, 3, 24 + 1 + 5)
    for step in range(3):
        if step:
            moved(model)
            for slow, now in zip(copy.parameters(), model.backbone.parameters(), strict=True):
                slow.data = 0.75 * slow.data + 0.25 * now.data
        before = wanted.clone()
        for piece in Batch(drawn.inputs, drawn.targets).split(2):  # a second micro-batch does not move it
            value = fixed(Round(model, {Stream.TARGET: piece}, step / 3))
            assert torch.allclose(fixed.queue, before, atol=1e-5)
            keys = nn.functional.normalize(nn.functional.pad(copy(piece.inputs).detach(), (0, 1), value=1.0))
            keys = torch.cat([keys, nn.functional.normalize(projector(keys[:, :-1]).detach())], 1)
            for c in range(4):
                wanted[c] = torch.cat([keys[piece.targets == c], wanted[c]])[:3]
    assert torch.allclose(fixed.coming, wanted, atol=1e-5)
    value.backward()
    assert all(p.grad is None for p in fixed.slow.parameters())
    assert all(p.grad is not None for p in (*model.parameters(), *fixed.projector.parameters()))


@pytest.mark.parametrize("edit", [Lora(decompose=True), Ia3(), StochNorm()], ids=["dora", "ia3", "stoch_norm"])
def test_what_can_be_merged_leaves_a_plain_network_that_does_the_same(edit, toy):
    problem = toy.problem()
    phase = Phase(edits=(edit,), terms={"task": Weighted(term=Supervised())}, descent=Descent(steps=5, rate=0.01))
    model = training.run(toy.trained, (phase,), problem)
    x = batch(problem)[Stream.TARGET].inputs
    before, start = model(x), deepcopy(toy.trained).eval()(x)
    merged = Merge().apply(model, problem).eval()
    assert not torch.allclose(before, start, atol=1e-3)
    assert (merged(x) - before).abs().max() < 1e-4
    assert merged.backbone.state_dict().keys() == toy.trained.backbone.state_dict().keys()


def test_stochastic_normalisation_is_one_or_the_other_channel_by_channel(toy):
    """Kou et al., NeurIPS 2020, eq. 3 to 5; at shares 1 and 0 all channels are of one kind."""
    x = torch.randn(16, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    found = {}
    for share in (0.0, 0.5, 1.0):
        model = StochNorm(share=share).apply(deepcopy(toy.trained), toy.problem()).train()
        torch.manual_seed(0)
        found[share] = model.backbone.stages[0][1](x)
    norm = deepcopy(toy.trained).backbone.stages[0][1]
    assert torch.equal(found[0.0], norm.eval()(x))
    assert torch.equal(found[1.0], norm.train()(x))
    kinds = [[torch.equal(found[0.5][:, c], found[end][:, c]) for end in (0.0, 1.0)] for c in range(8)]
    assert all(sum(kind) == 1 for kind in kinds)
    assert {kind[0] for kind in map(tuple, kinds)} == {True, False}


def test_an_adapted_network_starts_as_it_was_and_is_built_again_from_its_files(toy, tmp_path, monkeypatch):
    problem = toy.problem()
    x = batch(problem)[Stream.TARGET].inputs
    fresh = Adapter(width=4).apply(deepcopy(toy.trained), problem).eval()
    assert torch.equal(fresh(x), deepcopy(toy.trained).eval()(x))
    phase = Phase(
        edits=(Adapter(width=4),), terms={"task": Weighted(term=Supervised())}, descent=Descent(steps=4, rate=0.01)
    )
    model = training.run(toy.trained, (phase,), problem)
    artifacts.save(tmp_path, model, problem.backbone, problem.task, {})
    as_toys(toy, monkeypatch)
    loaded, _ = artifacts.load(tmp_path)
    assert torch.equal(loaded(x), model(x))
    assert loaded.added == (Adapter(width=4),)
    artifacts.save(tmp_path / "again", loaded, problem.backbone, problem.task, {})
    assert torch.equal(artifacts.load(tmp_path / "again")[0](x), model(x))


@pytest.mark.parametrize("only", ["biases", "norms"])
def test_only_the_chosen_weights_move_also_where_norms_are_folded(only, toy):
    problem = toy.problem(frozen_norm=True)
    phase = Phase(
        edits=(Freeze(keep=None, only=only), *catalog.find("methods", "fine_tune")().phases(problem)[0].edits[2:]),
        terms={"task": Weighted(term=Supervised())}, descent=Descent(steps=4),
    )  # fmt: skip
    model = training.run(toy.trained, (phase,), problem)
    pairs = zip(model.backbone.named_parameters(), toy.trained.backbone.parameters(), strict=True)
    for (name, now), then in pairs:
        learns = name.endswith("bias") if only == "biases" else name.split(".")[2] == "1"
        assert torch.equal(now, then) is not learns, name


def test_weights_are_mixed_and_averaged_as_told(toy):
    problem, model = toy.problem(), deepcopy(toy.trained)
    model = Keep().apply(model, problem)
    start = [p.detach().clone() for p in model.parameters()]
    far = [p.detach().clone() for p in moved(model).parameters()]
    mixed = Interpolate(share=0.25).apply(deepcopy(model), problem)
    for a, b, found in zip(start, far, mixed.parameters(), strict=True):
        assert torch.allclose(found, 0.75 * a + 0.25 * b, atol=1e-6)
    model = Keep(key="member 1").apply(model, problem)
    model = Keep(key="member 0").apply(Recall().apply(model, problem), problem)
    soup = Soup().apply(deepcopy(model), problem)
    for a, b, found in zip(start, far, soup.parameters(), strict=True):
        assert torch.allclose(found, (a + b) / 2, atol=1e-6)
    assert not len(soup.kept)


def test_a_greedy_soup_takes_no_member_that_makes_it_worse(toy):
    problem = toy.problem()
    model = Keep(key="member 0").apply(deepcopy(toy.trained), problem)
    model = Keep(key="member 1").apply(moved(model, 5.0), problem)  # knows nothing any more
    found = Soup(select=TargetValidation()).apply(model, problem)
    for a, b in zip(found.parameters(), toy.trained.parameters(), strict=True):
        assert torch.allclose(a, b)


def test_labels_that_are_set_aside_teach_nobody(toy, monkeypatch):
    problem = toy.problem(target=replace(toy.problem().target, validation=None))
    seen = []
    monkeypatch.setattr(
        TargetValidation, "__call__", lambda _, model, part: seen.append(part.target) or float(len(seen))
    )
    method = catalog.find("methods", "greedy_soup")().with_steps(6)
    training.run(toy.trained, method.phases(problem), problem)
    aside, learned = (set(d.examples.ids) for d in (seen[0].validation, seen[0].train))
    assert not aside & learned
    assert aside | learned == set(problem.target.train.examples.ids)
    assert len(aside) == 4  # one of five a class
    assert all(set(t.validation.examples.ids) == aside for t in seen)


def test_the_mean_of_saved_models_is_one_that_is_saved(toy, tmp_path, monkeypatch):
    as_toys(toy, monkeypatch)
    problem, models = toy.problem(), [deepcopy(toy.trained), moved(deepcopy(toy.trained))]
    for number, model in enumerate(models):
        artifacts.save(tmp_path / str(number), model, problem.backbone, problem.task, {})
        runs.remember_seen(tmp_path / str(number), ["both"], [f"digest {number}"])
    artifacts.average([tmp_path / "0", tmp_path / "1"], tmp_path / "mean")
    found = artifacts.load(tmp_path / "mean")[0]
    for now, *pair in zip(*(m.parameters() for m in (found, *models)), strict=True):
        assert torch.allclose(now, sum(pair) / 2, atol=1e-6)
    assert found.classes == toy.trained.classes
    mean = str(tmp_path / "mean")
    assert runs.seen_by([mean])[mean] == {"digest 0", "digest 1", "both"}
    assert runs.seen_by([mean], labelled=True)[mean] == {"both"}


def test_models_of_other_classes_are_averaged_without_their_heads_and_other_networks_not_at_all(
    toy, tmp_path, monkeypatch
):
    as_toys(toy, monkeypatch)
    problem, other = toy.problem(), deepcopy(toy.trained)
    other.classes = ("ewe", "fox", "gnu", "hen")
    adapted = Adapter(width=4).apply(deepcopy(toy.trained), problem)
    for name, model in (("one", toy.trained), ("other", other), ("adapted", adapted)):
        task = replace(problem.task, classes=model.classes)
        artifacts.save(tmp_path / name, model, problem.backbone, task, {})
    artifacts.average([tmp_path / "one", tmp_path / "other"], tmp_path / "mean")
    assert isinstance(artifacts.load(tmp_path / "mean")[0].head, nn.Identity)
    with pytest.raises(UserError, match="another network"):
        artifacts.average([tmp_path / "one", tmp_path / "adapted"], tmp_path / "none")
    assert not (tmp_path / "none").exists()


def encoder():
    """A transformer of two layers over 40 tokens, always the same."""
    transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.BertConfig(vocab_size=40, max_position_embeddings=24, **shape)
    torch.manual_seed(0)
    return transformers.BertModel(config, add_pooling_layer=False)


def reader_of_text():
    """The same as a network of ours."""
    return transformer(encoder(), "mean")


def test_a_prompt_comes_before_the_tokens_and_nothing_else_learns():
    network = reader_of_text().eval()
    model = Model(network, nn.Linear(32, 2), ("a", "b")).eval()
    tokens = torch.randint(40, (3, 6), generator=torch.Generator().manual_seed(0))
    tokens[1, 4:] = PAD
    network.requires_grad_(False)
    torch.manual_seed(1)
    edit = Prompt(tokens=2)
    plain = deepcopy(model)
    edit.add(model, tokens)
    torch.manual_seed(1)
    drawn = torch.randint(40, (2,))
    with torch.no_grad():  # its rows are still those of tokens: the same as these, put before by hand
        expected = plain.backbone(torch.cat([drawn.expand(3, -1), tokens], 1))
        for one in (model, deepcopy(model)):
            assert torch.allclose(one.backbone(tokens), expected, atol=1e-6)
            assert torch.allclose(one.backbone(one.backbone(tokens, 0, 2), 2), expected, atol=1e-6)
    copy = deepcopy(model)
    copy.backbone(tokens).sum().backward()
    assert [n for n, p in copy.backbone.named_parameters() if p.grad is not None and p.grad.any()] == [
        n for n, _ in copy.backbone.named_parameters() if n.endswith("prompt.rows")
    ]
    assert all(p.grad is None for p in model.parameters())  # hooks of a copy are the copy's
    with pytest.raises(CandidateError, match="no room"):
        Prompt(tokens=8).add(plain, torch.randint(40, (2, 20)))


def writer_of_text():
    """A decoder of two layers over 40 tokens."""
    transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
    pytest.importorskip("peft", reason="the extra peft is not installed")
    shape = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 24, "bos_token_id": 0, "eos_token_id": 0}
    torch.manual_seed(0)
    return transformer(transformers.GPT2Model(transformers.GPT2Config(vocab_size=40, **shape)), "last")


def of_text(network) -> tuple[Model, torch.Tensor]:
    """A frozen model, and three texts of six tokens, one of them shorter."""
    tokens = torch.randint(40, (3, 6), generator=torch.Generator().manual_seed(0))
    tokens[1, 4:] = PAD
    network.requires_grad_(False)
    return Model(network, nn.Linear(32, 2), ("a", "b")).eval(), tokens


def test_a_prefix_starts_as_what_a_decoder_makes_of_tokens_before_the_text():
    """No token of a decoder sees what follows it: keys and values of the prefix are those of a text that begins so."""
    model, tokens = of_text(writer_of_text())
    plain, edit = deepcopy(model), Prefix(tokens=2, width=4)
    torch.manual_seed(1)
    edit.add(model, tokens)
    torch.manual_seed(1)
    drawn = torch.randint(40, (1, 2)).expand(3, -1)
    with torch.no_grad():
        expected = plain.backbone(torch.cat([drawn, tokens], 1))
        for one in (model, deepcopy(model)):
            assert torch.allclose(one.backbone(tokens), expected, atol=1e-6)
            assert torch.allclose(one.backbone(one.backbone(tokens, 0, 2), 2), expected, atol=1e-6)
        again = deepcopy(plain)
        edit.add(again, tokens)  # of other tokens, as a saved model is built again
        again.load_state_dict(model.state_dict())
        assert torch.equal(again.backbone(tokens), model.backbone(tokens))
    copy = deepcopy(model)
    copy.backbone(tokens).sum().backward()
    learned = {n for n, p in copy.backbone.named_parameters() if p.grad is not None}
    assert learned == {n for n, _ in copy.backbone.named_parameters() if "prefix.encoder" in n}
    assert all(p.grad is None for p in model.parameters())  # hooks of a copy are the copy's
    with pytest.raises(CandidateError, match="no room"):
        Prefix(tokens=8).add(plain, torch.randint(40, (2, 20)))


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # of one library about the other
def test_a_prefix_is_that_of_peft():
    """The library's own model, with the same weights, gives the same states."""
    peft = pytest.importorskip("peft", reason="the extra peft is not installed")
    model, tokens = of_text(reader_of_text())
    Prefix(tokens=3, width=4).add(model, tokens)
    prefix = next(m for n, m in model.backbone.named_modules() if n.endswith("prefix"))
    prefix.start.zero_()
    nn.init.normal_(prefix.encoder.transform[-1].weight)
    options = {"num_virtual_tokens": 3, "encoder_hidden_size": 4, "prefix_projection": True}
    config = peft.PrefixTuningConfig(task_type="FEATURE_EXTRACTION", **options)
    theirs = peft.PeftModelForFeatureExtraction(encoder(), config).eval()
    theirs.prompt_encoder["default"].load_state_dict(prefix.encoder.state_dict())
    mask = tokens != PAD
    with torch.no_grad():
        states = theirs(input_ids=tokens.clamp_min(0), attention_mask=mask.long()).last_hidden_state
        wanted = (states * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True)
        assert torch.allclose(model.backbone(tokens), wanted, atol=1e-6)


def test_adapters_follow_the_layers_of_a_transformer_also_in_a_copy():
    model = Model(reader_of_text(), nn.Linear(32, 2), ("a", "b")).eval()
    tokens = torch.randint(40, (3, 6), generator=torch.Generator().manual_seed(0))
    before = model.backbone(tokens)
    Adapter(width=4).add(model, tokens)
    assert torch.equal(model.backbone(tokens), before)
    copy = deepcopy(model)
    ups = [m for n, m in copy.backbone.named_modules() if n.endswith("adapter.up")]
    assert len(ups) >= 2
    for up in ups:
        nn.init.ones_(up.bias)
    assert not torch.allclose(copy.backbone(tokens), before)
    assert torch.equal(model.backbone(tokens), before)


@pytest.mark.parametrize("last", [True, False])
def test_maps_with_channels_last_are_told_from_those_with_channels_first(last):
    """Swin's blocks put out (B, H, W, C) and hold lines and norms; others (B, C, H, W) from convolutions."""
    lines = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 6))
    layer, shape = (lines, (2, 5, 4, 6)) if last else (nn.Conv2d(6, 6, 1), (2, 6, 5, 4))
    axis = channel_axis(layer, torch.zeros(shape))
    assert shape[axis] == 6
    follower = _Bottleneck(torch.zeros(shape), 3, axis)
    nn.init.normal_(follower.up.weight)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    moved = (follower(x) - x).movedim(axis, -1)
    down, up = (m.weight.flatten(1) for m in (follower.down, follower.up))
    wanted = nn.functional.linear(nn.functional.linear(x.movedim(axis, -1), down, follower.down.bias).relu(), up)
    assert torch.allclose(moved, wanted, atol=1e-5)


def test_the_axis_of_channels_where_sizes_say_nothing():
    """A patch embedding of Swin convolves and normalises last; ConvNeXt has lines inside, and channels first."""
    embed = nn.Sequential(nn.Conv2d(3, 8, 4), nn.LayerNorm(8))
    assert channel_axis(embed, torch.zeros(1, 5, 5, 8)) == 3
    block = nn.Sequential(nn.Conv2d(8, 8, 7), nn.LayerNorm(8), nn.Linear(8, 32), nn.Linear(32, 8))
    assert channel_axis(block, torch.zeros(1, 8, 8, 8)) == 1
    assert channel_axis(nn.Linear(8, 8), torch.zeros(1, 8, 8, 8)) == 3
    assert channel_axis(nn.Linear(8, 8), torch.zeros(1, 5, 8)) == 2
    assert channel_axis(nn.Conv1d(8, 8, 1), torch.zeros(1, 8, 5)) == 1


def test_a_prompt_is_for_text(toy):
    with pytest.raises(CandidateError, match="transformer of text"):
        Prompt().apply(deepcopy(toy.trained), toy.problem())


def test_a_prefix_is_for_text_too(toy):
    pytest.importorskip("peft", reason="the extra peft is not installed")
    with pytest.raises(CandidateError, match="transformer of text from Hugging Face"):
        Prefix().apply(deepcopy(toy.trained), toy.problem())
