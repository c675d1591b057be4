"""Eq. (3), and that micro-batches and the gradient cache give its very gradients."""

import pytest
import torch
from small_model import OPTIONS, batches, model
from torch import Tensor

from c2rl.objectives.contrastive import info_nce
from c2rl.objectives.language import language_loss
from c2rl.objectives.similarity import clcl
from c2rl.pretrain.gfslt_vlp import GFSLT_VLP, mask_words
from c2rl.pretrain.model import Pretrainer
from c2rl.pretrain.objective import C2RL, Objective, Options
from c2rl.training.gradient_cache import RunningStatistics, backward

OBJECTIVES = pytest.mark.parametrize("objective", [C2RL, GFSLT_VLP], ids=["c2rl", "gfslt_vlp"])


def gradients(net: Pretrainer) -> dict[str, Tensor]:
    return {n: p.grad.double() for n, p in net.named_parameters() if p.grad is not None}


def frozen(**changes) -> Pretrainer:
    """Batch norm in evaluation mode: micro-batches and the whole batch can then be compared."""
    net = model(**changes).double().train()
    for part in net.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.eval()
    return net


def in_micro_batches(net: Pretrainer, step, objective: Objective, options: Options, room: float):
    share = backward(
        step.micro_batches,
        objective.share(net, step.whole, options),
        room=room,
        statistics=RunningStatistics(net),
        seed=(0, 0),
        first=0,
    )
    return share, gradients(net)


def test_the_loss_is_eq_3(world) -> None:
    batch, net = next(batches(world).inference()), model().eval()
    parts = C2RL.evaluate(net, batch, OPTIONS._replace(alpha=2.0, beta=0.5))
    features, text = net.encode_signs(batch), net.encode_text(batch.tokens)
    similarity = clcl(features, batch.mask, text, batch.tokens.mask)
    eq_1 = info_nce(similarity, net.scale, sentence_ids=batch.sentence_ids)
    logits = net.logits(features, batch.mask, batch.tokens)
    eq_2 = language_loss(logits, batch.tokens.ids, batch.tokens.mask, smoothing=0.2)
    torch.testing.assert_close(parts["contrastive"], eq_1)
    torch.testing.assert_close(parts["language"], eq_2)
    torch.testing.assert_close(parts["loss"], 2.0 * eq_1 + 0.5 * eq_2)


@OBJECTIVES
@pytest.mark.parametrize("room", [0, 1e9], ids=["run twice", "kept"])
@pytest.mark.parametrize("lm_reduction", ["token_mean", "sentence_sum"])
def test_micro_batches_give_the_loss_and_the_gradients_of_the_whole_batch(
    world, objective: Objective, room: float, lm_reduction: str
) -> None:
    options = OPTIONS._replace(alpha=2.0, beta=0.5, lm_reduction=lm_reduction)
    step = next(batches(world, batch_norm=2, cap=12).epoch(0))
    whole = next(batches(world, batch_norm="global", cap=12).epoch(0)).micro_batches[0]
    net = frozen()
    parts = objective.evaluate(net, whole, options)
    parts["loss"].backward()
    expected = gradients(net)
    net = frozen()
    share, found = in_micro_batches(net, step, objective, options, room)
    torch.testing.assert_close(share.joint, parts["contrastive"], rtol=1e-12, atol=0)
    torch.testing.assert_close(share.own, parts["language"], rtol=1e-12, atol=0)
    assert found.keys() == expected.keys()
    for name, grad in expected.items():
        assert (found[name] - grad).norm() <= 1e-9 * grad.norm() + 1e-12, name


@OBJECTIVES
def test_kept_and_run_twice_are_the_same_to_the_last_bit(world, objective: Objective) -> None:
    step = next(batches(world).epoch(0))
    results = []
    for room in (0, 25, 1e9):
        net = model(dropout=0.3).train()
        statistics = RunningStatistics(net)
        backward(
            step.micro_batches, objective.share(net, step.whole, OPTIONS),
            room=room, statistics=statistics, seed=(1, 2), first=0,
        )  # fmt: skip
        statistics.commit()
        results.append({**gradients(net), **{n: b.clone() for n, b in net.named_buffers()}})
    for other in results[1:]:
        for name, tensor in results[0].items():
            assert torch.equal(tensor, other[name]), name


