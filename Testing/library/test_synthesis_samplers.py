"""Samplers against a normal distribution with its exact denoiser, and against the published counts."""

import math
from itertools import pairwise

import pytest
import torch
from claimslicer.errors import SpecificationError
from claimslicer.synthesis.samplers import (
    FIRST_TIME,
    SAMPLERS,
    ddim,
    dpm_solver,
    flow,
    network_evaluations,
    repaint_levels,
    sample,
    with_known_background,
)
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

MEAN, SPREAD = 0.7, 0.4


def gaussian_denoiser(x: torch.Tensor, time: float) -> torch.Tensor:
    """The exact E[x_0 | x_t] where x_0 is normal with MEAN and SPREAD."""
    alpha, sigma = math.cos(time * math.pi / 2), math.sin(time * math.pi / 2)
    gain = alpha * SPREAD**2 / (alpha**2 * SPREAD**2 + sigma**2)
    return MEAN + gain * (x - alpha * MEAN)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, generator=seeded(seed), dtype=torch.float64)


def exact_flow(noise: torch.Tensor) -> torch.Tensor:
    """Where the probability-flow ODE leads from ``noise`` at the first time: quantiles are kept."""
    alpha, sigma = math.cos(FIRST_TIME * math.pi / 2), math.sin(FIRST_TIME * math.pi / 2)
    return MEAN + SPREAD * (noise - alpha * MEAN) / math.hypot(alpha * SPREAD, sigma)


