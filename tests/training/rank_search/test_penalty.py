"""How a penalty is adjusted, against codes that are formulas."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import latentrank
from latentrank.config import TrainConfig
from latentrank.data import DataModule, Dataset, Split
from latentrank.methods.rank_target import RankTarget
from latentrank.training.rank_search import penalty, search_for
from latentrank.training.rank_search.penalty import (
    SPENT,
    PenaltySearch,
    Steering,
    _size,
    miss_of_error,
    miss_of_rank,
)


def spectra(usefulness, speed, noise, seed):
    """A code whose direction i dies out while the penalty exceeds usefulness[i], and comes back.

    Directions change by at most `speed` decades a reading: what is read lags behind.
    """
    rng = np.random.default_rng(seed)
    size = np.zeros(len(usefulness))
    penalty = yield
    while True:
        size += speed * np.clip(2 * np.log10(usefulness / penalty), -1, 1)
        size = np.clip(size, -11, np.log10(usefulness / usefulness[0]) / 2)
        values = 10 ** (size + noise * rng.normal(size=len(size)))
        values = np.sort(values)[::-1]
        penalty = yield torch.tensor(values / values[0])


def steer(target, speed, noise, seed, readings=100):
    usefulness = 10 ** np.linspace(0, -4, 12) * 10 ** (
        0.1 * np.random.default_rng(seed).normal(size=12)
    )
    usefulness[0] = 100.0  # no penalty kills everything
    code = spectra(np.sort(usefulness)[::-1], speed, noise, seed)
    next(code)
    steering, ranks, penalties = Steering(1e-3), [], []
    for _ in range(readings):
        values = code.send(steering.penalty)
        steering.update(miss_of_rank(values, target))
        ranks.append(int((values > 1e-4).sum()))
        penalties.append(steering.penalty)
    return np.array(ranks), np.array(penalties)


class TestSteering:
    @pytest.mark.parametrize("target", [1, 2, 4, 6, 8, 11])
    @pytest.mark.parametrize("speed", [2.0, 0.5, 0.2])
    @pytest.mark.parametrize("seed", range(3))
    def test_finds_the_penalty_of_a_rank_though_the_rank_follows_late(self, target, speed, seed):
        ranks, penalties = steer(target, speed, noise=0.0, seed=seed)
        assert (ranks[-10:] == target).all()
        assert np.ptp(np.log(penalties[-10:])) == 0

    @pytest.mark.parametrize("target", [1, 2, 4, 6, 8, 11])
    def test_noise_moves_it_by_little(self, target):
        for seed in range(5):
            ranks, penalties = steer(target, speed=0.3, noise=0.03, seed=seed)
            assert abs(ranks[-10:] - target).max() <= 1
            assert np.mean(ranks[-10:] == target) >= 0.5
            assert np.ptp(np.log(penalties[-10:])) < math.log(2)

    def test_moves_by_at_most_a_third_per_reading(self):
        _, penalties = steer(2, speed=0.2, noise=0.05, seed=0)
        assert abs(np.diff(np.log(penalties))).max() <= math.log(1.3) + 1e-12

    def test_a_step_is_halved_at_each_crossing_to_2_percent_and_grows_by_a_tenth_in_between(self):
        most = math.log(1.3)
        crossing, returning = Steering(1.0), Steering(1.0)
        moves = np.diff([0.0, *(math.log(crossing.update((-1.0) ** i)) for i in range(8))])
        expected = [max(most / 2**i, math.log(1.02)) for i in range(8)]
        np.testing.assert_allclose(moves, np.resize([1, -1], 8) * expected)
        moves = np.diff([math.log(returning.update(miss)) for miss in [1.0] + 10 * [-1.0]])
        expected = [min(most / 2 * 1.1**i, most) for i in range(10)]
        np.testing.assert_allclose(-moves, expected)

    def test_never_returns_to_a_penalty_that_proved_too_high(self):
        steering = Steering(1.0)
        steering.update(1.0)
        too_high = steering.penalty
        steering.update(-1.0)
        for _ in range(20):
            steering.update(1.0)
        assert steering.penalty == too_high

    def test_is_left_alone_while_the_target_comes_closer(self):
        steering = Steering(1.0)
        miss = 4.0
        penalties = [steering.update(miss := miss - 0.3) for _ in range(10)]
        assert len(set(penalties[2:])) == 1

    def test_holds_on_target(self):
        steering = Steering(0.5)
        assert [steering.update(0.0) for _ in range(3)] == [0.5] * 3

    @pytest.mark.parametrize("values", [[1.0, 0.3, 2e-4, 5e-5, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0]])
    def test_the_miss_of_a_rank_has_the_sign_of_what_is_too_many(self, values):
        values = torch.tensor(values, dtype=torch.float64)
        counted = int((values > 1e-4).sum())
        for target in range(1, 6):
            assert np.sign(miss_of_rank(values, target)) == np.sign(counted - target)

    def test_the_miss_of_a_rank_is_a_distance_of_deviations(self):
        values = torch.tensor([1.0, 0.09, 1e-8], dtype=torch.float64)
        assert miss_of_rank(values, 1) == pytest.approx(0.3 - 0.01)
        assert miss_of_rank(values, 3) == pytest.approx(1e-4 - 0.01)

    def test_the_miss_of_an_error_is_zero_just_below_its_target_and_else_a_logarithm(self):
        assert [miss_of_error(error, 1.0) for error in (0.8, 0.9, 0.95)] == [0, 0, 0]
        for error in (0.01, 0.5, 0.96, 3.0):
            assert error * math.exp(miss_of_error(0.2 * error, 0.2)) == pytest.approx(0.95)


def split(n, scale):
    x = scale * np.random.default_rng(n).normal(size=(n, 6))
    return Split(x.astype(np.float32))


DATA = Dataset("two sizes", split(20, 1.0), split(12, 3.0), bounded=False)
WHOLE, HUNDREDTH = 2.0, 0.02
ERROR = {"target_error": 1.0}


class TestPenaltySearch:
    """On a model whose codes, error and matrix are set by hand; its run has 200 steps."""

    @pytest.fixture
    def search(self):
        def make(**target):
            model = latentrank.build("lorae", (6,), 4, bounded=False, penalty=WHOLE, **target)
            search = search_for(model, TrainConfig(epochs=20))
            data = DataModule(DATA)
            search.model, search.module = model, SimpleNamespace(model=model)
            search.trainer = SimpleNamespace(
                global_step=0, num_training_batches=10, datamodule=data,
                strategy=SimpleNamespace(broadcast=lambda value: value),
            )  # fmt: skip
            search.on_fit_start(search.trainer, search.module)
            search.on_train_start(search.trainer, search.module)
            return search

        return make

    def read(self, search, share, error=1.0, rank=2, size=1.0):
        """The weight after a reading."""
        codes = torch.zeros(8, 4)
        codes[range(rank), range(rank)] = 1.0
        search._subset.codes = lambda model: codes
        search._subset.error = lambda model, codes: error
        search.model.bottleneck.linear_map = lambda: size * torch.eye(4)
        search.read(search.trainer, search.model, share)
        return search.model.term_weights["nuclear_norm"]

    @pytest.mark.parametrize(
        ("auto", "rank", "error", "applies"),
        [(True, None, None, True), (False, 2, None, True), (False, None, 0.1, True),
         (False, None, None, False)],
    )  # fmt: skip
    def test_applies_to_any_target(self, auto, rank, error, applies):
        assert PenaltySearch.applies(RankTarget(auto, rank, error, 4, 0.01, "penalty")) == applies

    @pytest.mark.parametrize(("target", "n"), [({"rank": "auto"}, 20), ({"rank": 2}, 12)])
    def test_auto_measures_on_training_samples_and_a_target_on_test_samples(
        self, search, target, n
    ):
        own = search(**target)
        x = torch.cat(list(own._subset.batches()))
        assert len(x) == n
        assert own._slack == pytest.approx(0.01 * float(x.double().var(0, correction=0).mean()))

    @pytest.mark.parametrize(
        ("target", "step", "weight"),
        [({"rank": "auto"}, 0, HUNDREDTH), ({"rank": "auto"}, 59, HUNDREDTH),
         ({"rank": "auto"}, 60, WHOLE), ({"rank": 2}, 0, WHOLE)],
    )  # fmt: skip
    def test_auto_begins_with_a_hundredth_of_the_weight_also_when_resumed(
        self, search, target, step, weight
    ):
        own = search(**target)
        own.trainer.global_step = step
        own.on_train_start(own.trainer, own.module)
        assert own.model.term_weights["nuclear_norm"] == pytest.approx(weight)

    @pytest.mark.parametrize(
        ("target", "begin", "before"),
        [({"rank": "auto"}, 0.3, HUNDREDTH), ({"rank": 1}, 0.1, WHOLE), (ERROR, 0.1, WHOLE)],
    )
    def test_the_weight_moves_from_its_share_of_the_run_on(self, search, target, begin, before):
        own = search(**target)
        for share in (0.01, begin - 0.01):
            assert self.read(own, share, error=0.1) == pytest.approx(before)
        later = self.read(own, begin, error=0.01)
        assert WHOLE < later < 1.4 * WHOLE

    def test_auto_aims_at_the_lowest_early_error_and_its_slack(self, search):
        own = search(rank="auto")
        own._slack, readings = 0.25, []
        own.learning = SimpleNamespace(update=lambda *given: readings.append(given))
        for share, error in ((0.1, 3.0), (0.2, 1.0), (0.25, 2.0), (0.3, 0.5)):
            self.read(own, share, error)
        assert own._highest == 1.25
        assert readings == [
            (3.0, pytest.approx(90), 0.25), (1.0, pytest.approx(80), 0.25),
            (2.0, pytest.approx(75), 0.25),
        ]  # fmt: skip

    def test_a_target_error_does_not_depend_on_learning(self, search):
        own = search(**ERROR)
        self.read(own, 0.05, error=0.1)
        assert math.isnan(own.learning.trend.value)
        assert own._highest == 1.0

    @pytest.mark.parametrize(
        ("target", "share", "size", "raised"),
        [
            (ERROR, 0.79, 1.0, True), (ERROR, 0.8, 1.0, False),
            ({"rank": 1}, 0.79, 1.0, True), ({"rank": 1}, 0.95, 1.0, True),
            (ERROR, 0.5, 1.1 * SPENT, True), (ERROR, 0.5, 0.9 * SPENT, False),
            ({"rank": 1}, 0.5, 1.1 * SPENT, True), ({"rank": 1}, 0.5, 0.9 * SPENT, False),
        ],
    )  # fmt: skip
    def test_late_or_on_a_shrunken_matrix_the_weight_is_only_lowered(
        self, search, target, share, size, raised
    ):
        own = search(**target)
        self.read(own, 0.05, size=3.0)
        assert self.read(own, share, error=0.5, size=3 * size) == WHOLE * (1.3 if raised else 1)

    @pytest.mark.parametrize(("target", "share"), [(ERROR, 0.9), ({"rank": 3}, 0.9)])
    def test_a_weight_that_proves_too_high_is_lowered_to_the_end(self, search, target, share):
        own = search(**target)
        self.read(own, 0.05)
        assert self.read(own, share, error=2.0) == pytest.approx(WHOLE / 1.3)

    @pytest.mark.parametrize("share", [0.2, 0.35])
    def test_the_size_at_the_start_is_that_of_the_last_early_reading(self, search, share):
        own = search(rank="auto")
        for at in (0.1, share):
            self.read(own, at, size=1.0 + at)
        assert own.size == pytest.approx(1.0 + (share if share < 0.3 else 0.1))

    def test_size_is_the_spectral_norm_and_infinite_without_a_matrix(self):
        matrix = torch.diag(torch.tensor([1.0, -7.0, 2.0], dtype=torch.bfloat16))
        bottleneck = SimpleNamespace(linear_map=lambda: matrix)
        assert _size(SimpleNamespace(bottleneck=bottleneck)) == pytest.approx(7)
        bottleneck.linear_map = lambda: None
        assert _size(SimpleNamespace(bottleneck=bottleneck)) == math.inf

    def test_the_weight_is_logged(self, search):
        own, logged = search(rank=2), {}
        own.module.log = logged.__setitem__
        own.on_validation_epoch_end(own.trainer, own.module)
        assert logged == {"penalty": WHOLE}

    def finished(
        self, search, monkeypatch, error, rank, own_error=1.0, still=False, begin=0.05, end=200
    ):
        """A search at its end: error and rank of the test split, and error of its own samples."""
        self.read(search, begin, own_error)
        search.trainer.global_step = end
        search.learning.still = still
        codes = torch.diag(torch.tensor([1.0] * rank + [0.0] * (4 - rank)))
        result = SimpleNamespace(codes=lambda model: codes, error=lambda model, codes: error)
        taken = []
        monkeypatch.setattr(penalty, "Subset", lambda *given: taken.append(given) or result)
        search.on_fit_end(search.trainer, search.module)
        assert taken == [(DATA.test, search.trainer.datamodule.preprocessing, None)]
        return search.report(search.model)

    @pytest.mark.parametrize(("rank", "reached"), [(1, False), (2, True), (3, False)])
    def test_a_rank_is_reached_exactly(self, search, monkeypatch, rank, reached):
        report = self.finished(search(rank=2), monkeypatch, error=0.125, rank=rank)
        assert (report["rank"], report["error"]) == (rank, 0.125)
        assert report["reliable"] == reached
        assert (report["target_rank"], report["target_error"]) == (2, None)
        assert "for 2 directions: " in report["message"]
        assert report["message"].endswith("; the target was not reached.") != reached

    @pytest.mark.parametrize(("error", "reached"), [(0.9, True), (1.0, True), (1.1, False)])
    def test_an_error_is_reached_at_most(self, search, monkeypatch, error, reached):
        report = self.finished(search(**ERROR), monkeypatch, error, rank=1)
        assert report["reliable"] == reached
        assert (report["target_rank"], report["target_error"]) == (None, 1.0)
        assert "for an error of 1: 1 direction with an error of" in report["message"]

    @pytest.mark.parametrize(("own", "reached"), [(1.0, True), (1.25, True), (1.3, False)])
    def test_auto_is_judged_by_its_own_samples(self, search, monkeypatch, own, reached):
        auto = search(rank="auto")
        auto._slack = 0.25
        self.read(auto, 0.05, error=1.0)
        report = self.finished(auto, monkeypatch, error=50.0, rank=3, own_error=own)
        assert report["reliable"] == reached
        assert report["penalty"] == WHOLE
        assert (report["target_rank"], report["target_error"]) == (None, 1.25)
        assert "adjusted to 2, for an error of 1.25: 3 directions" in report["message"]

    @pytest.mark.parametrize(("end", "cut"), [(40, True), (159, True), (160, False)])
    def test_auto_is_cut_short_by_a_run_that_ends_early(self, search, monkeypatch, end, cut):
        """By patience: before the weight is raised, or while it is."""
        report = self.finished(search(rank="auto"), monkeypatch, error=1.0, rank=3, end=end)
        assert report["reliable"] != cut
        assert report["message"].endswith("; the search was cut short, train for longer.") == cut

    @pytest.mark.parametrize("share", [0.5, 1.0])
    def test_auto_without_an_early_reading_has_no_target(self, search, monkeypatch, share):
        """As in a run of one or two steps; the weight is left alone."""
        report = self.finished(search(rank="auto"), monkeypatch, error=1.0, rank=3, begin=share)
        assert (report["reliable"], report["penalty"], report["target_error"]) == (
            False, WHOLE, None,
        )  # fmt: skip
        assert "adjusted to 2: 3 directions with an error of 1; the search" in report["message"]

    @pytest.mark.parametrize(("target", "rank"), [({"rank": 2}, 2), (ERROR, 1)])
    def test_a_target_that_is_reached_early_is_reached(self, search, monkeypatch, target, rank):
        report = self.finished(search(**target), monkeypatch, error=0.9, rank=rank, end=40)
        assert report["reliable"]

    def test_a_target_set_while_networks_learned_is_unreliable(self, search, monkeypatch):
        report = self.finished(search(rank="auto"), monkeypatch, error=1.0, rank=3, still=True)
        assert not report["reliable"]
        assert report["message"].endswith("train for longer.")