def test_batch_norm_takes_one_step_a_batch_whatever_the_micro_batches(world) -> None:
    step, net = next(batches(world, batch_norm=3).epoch(0)), model().train()
    moved = []
    for batch in step.micro_batches:
        alone = model().train()
        alone.encode_signs(batch)
        moved.append(alone.sign_encoder.resnet.bn1.running_mean)
    statistics = RunningStatistics(net)
    backward(
        step.micro_batches, C2RL.share(net, step.whole, OPTIONS),
        room=0, statistics=statistics, seed=(0, 0), first=0,
    )  # fmt: skip
    statistics.commit()
    norm = net.sign_encoder.resnet.bn1
    torch.testing.assert_close(norm.running_mean, torch.stack(moved).mean(0))
    assert int(norm.num_batches_tracked) == 1


def test_a_weight_of_zero_leaves_its_network_alone(world) -> None:
    step, net = next(batches(world).epoch(0)), model()
    in_micro_batches(net, step, C2RL, OPTIONS._replace(alpha=0.0), 1e9)
    assert all(p.grad is None for p in net.text_encoder.parameters())
    assert all(p.grad is not None for p in net.text_decoder.parameters())
    net = model()
    in_micro_batches(net, step, C2RL, OPTIONS._replace(beta=0.0), 1e9)
    assert all(p.grad is None for p in net.text_decoder.parameters())
    assert all(p.grad is not None for p in net.text_encoder.parameters())


def test_bfloat16_trains_the_networks_and_leaves_the_loss_in_float32(world) -> None:
    step = next(batches(world).epoch(0))
    exact, found = in_micro_batches(model(), step, C2RL, OPTIONS, 1e9)
    rough, rounded = in_micro_batches(
        model(), step, C2RL, OPTIONS._replace(precision="bfloat16"), 1e9
    )
    assert rough.joint.dtype == torch.float32
    torch.testing.assert_close(rough.joint, exact.joint, rtol=0.1, atol=0)
    assert all(g.isfinite().all() for g in rounded.values())
    assert not torch.equal(found["sign_encoder.fc.weight"], rounded["sign_encoder.fc.weight"])


def test_batch_mates_do_not_change_the_features_of_a_clip(world) -> None:
    net = model().eval()
    whole = next(batches(world).inference())
    features = net.encode_signs(whole)
    count = int(whole.mask[0].sum())
    alone = whole._replace(frames=whole.frames[:count], mask=whole.mask[:1, :count])
    torch.testing.assert_close(net.encode_signs(alone)[0], features[0, :count], atol=1e-5, rtol=0)


def test_the_scale_is_bounded() -> None:
    net = model()
    net.log_scale.data.fill_(20.0)
    assert net.scale.item() == 100.0


def test_masked_words_are_a_pure_function_of_seed_epoch_and_clip(world) -> None:
    batch = next(batches(world).inference())
    once, again = mask_words(batch, OPTIONS), mask_words(batch, OPTIONS)
    assert torch.equal(once.ids, again.ids)
    later = mask_words(batch._replace(epoch=1), OPTIONS)
    assert not torch.equal(once.ids, later.ids)
    changed = once.ids != batch.tokens.ids
    assert (changed.sum(1) >= 1).all()
    assert (once.ids[changed] == 3).all()  # <unk>
    assert not (changed & ~batch.tokens.mask).any()
    assert not (changed & (batch.tokens.ids == 2)).any()  # </s> stays


def test_gfslt_vlp_is_the_clip_loss_of_mean_features(world) -> None:
    batch, net = next(batches(world).inference()), model().eval()
    parts = GFSLT_VLP.evaluate(net, batch, OPTIONS)
    features, text = net.encode_signs(batch).detach(), net.encode_text(batch.tokens).detach()
    signs = [f[m].mean(0) for f, m in zip(features, batch.mask, strict=True)]
    words = [t[m].mean(0) for t, m in zip(text, batch.tokens.mask, strict=True)]
    total = 0.0
    cosine = [[float(a @ b / a.norm() / b.norm()) for b in words] for a in signs]
    table = torch.tensor(cosine, dtype=torch.float64) * float(net.scale.detach())
    for matrix in (table, table.T):
        for i in range(len(matrix)):
            total -= float(matrix[i, i] - matrix[i].logsumexp(0)) / len(matrix)
    assert float(parts["contrastive"].detach()) == pytest.approx(total, rel=1e-4)