@pytest.mark.parametrize(
    ("sampler", "steps", "tolerance"),
    [
        ("dpm", 8, 0.12),
        ("dpm", 16, 0.06),
        ("ddim", 16, 0.25),
        ("flow", 16, 0.25),
        ("dpm", 256, 0.002),
        ("ddim", 256, 0.02),
        ("flow", 256, 0.02),
    ],
)
def test_ode_samplers_turn_noise_into_the_data_distribution(sampler, steps, tolerance):
    x = sample(sampler, gaussian_denoiser, normal(20000), steps, seeded(1))
    assert float(x.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(x.std()) == pytest.approx(SPREAD, rel=tolerance + 0.01)  # 0.01: the noise's own spread


@pytest.mark.parametrize(("sampler", "order"), [(dpm_solver, 2), (ddim, 1), (flow, 1)])
def test_samplers_converge_to_the_exact_solution_at_their_order(sampler, order):
    noise = normal(2000)
    coarse, fine = (
        float((sampler(gaussian_denoiser, noise, steps) - exact_flow(noise)).abs().mean())
        for steps in (256, 1024)
    )
    assert fine < 0.001
    assert math.log(coarse / fine, 4) == pytest.approx(order, abs=0.3)


def test_the_second_order_sampler_is_nearer_with_the_same_evaluations():
    noise = normal(5000)
    error = {
        s: float((s(gaussian_denoiser, noise, 32) - exact_flow(noise)).abs().mean())
        for s in (dpm_solver, ddim, flow)
    }
    assert error[dpm_solver] < 0.3 * min(error[ddim], error[flow])


def test_an_euler_step_on_the_straight_path_is_a_ddim_step_at_another_time():
    visited: list[float] = []

    def watched(x: torch.Tensor, time: float) -> torch.Tensor:
        visited.append(time)
        return gaussian_denoiser(x, time)

    noise = normal(100)
    x = flow(watched, noise, 5)
    ratios = [math.tan(time * math.pi / 2) for time in visited]
    taus = [ratio / (1 + ratio) for ratio in ratios]
    assert visited[0] == pytest.approx(FIRST_TIME)
    assert [a - b for a, b in pairwise([*taus, 0.0])] == pytest.approx([taus[0] / 5] * 5)
    expected = noise
    for time, following in pairwise([*visited, 0.0]):
        clean = gaussian_denoiser(expected, time)
        angle, next_angle = time * math.pi / 2, following * math.pi / 2
        epsilon = (expected - math.cos(angle) * clean) / math.sin(angle)
        expected = math.cos(next_angle) * clean + math.sin(next_angle) * epsilon
    torch.testing.assert_close(x, expected)


@pytest.mark.parametrize(("steps", "jumps"), [(300, 1), (300, (2, 2)), (300, (5, 5))])
def test_ancestral_sampling_draws_from_the_data_distribution(steps, jumps):
    x = sample("repaint", gaussian_denoiser, normal(4000), steps, seeded(1), jumps)
    assert float(x.std()) == pytest.approx(SPREAD, rel=0.05)
    assert stats.kstest(x.numpy(), "norm", args=(MEAN, SPREAD)).statistic < 0.05


@pytest.mark.parametrize(
    ("sampler", "steps", "jumps", "evaluations"),
    [
        ("repaint", 300, 1, 300),
        ("repaint", 300, 2, 598),
        ("repaint", 300, (5, 5), 1480),
        ("dpm", 8, 1, 8),
        ("ddim", 1, 1, 1),
        ("flow", 32, 1, 32),
        ("repaint", 1, 5, 1),
    ],
)
def test_evaluations_are_the_published_ones_and_are_those_made(sampler, steps, jumps, evaluations):
    calls = 0

    def counting(x: torch.Tensor, time: float) -> torch.Tensor:
        nonlocal calls
        calls += 1
        assert 0 < time < 1
        return gaussian_denoiser(x, time)

    sample(sampler, counting, normal(3), steps, seeded(0), jumps)
    assert calls == evaluations == network_evaluations(sampler, steps, jumps)


@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 4))
def test_every_stretch_is_walked_as_often_as_asked(steps, length, times):
    levels = repaint_levels(steps, (length, times))
    assert (levels[0], levels[-1]) == (steps, 0)
    assert all(later - earlier in (-1, length) for earlier, later in pairwise(levels))
    down = [level for level, following in pairwise(levels) if following < level]
    last = max(range(1, max(steps - length, 0) + 1, length), default=1 - length) + length
    for level in range(1, steps + 1):
        assert down.count(level) == (times if 2 <= level <= last else 1)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_seed_gives_the_same_sample(sampler):
    first, again, other = (
        sample(sampler, gaussian_denoiser, normal(50, seed), 10, seeded(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_variants_in_one_batch_are_those_made_one_by_one():
    noise = torch.stack([normal(50, seed) for seed in (3, 4)])
    together = sample("repaint", gaussian_denoiser, noise, 10, [seeded(3), seeded(4)], 2)
    for variant, seed in zip(together, (3, 4), strict=True):
        alone = sample("repaint", gaussian_denoiser, normal(50, seed), 10, seeded(seed), 2)
        assert torch.equal(variant, alone)


def test_a_known_background_steers_what_is_painted_into_the_hole():
    """Pairs of equal values: the second must become what the first is known to be."""

    def pair_denoiser(x: torch.Tensor, time: float) -> torch.Tensor:
        alpha, sigma = math.cos(time * math.pi / 2), math.sin(time * math.pi / 2)
        gain = 2 * alpha / (2 * alpha**2 + sigma**2)
        return (gain * x.mean(1, keepdim=True)).expand_as(x)

    known = torch.stack([normal(500), torch.full((500,), 99.0, dtype=torch.float64)], dim=1)
    hole = torch.tensor([False, True]).expand_as(known)
    noise = torch.randn(500, 2, generator=seeded(1), dtype=torch.float64)
    generator = seeded(2)
    denoise = with_known_background(pair_denoiser, known, hole, generator)
    plain, jumping = (sample("repaint", denoise, noise, 60, generator, jumps) for jumps in (1, (5, 5)))
    assert torch.equal(plain[:, 0], known[:, 0])
    fits = [float(torch.corrcoef(x.T)[0, 1]) for x in (plain, jumping)]
    assert fits[0] > 0.3
    assert fits[1] > max(fits[0], 0.8)  # resampling is what makes the hole agree with its surroundings


@pytest.mark.parametrize(
    ("sampler", "steps", "jumps", "said"),
    [
        ("euler", 8, 1, "choose one of dpm, ddim, flow, repaint"),
        ("dpm", 0, 1, "choose 1 to 1000"),
        ("repaint", 300, (0, 2), "must be 1 or more"),
        ("dpm", 8, (5, 5), "makes no jumps"),
    ],
)
def test_impossible_settings_are_refused(sampler, steps, jumps, said):
    with pytest.raises(SpecificationError, match=said):
        sample(sampler, gaussian_denoiser, normal(3), steps, seeded(0), jumps)


def test_sampling_times_crowd_towards_the_end_and_repaints_are_even():
    """With 12 evaluations the last is taken at a noise level of 0.01 of the signal, where grain is made."""
    seen: list[float] = []

    def denoise(x: torch.Tensor, time: float) -> torch.Tensor:
        seen.append(time)
        return gaussian_denoiser(x, time)

    sample("dpm", denoise, normal(8), 12, seeded(0))
    assert seen[0] == pytest.approx(0.99)
    assert seen[-1] == pytest.approx(0.99 / 144)
    seen.clear()
    sample("repaint", denoise, normal(8), 12, seeded(0))
    assert seen[-1] == pytest.approx(0.99 / 12)
