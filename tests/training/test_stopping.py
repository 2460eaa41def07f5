"""Early stopping, best weights, and what is reported when training diverges."""

import math

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

import latentrank
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.errors import InputError
from latentrank.training import fit


@pytest.fixture(scope="module")
def noise():
    """Nothing in it generalises, so that the validation error soon rises."""
    x = np.random.default_rng(0).normal(size=(60, 40)).astype(np.float32)
    return Dataset("noise", Split(x[:48]), Split(x[48:]), bounded=False)


def build(method="ae", **options):
    torch.manual_seed(0)
    return latentrank.build(method, (40,), 8, bounded=False, **options)


def error(model, dataset):
    x = dataset.preprocessing.normalise(dataset.test.x)
    with torch.no_grad():
        return float((model(x) - x).double().square().mean())


OVERFITTED = {"epochs": 120, "batch_size": 16, "learning_rate": 3e-3}


class TestBestWeights:
    def test_patience_ends_with_the_lowest_error_it_has_seen(self, noise):
        model = build()
        history = fit(model, noise, TrainConfig(**OVERFITTED, patience=10), progress=False)
        errors = [row["validation_error"] for row in history.rows]
        assert len(errors) == np.argmin(errors) + 11 < 120
        assert error(model, noise) == pytest.approx(min(errors), rel=1e-5)
        assert errors[-1] > 1.001 * min(errors)

    @pytest.mark.parametrize("keep", ["best", "last"])
    def test_the_best_or_the_last_weights_are_kept_as_asked(self, keep, noise):
        model = build()
        config = TrainConfig(**OVERFITTED, keep=keep, patience=10 if keep == "last" else None)
        rows = fit(model, noise, config, progress=False).rows
        errors = [row["validation_error"] for row in rows]
        expected = min(errors) if keep == "best" else errors[-1]
        assert error(model, noise) == pytest.approx(expected, rel=1e-5)

    def test_they_survive_an_interruption_after_the_best_epoch(self, noise, tmp_path):
        whole, part = build(), build()
        config = TrainConfig(**{**OVERFITTED, "epochs": 60}, keep="best")
        rows = fit(whole, noise, config, progress=False).rows
        best = int(np.argmin([row["validation_error"] for row in rows])) + 1

        class Stop(Callback):
            def on_train_batch_end(self, trainer, *args):
                if trainer.current_epoch == 55:
                    raise KeyboardInterrupt

        assert best < 50
        with pytest.raises(KeyboardInterrupt):
            fit(part, noise, config, folder=tmp_path, progress=False, callbacks=[Stop()])
        fit(part, noise, config, folder=tmp_path, resume=True, progress=False)
        for name, tensor in whole.state_dict().items():
            assert torch.equal(part.state_dict()[name], tensor), name

    def test_a_rank_that_is_searched_for_refuses_the_best(self, noise):
        model = build("rrae", rank="auto")
        with pytest.raises(InputError, match="keep is best, but the rank is searched for"):
            fit(model, noise, TrainConfig(keep="best"), progress=False)


class TestPatience:
    def test_each_rate_of_a_multistep_schedule_has_its_own(self, noise):
        seen = []

        class Rates(Callback):
            def on_train_batch_start(self, trainer, module, *args):
                seen.append(trainer.optimizers[0].param_groups[0]["lr"])

        config = TrainConfig(**OVERFITTED, patience=4, schedule="multistep")
        history = fit(build(), noise, config, progress=False, callbacks=[Rates()])
        stages = [seen.count(rate) for rate in sorted(set(seen), reverse=True)]
        assert sorted(set(seen), reverse=True) == pytest.approx([3e-3, 3e-4, 3e-5])
        assert max(stages) < 120  # steps of a third of the run
        assert len(seen) < 360
        assert history.rows[-1]["step"] == len(seen)

    def test_what_stagnates_early_still_has_all_its_steps_at_the_next_rate(self, noise):
        """At a rate of next to nothing every validation is as good as a standstill."""
        seen = []

        class Rates(Callback):
            def on_train_batch_start(self, trainer, module, *args):
                seen.append(trainer.optimizers[0].param_groups[0]["lr"])

        config = TrainConfig(
            epochs=30, batch_size=16, learning_rate=1e-30, patience=2, schedule="multistep"
        )
        fit(build(), noise, config, progress=False, callbacks=[Rates()])
        # the first validation of all is the best; then two without a lower error at each rate
        assert [seen.count(rate) // 3 for rate in sorted(set(seen), reverse=True)] == [3, 2, 2]


class TestDivergence:
    @pytest.mark.parametrize("rate", [1e4, 1e8])
    @pytest.mark.parametrize("method", ["ae", "lorae", "rrae", "irmae-wd", "vae"])
    def test_divergence_is_reported_with_step_and_learning_rate(
        self, method, rate, noise, tmp_path
    ):
        model = build(method)
        config = TrainConfig(epochs=20, batch_size=16, learning_rate=rate)
        with pytest.raises(
            InputError, match=r"at the learning rate .*; give a lower one"
        ) as caught:
            fit(model, noise, config, folder=tmp_path, progress=False)
        assert "step" in str(caught.value)
        assert "spectrum" not in str(caught.value)
        assert all(bool(torch.isfinite(p).all()) for p in model.parameters())
        assert not model.training

    def test_the_last_validated_weights_are_kept(self, noise):
        class Poison(Callback):
            def on_train_batch_start(self, trainer, module, *args):
                if trainer.global_step == 7:
                    with torch.no_grad():
                        next(module.model.decoder.parameters()).fill_(math.nan)

        good, model = build(), build()
        fit(good, noise, TrainConfig(epochs=2, batch_size=16), progress=False)
        config = TrainConfig(epochs=4, batch_size=16)
        with pytest.raises(InputError, match=r"reconstruction became nan at step 8.*epoch 2 are"):
            fit(model, noise, config, progress=False, callbacks=[Poison()])
        for (name, kept), expected in zip(model.named_parameters(), good.parameters(), strict=True):
            assert torch.equal(kept, expected), name

    @pytest.mark.parametrize("method", ["rrae", "vrrae", "lorae"])
    def test_they_are_kept_too_if_codes_overflow_before_the_loss(self, method, noise):
        """The weights are still finite then, and the bottleneck refuses to factorise the codes."""

        class Enlarge(Callback):
            def on_train_batch_start(self, trainer, module, *args):
                if trainer.global_step == 7:
                    with torch.no_grad():
                        for weights in module.model.encoder.parameters():
                            weights.fill_(1e30)

        model = build(method)
        config = TrainConfig(epochs=4, batch_size=16)
        with pytest.raises(InputError, match=r"step \d.*; give a lower one \(.* epoch 2 are kept"):
            fit(model, noise, config, progress=False, callbacks=[Enlarge()])
        assert all(float(weights.detach().abs().max()) < 10 for weights in model.parameters())

    def test_other_errors_stay_what_they_are(self, noise):
        class Fail(Callback):
            def on_train_batch_start(self, trainer, *args):
                raise RuntimeError("of another kind")

        with pytest.raises(RuntimeError, match="of another kind"):
            fit(build(), noise, TrainConfig(epochs=1), progress=False, callbacks=[Fail()])
