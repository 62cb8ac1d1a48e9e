"""Rotary position embeddings in all the ways that models ask for them, against the plain formula on the CPU."""

import pytest
import torch

import habana_frameworks.torch as ht
from habana_frameworks.torch.hpex.kernels import (
    RotaryPosEmbeddingHelperV1,
    RotaryPosEmbeddingHelperV2,
    RotaryPosEmbeddingHelperV3,
    RotaryPosEmbeddingMode,
    apply_rotary_pos_emb,
)

BLOCKWISE, PAIRWISE = RotaryPosEmbeddingMode.BLOCKWISE, RotaryPosEmbeddingMode.PAIRWISE
HELPERS = [RotaryPosEmbeddingHelperV1, RotaryPosEmbeddingHelperV2, RotaryPosEmbeddingHelperV3]
TIGHT = {"rtol": 1e-5, "atol": 1e-5}
LOOSE = {"rtol": 2e-2, "atol": 2e-2}
SIZE, POSITIONS = 8, 12


@pytest.fixture(autouse=True)
def nothing_falls_back():
    def count():
        return dict(ht.hpu.metric_global("cpu_fallback").stats())["TotalNumber"]

    before = count()
    yield
    assert count() == before


def tables(mode=BLOCKWISE):
    angles = torch.arange(POSITIONS)[:, None] * 10000 ** (-torch.arange(0, SIZE, 2) / SIZE)
    angles = torch.cat((angles, angles), -1) if mode == BLOCKWISE else angles.repeat_interleave(2, -1)
    return angles.cos(), angles.sin()


def plain(p, cos, sin, mode=BLOCKWISE):
    if mode == BLOCKWISE:
        first, second = p.chunk(2, -1)
        turned = torch.cat((-second, first), -1)
    else:
        turned = torch.stack((-p[..., 1::2], p[..., 0::2]), -1).flatten(-2)
    return p * cos + turned * sin


def check(apply, reference, p, tolerance=TIGHT):
    mine, theirs = p.detach().to("hpu").requires_grad_(), p.detach().float().clone().requires_grad_()
    weight = torch.randn(p.shape)
    result, expected = apply(mine), reference(theirs)
    result.backward(weight.to("hpu", result.dtype))
    expected.backward(weight)
    assert result.dtype == p.dtype
    assert torch.allclose(result.detach().cpu().float(), expected.detach(), **tolerance)
    assert torch.allclose(mine.grad.cpu().float(), theirs.grad, **tolerance)


@pytest.mark.parametrize("helper", HELPERS)
@pytest.mark.parametrize("dtype,tolerance", [(torch.float32, TIGHT), (torch.bfloat16, LOOSE)])
def test_position_ids_choose_rows_of_the_tables(helper, dtype, tolerance):
    cos, sin = tables()
    ids = torch.tensor([[0, 1, 2, 3], [5, 6, 7, 11]])
    p = torch.randn(2, 3, 4, SIZE).to(dtype)
    on_hpu = (cos[None, None].to("hpu"), sin[None, None].to("hpu"), ids.to("hpu"))
    check(lambda x: helper.apply(x, *on_hpu), lambda x: plain(x, cos[ids][:, None], sin[ids][:, None]), p, tolerance)


def test_position_ids_that_do_not_fit_the_positions_are_refused():
    cos, sin = (t.to("hpu") for t in tables())
    with pytest.raises(RuntimeError, match=r"position_ids \[1, 5\] do not fit an input \[1, 5, 3, 8\], whose positions are dim -2"):
        apply_rotary_pos_emb(torch.zeros(1, 5, 3, SIZE).to("hpu"), cos, sin, torch.arange(5)[None].to("hpu"))
    with pytest.raises(RuntimeError, match=r"tables \[positions, size\], not \[2, 12, 8\]"):
        apply_rotary_pos_emb(torch.zeros(2, 1, 12, SIZE).to("hpu"), cos.expand(2, 12, SIZE), sin.expand(2, 12, SIZE), torch.arange(12)[None].to("hpu"))


def test_one_row_of_position_ids_serves_the_batch():
    cos, sin = tables()
    p = torch.randn(2, 3, 4, SIZE)
    for ids in (torch.arange(2, 6), torch.arange(2, 6)[None]):
        check(lambda x: apply_rotary_pos_emb(x, cos.to("hpu"), sin.to("hpu"), ids.to("hpu")), lambda x: plain(x, cos[2:6], sin[2:6]), p)


