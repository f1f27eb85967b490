"""Answers to lesson 02's exercises. The wrong ones are written as learners write them, not as the imitations are."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from softlabels.distill import entropy_bits, soften
from tests.answers import Honest, Wrong


def valid(temperature):
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError("temperature")


# --- soften, wrong ----------------------------------------------------------------------------------------------------


def multiplies(logits, temperature):
    return F.softmax(logits * temperature, dim=-1)


def power_of_probabilities(logits, temperature):
    powers = F.softmax(logits, dim=-1) ** temperature
    return powers / powers.sum(-1, keepdim=True)


def divides_and_normalises(logits, temperature):
    valid(temperature)
    probs = F.softmax(logits, dim=-1) / temperature
    return probs / probs.sum(dim=-1, keepdim=True)


def never_uses_temperature(logits, temperature):
    return torch.log_softmax(logits, dim=-1).exp()


def factor_on_the_exponentials(logits, temperature):
    powers = torch.exp(logits - logits.max(-1, keepdim=True).values) / temperature
    return powers / powers.sum(-1, keepdim=True)


def squared(logits, temperature):
    return torch.softmax(logits / (temperature * temperature), -1)


def divides_twice(logits, temperature):
    logits = logits / temperature
    powers = torch.exp(logits / temperature)
    return powers / powers.sum(-1, keepdim=True)


def root(logits, temperature):
    return F.softmax(logits / temperature**0.5, dim=-1)


def divides_probabilities(logits, temperature):
    powers = logits.exp()
    return powers / (temperature * powers.sum(-1, keepdim=True))


def first_axis(logits, temperature):
    powers = torch.exp(logits / temperature)
    return powers / powers.sum(0)


def whole_batch(logits, temperature):
    powers = np.exp(np.asarray(logits) / temperature)
    return powers / powers.sum()


def twice(logits, temperature):
    return F.softmax(F.softmax(logits / temperature, dim=-1), dim=-1)


def twice_before(logits, temperature):
    probs = logits.softmax(dim=-1)
    return (probs / temperature).softmax(dim=-1)


def logs(logits, temperature):
    scaled = logits / temperature
    return scaled - torch.logsumexp(scaled, dim=-1, keepdim=True)


def sigmoid(logits, temperature):
    return 1 / (1 + torch.exp(-logits / temperature))


def exponentials(logits, temperature):
    return torch.exp(logits / temperature)


def shifted_exponentials(logits, temperature):
    return torch.exp((logits - logits.amax(-1, keepdim=True)) / temperature)


def naive(logits, temperature):
    valid(temperature)
    powers = torch.exp(logits / temperature)
    return powers / powers.sum(dim=-1, keepdim=True)


def naive_numpy(logits, temperature):
    powers = np.exp(np.asarray(logits, dtype=np.float64) / temperature)
    return powers / powers.sum(axis=-1, keepdims=True)


def maximum_not_divided(logits, temperature):
    valid(temperature)
    powers = torch.exp(logits / temperature - logits.max(dim=-1, keepdim=True).values)
    return powers / powers.sum(dim=-1, keepdim=True)


def one_maximum(logits, temperature):
    valid(temperature)
    powers = torch.exp((logits - logits.max()) / temperature)
    return powers / powers.sum(dim=-1, keepdim=True)


def clamped(logits, temperature):
    valid(temperature)
    return F.softmax(logits.clamp(-50, 50) / temperature, dim=-1)


def no_guard(logits, temperature):
    return F.softmax(logits / temperature, dim=-1)


def guard_lets_nan_through(logits, temperature):
    if temperature <= 0 or temperature == math.inf:
        raise ValueError("temperature")
    return F.softmax(logits / temperature, dim=-1)


def guard_by_assertion(logits, temperature):
    assert 0 < temperature < math.inf
    return F.softmax(logits / temperature, dim=-1)


def in_place(logits, temperature):
    valid(temperature)
    logits /= temperature
    return F.softmax(logits, dim=-1)


def one_minus(logits, temperature):
    return F.softmax(-logits / temperature, dim=-1)


def smoothed(logits, temperature):
    probs = F.softmax(logits, dim=-1)
    return probs / temperature + (1 - 1 / temperature) / logits.shape[-1]


SOFTEN_WRONG = [
    ("multiplies by T", multiplies),
    ("multiplies by T", power_of_probabilities),
    ("T has no effect", divides_and_normalises),
    ("T has no effect", never_uses_temperature),
    ("T has no effect", factor_on_the_exponentials),
    ("T squared", squared),
    ("T squared", divides_twice),
    ("square root of T", root),
    ("divides the probabilities", divides_probabilities),
    ("softmax over the wrong axis", first_axis),
    ("one sum for the whole batch", whole_batch),
    ("softmax twice", twice),
    ("softmax of divided probabilities", twice_before),
    ("log-probabilities", logs),
    ("sigmoid", sigmoid),
    ("not normalised", exponentials),
    ("not normalised", shifted_exponentials),
    ("overflow", naive),
    ("overflow", naive_numpy),
    ("the maximum is not divided by T", maximum_not_divided),
    ("one maximum for the whole batch", one_maximum),
    ("wrong for large logits", clamped),
    ("impossible temperatures pass", no_guard),
    ("impossible temperatures pass", guard_lets_nan_through),
    ("impossible temperatures pass", guard_by_assertion),
    ("changes its inputs", in_place),
    ("smallest failing case", one_minus),
    ("smallest failing case", smoothed),
]

# --- soften, honest ---------------------------------------------------------------------------------------------------


def library_softmax(logits, temperature):
    valid(temperature)
    return F.softmax(logits / temperature, dim=-1)


def log_sum_exp(logits, temperature):
    valid(temperature)
    scaled = logits / temperature
    return torch.exp(scaled - torch.logsumexp(scaled, dim=-1, keepdim=True))


def numpy_double(logits, temperature):
    valid(temperature)
    z = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def loops(logits, temperature):
    valid(temperature)
    if logits.dim() > 1:
        return torch.stack([loops(row, temperature) for row in logits])
    largest = max(float(z) for z in logits)
    powers = [math.exp((float(z) - largest) / temperature) for z in logits]
    return [p / sum(powers) for p in powers] if logits.dim() == 0 else torch.tensor([p / sum(powers) for p in powers])


def einsum(logits, temperature):
    valid(temperature)
    powers = torch.exp((logits - logits.amax(dim=-1, keepdim=True)) / temperature)
    return torch.einsum("...c,...->...c", powers, 1 / torch.einsum("...c->...", powers))


def double(logits, temperature):
    valid(temperature)
    return torch.softmax(logits.double() / temperature, dim=-1)


def powers_of_probabilities(logits, temperature):
    # p^(1/T), normalised again: the same thing, as long as no probability underflows
    valid(temperature)
    powers = torch.softmax(logits.double(), dim=-1) ** (1 / temperature)
    return powers / powers.sum(dim=-1, keepdim=True)


def ratios(logits, temperature):
    valid(temperature)
    gaps = (logits.unsqueeze(-2) - logits.unsqueeze(-1)) / temperature  # z_j - z_i, never rescued by a maximum
    return 1 / torch.exp(gaps).sum(dim=-1)


def soft_minimum(logits, temperature):
    valid(temperature)
    return F.softmin(-logits / temperature, dim=logits.dim() - 1)


SOFTEN_HONEST = [
    library_softmax, log_sum_exp, numpy_double, loops, einsum, double, powers_of_probabilities, ratios, soft_minimum,
]  # fmt: skip

# --- temperature_for_entropy, wrong -----------------------------------------------------------------------------------


def entropy(logits, temperature):
    return float(entropy_bits(soften(logits, temperature)))


def possible(logits, bits, low=0.001, high=10_000.0):
    if not entropy(logits, low) <= bits <= entropy(logits, high):
        raise ValueError("bits")


def bisect(goes_up, low=0.001, high=10_000.0, times=60, middle=lambda low, high: (low + high) / 2):
    for _ in range(times):
        m = middle(low, high)
        if goes_up(m):
            low = m
        else:
            high = m
    return (low + high) / 2


def geometric(low, high):
    return math.sqrt(low * high)


def in_nats(logits, bits):
    possible(logits, bits)

    def nats(temperature):
        probs = F.softmax(logits.double() / temperature, dim=-1)
        return -(probs * probs.clamp_min(1e-30).log()).sum().item()

    return bisect(lambda t: nats(t) < bits)


def inverse(logits, bits):
    possible(logits, bits)
    # beta multiplies the logits, so the search runs downwards
    return bisect(lambda beta: entropy(logits, 1 / beta) > bits, 1e-4, 1e3, 80)


def returns_entropy(logits, bits):
    possible(logits, bits)
    return entropy(logits, bisect(lambda t: entropy(logits, t) < bits))


def standardised(logits, bits):
    logits = (logits - logits.mean()) / logits.std()
    possible(logits, bits)
    return bisect(lambda t: entropy(logits, t) < bits)


def wrong_way_arithmetic(logits, bits):
    possible(logits, bits)
    return bisect(lambda t: entropy(logits, t) > bits)


def wrong_way_geometric(logits, bits):
    possible(logits, bits)
    return bisect(lambda t: entropy(logits, t) > bits, middle=geometric)


def wrong_way_short_bracket(logits, bits):
    low, high = 0.1, 20.0
    while high - low > 1e-6:
        m = (low + high) / 2
        if entropy(logits, m) > bits:
            low = m
        else:
            high = m
    return m


def entropy_at_one(logits, bits):
    possible(logits, bits)
    return bisect(lambda t: entropy(logits, 1.0) < bits)


def fixed(logits, bits):
    possible(logits, bits)
    return 4.0


def straight_line(logits, bits):
    possible(logits, bits)
    at_one, most = entropy(logits, 1.0), math.log2(len(logits))
    return 1 + 19 * (bits - at_one) / (most - at_one)


def interpolated_ends(logits, bits):
    possible(logits, bits)
    low, high = 0.001, 10_000.0
    share = (bits - entropy(logits, low)) / (entropy(logits, high) - entropy(logits, low))
    return low + share * (high - low)


def short_bracket(logits, bits):
    return checked_after(logits, bits, bisect(lambda t: entropy(logits, t) < bits, 0.1, 10.0))


def short_grid(logits, bits):
    grid = torch.logspace(-1, 1, 4001)
    gaps = (entropy_bits(soften(logits.expand(4001, -1) / grid[:, None], 1.0)) - bits).abs()
    return checked_after(logits, bits, grid[gaps.argmin()].item())


def checked_after(logits, bits, temperature):
    if not 0 <= bits <= math.log2(len(logits)):
        raise ValueError("bits")
    return temperature


def few_halvings(logits, bits):
    possible(logits, bits)
    return bisect(lambda t: entropy(logits, t) < bits, times=8, middle=geometric)


def coarse_grid(logits, bits):
    possible(logits, bits)
    grid = [0.1 * k for k in range(1, 200)]
    return min(grid, key=lambda t: abs(entropy(logits, t) - bits))


def loose_stop(logits, bits):
    possible(logits, bits)
    low, high = 0.001, 10_000.0
    while True:
        m = geometric(low, high)
        gap = entropy(logits, m) - bits
        if abs(gap) < 0.05:
            return m
        low, high = (m, high) if gap < 0 else (low, m)


def no_refusal(logits, bits):
    return bisect(lambda t: entropy(logits, t) < bits, middle=geometric, times=80)


def asserts(logits, bits):
    assert 0 <= bits <= math.log2(len(logits))
    return bisect(lambda t: entropy(logits, t) < bits)


def bracket_as_answer(logits, bits):
    possible(logits, bits)
    t = bisect(lambda t: entropy(logits, t) < bits)
    return t, t + 1e-9


def halved_entropy(logits, bits):
    possible(logits, bits)
    return 2 * bisect(lambda t: entropy(logits, t) < bits)


TEMPERATURE_WRONG = [
    ("nats instead of bits", in_nats),
    ("1/T instead of T", inverse),
    ("returns the entropy", returns_entropy),
    ("the logits' scale is lost", standardised),
    ("searches the wrong way", wrong_way_arithmetic),
    ("searches the wrong way", wrong_way_geometric),
    ("searches the wrong way", wrong_way_short_bracket),
    ("one answer for every target", entropy_at_one),
    ("one answer for every target", fixed),
    ("a straight line", straight_line),
    ("a straight line", interpolated_ends),
    ("the bracket is too short", short_bracket),
    ("the bracket is too short", short_grid),
    ("stops too early", few_halvings),
    ("stops too early", coarse_grid),
    ("stops too early", loose_stop),
    ("answers the impossible", no_refusal),
    ("answers the impossible", asserts),
    ("wrong shape", bracket_as_answer),
    ("smallest failing case", halved_entropy),
]

# --- temperature_for_entropy, honest ----------------------------------------------------------------------------------


def arithmetic_bisection(logits, bits):
    possible(logits, bits)
    return bisect(lambda t: entropy(logits, t) < bits, times=60)


def recursive(logits, bits, low=0.001, high=10_000.0):
    possible(logits, bits, low, high)

    def search(low, high):
        m = geometric(low, high)
        if high / low < 1.0001:
            return m
        return search(m, high) if entropy(logits, m) < bits else search(low, m)

    return search(low, high)


def stops_at_a_thousandth(logits, bits):
    possible(logits, bits)
    low, high = 0.001, 10_000.0
    while True:
        m = geometric(low, high)
        gap = entropy(logits, m) - bits
        if abs(gap) < 1e-3:
            return m
        low, high = (m, high) if gap < 0 else (low, m)


def growing_bracket(logits, bits):
    if not 0 <= bits < math.log2(len(logits)):
        raise ValueError("bits")
    low = high = 1.0
    while entropy(logits, low) > bits:
        low /= 2
    while entropy(logits, high) < bits:
        high *= 2
    return torch.tensor(bisect(lambda t: entropy(logits, t) < bits, low, high))


def newton(logits, bits):
    # on the logarithm of T; dH/d(log T) = variance of the logits under the label / T², here in bits
    possible(logits, bits)
    z, log_t = logits.double(), math.log(logits.double().std().item())
    for _ in range(200):
        t = math.exp(log_t)
        p = torch.softmax(z / t, dim=-1)
        slope = float((p * z**2).sum() - (p * z).sum() ** 2) / t**2 / math.log(2)
        step = (bits - entropy(z, t)) / max(slope, 1e-9)
        log_t += max(-0.5, min(0.5, step))
    return math.exp(log_t)


def secant(logits, bits):
    possible(logits, bits)
    z = logits.double()
    a, b = math.log(z.std().item()), math.log(z.std().item()) + 0.1
    for _ in range(100):
        fa, fb = entropy(z, math.exp(a)) - bits, entropy(z, math.exp(b)) - bits
        if fa == fb:
            break
        a, b = b, b - max(-0.5, min(0.5, fb * (b - a) / (fb - fa)))
    return math.exp(b)


def ternary(logits, bits):
    possible(logits, bits)
    low, high = math.log(0.001), math.log(10_000)
    for _ in range(120):
        third = (high - low) / 3
        left, right = low + third, high - third
        if abs(entropy(logits.double(), math.exp(left)) - bits) < abs(entropy(logits.double(), math.exp(right)) - bits):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def fine_grid(logits, bits):
    possible(logits, bits)
    grid = torch.logspace(-3, 4, 20_001, dtype=torch.double)
    bits_there = entropy_bits(torch.softmax(logits.double() / grid[:, None], dim=-1))
    return grid[torch.searchsorted(bits_there, bits)]


def numpy_in_nats_made_right(logits, bits):
    z = np.asarray(logits, dtype=np.float64)

    def nats(temperature):
        p = np.exp((z - z.max()) / temperature)
        p = p / p.sum()
        return -sum(x * math.log(x) for x in p if x > 0)

    target = bits * math.log(2)
    if not nats(0.001) <= target <= nats(10_000.0):
        raise ValueError("bits")
    return np.float64(bisect(lambda t: nats(t) < target))


def searches_beta(logits, bits):
    possible(logits, bits)
    return 1 / bisect(lambda beta: entropy(logits, 1 / beta) > bits, 1e-4, 1e3, 80)


TEMPERATURE_HONEST = [
    arithmetic_bisection, recursive, stops_at_a_thousandth, growing_bracket, newton, secant, ternary, fine_grid,
    numpy_in_nats_made_right, searches_beta,
]  # fmt: skip

WRONG = [Wrong("soften", mistake, fn) for mistake, fn in SOFTEN_WRONG]
WRONG += [Wrong("temperature_for_entropy", mistake, fn) for mistake, fn in TEMPERATURE_WRONG]
HONEST = [Honest("soften", fn) for fn in SOFTEN_HONEST]
HONEST += [Honest("temperature_for_entropy", fn) for fn in TEMPERATURE_HONEST]