def test_an_offset_cuts_tables_whose_length_comes_first():
    cos, sin = (t[:, None, None] for t in tables())
    p = torch.randn(4, 2, 3, SIZE)
    check(lambda x: RotaryPosEmbeddingHelperV1.apply(x, cos.to("hpu"), sin.to("hpu"), 5), lambda x: plain(x, cos[5:9], sin[5:9]), p)


@pytest.mark.parametrize("offset", [0, 3])
def test_an_offset_chooses_the_first_row(offset):
    cos, sin = tables()
    p = torch.randn(2, 3, 4, SIZE)
    rows = slice(offset, offset + 4)
    check(lambda x: RotaryPosEmbeddingHelperV1.apply(x, cos.to("hpu"), sin.to("hpu"), offset), lambda x: plain(x, cos[rows], sin[rows]), p)


@pytest.mark.parametrize("mode", [BLOCKWISE, PAIRWISE])
def test_rows_that_were_chosen_before_broadcast(mode):
    cos, sin = tables(mode)
    p = torch.randn(2, 4, 3, SIZE)
    chosen = cos[:4][None, :, None], sin[:4][None, :, None]
    check(lambda x: apply_rotary_pos_emb(x, chosen[0].to("hpu"), chosen[1].to("hpu"), None, 0, mode), lambda x: plain(x, *chosen, mode), p)


def test_v3_takes_the_mode_last():
    cos, sin = tables(PAIRWISE)
    ids = torch.arange(4)[None]
    p = torch.randn(1, 2, 4, SIZE)
    check(
        lambda x: RotaryPosEmbeddingHelperV3.apply(x, cos.to("hpu"), sin.to("hpu"), ids.to("hpu"), 0, PAIRWISE),
        lambda x: plain(x, cos[:4], sin[:4], PAIRWISE),
        p,
    )


@pytest.mark.parametrize("mode", [BLOCKWISE, PAIRWISE])
def test_tables_of_half_the_size_serve_both_partners(mode):
    cos, sin = tables(mode)
    short = [t[:4, : SIZE // 2] if mode == BLOCKWISE else t[:4, 0::2] for t in (cos, sin)]
    p = torch.randn(2, 3, 4, SIZE)
    check(lambda x: apply_rotary_pos_emb(x, *(t.to("hpu") for t in short), None, 0, mode), lambda x: plain(x, cos[:4], sin[:4], mode), p)


def test_a_graph_replays_it_with_other_positions():
    cos, sin = tables()
    p, ids = torch.randn(2, 3, 4, SIZE), torch.arange(4).repeat(2, 1)
    x, positions, c, s = p.to("hpu"), ids.to("hpu"), cos.to("hpu"), sin.to("hpu")
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    result = RotaryPosEmbeddingHelperV2.apply(x, c, s, positions)
    graph.capture_end()
    assert len(graph._graph.steps()[0]) <= 4  # a gather each of cos and sin, a kernel each half
    positions.copy_(ids + 5)
    graph.replay()
    assert torch.allclose(result.cpu(), plain(p, cos[5:9], sin[5:9]), **TIGHT)


def test_the_operator_is_callable_and_differentiable():
    cos, sin = (t[:4] for t in tables())
    p = torch.randn(2, 3, 4, SIZE)
    check(lambda x: torch.ops.hpu.rotary_pos_embedding(x, sin.to("hpu"), cos.to("hpu"), None, 0, 0), lambda x: plain(x, cos, sin), p)


def test_sizes_that_do_not_fit_are_named():
    cos, sin = (t.to("hpu") for t in tables())
    with pytest.raises(RuntimeError, match="8 values a position, the input has 6"):
        apply_rotary_pos_emb(torch.zeros(1, 1, 12, 6).to("hpu"), cos, sin)
    with pytest.raises(RuntimeError, match="it must be even"):
        apply_rotary_pos_emb(torch.zeros(1, 1, 12, 7).to("hpu"), cos, sin)
    with pytest.raises(TypeError, match="unknown argument 'places'"):
        apply_rotary_pos_emb(torch.zeros(1, 1, 12, 8).to("hpu"), cos, sin, places=1)
