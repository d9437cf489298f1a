"""The training loop in bfloat16: the same configs, batches and run folders as `ml.training`.

For processors with avx512_bf16, where it learns from about three times as many views a second as
`ml.training`. Needs PyTorch and a C++ compiler, which nothing else here does.
"""

import importlib
import math
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, huber_loss

from ml.bfloat16.network import Network
from ml.bfloat16.operations import kernels
from ml.datasets.manifest import Manifest
from ml.errors import RunError
from ml.evaluation import score_report
from ml.experiment import TrainingConfig, ViewSchedule
from ml.feeds import Feed, open_feed
from ml.progress import Report
from ml.run_folder import METRICS_FILE, RunFolder, RunState, write_json
from ml.start import Start
from ml.steady import HUBER_DELTA, load
from ml.training import describe, scores, without

# What is kept is an exponential mean of the weights: over about this share of the steps so far.
AVERAGED_SHARE = 1 / 19
# Beyond this, bfloat16 has not merely rounded: the weights were put in wrong places.
LARGEST_DIFFERENCE = 0.05
Weights = dict[str, Any]


def train(
    config: TrainingConfig,
    manifest: Manifest,
    run: RunFolder,
    cache: Path,
    report: Report,
    *,
    start: Start | None,
    drawers: int = 1,
) -> dict[str, Any]:
    """Train on views, or take up a run where it was interrupted; as `ml.training.train`.

    Args:
        start: the first weights; ImageNet's where there is none.
    Raises:
        DatasetError: files that cannot be read; all are listed.
        RunError: the config asks for what this loop does not do, the kernels cannot be compiled
            here, the folder holds a run with another configuration or other data, bfloat16 gives
            other scores than Keras, or what it learns is no longer a number.
    """
    schedule = config.views
    others = config.frozen, config.patience, config.replay_share
    begins_with = start.name if start else None
    if schedule is None or any(others) or begins_with != config.starts_from:
        raise RunError("run_mismatch", f"{config.name} cannot be trained in bfloat16 from this")
    _compiled()
    chosen = config.select(manifest, config.seed)
    selection = without(chosen, config.left_out)
    told = describe(config, manifest, selection)
    engine = f"bfloat16 {torch.__version__}"
    run.claim({**told, "start_sha256": start.sha256 if start else None, "engine": engine})
    opened = open_feed(
        config,
        selection,
        cache,
        lambda name: lambda done, total: report(name, done, total),
        stored=chosen,
        drawers=drawers,
    )
    with closing(opened) as feed:
        model = _Loop(config, schedule, feed, run=run, report=report, start=start).run_to_end()
    result = score_report(selection.val, scores(config, model, feed.val_images))
    write_json(run.path / METRICS_FILE, result)
    return result


class _Loop:
    """One run's network and its mean, and the epochs over the feed."""

    def __init__(
        self,
        config: TrainingConfig,
        schedule: ViewSchedule,
        feed: Feed,
        *,
        run: RunFolder,
        report: Report,
        start: Start | None,
    ) -> None:
        self.config, self.schedule, self.feed = config, schedule, feed
        self.run, self.report = run, report
        keras.utils.set_random_seed(config.seed)  # PyTorch's too
        module = importlib.import_module(f"ml.networks.{config.network}")
        self.model: keras.Model = module.build(None)
        if start:
            start.give_to(self.model)
        self.network = Network(module.PLAN)
        self.network.take(self.model)
        self._agree(feed.val_images[:8])
        self.mean = _copied(self.network.state_dict())
        self.optimizer = torch.optim.AdamW(
            _groups(self.network, schedule.weight_decay), eps=1e-7, fused=True
        )

    def run_to_end(self) -> keras.Model:
        """Epochs until the run is finished; gives the model it stands for."""
        state = self.run.state()
        if state.epoch and not state.is_finished:
            kept = torch.load(self._kept(state.epoch), weights_only=True)
            self.network.load_state_dict(kept["network"])
            self.optimizer.load_state_dict(kept["optimizer"])
            self.mean = kept["mean"]
        while not state.is_finished:
            state = self._epoch(state)
        return load(self.run.result(), compile=False)

    def _kept(self, epoch: int) -> Path:
        """What an epoch leaves to the next beside its checkpoint."""
        return self.run.path / f"bfloat16-{epoch}.pt"

    def _epoch(self, state: RunState) -> RunState:
        batches, stage = self.feed.batches(state.epoch), f"epoch {state.epoch + 1}"
        losses = []
        self.network.train()
        torch.manual_seed(1000 * self.config.seed + state.epoch)  # of the dropout
        for at in range(len(batches)):
            step = state.epoch * len(batches) + at
            pictures, label = batches[at]
            losses.append(self._step(pictures, label, step))
            self.report(stage, at + 1, len(batches), f"loss {losses[-1]:.3f}")
        done = self._judged(state, float(np.mean(losses)))
        self.model.save(self.run.checkpoint(done.epoch))
        kept = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "mean": self.mean,
        }
        torch.save(kept, self._kept(done.epoch))  # unfinished, nobody reads it: no state names it
        self.run.record(state, done)
        self._kept(state.epoch).unlink(missing_ok=True)
        return done

    def _step(self, pictures: np.ndarray, label: np.ndarray, step: int) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(step)
        logit = self.network(torch.from_numpy(pictures).permute(0, 3, 1, 2))
        wanted = torch.from_numpy(self._smoothed(label[:, 0]))
        loss = binary_cross_entropy_with_logits(logit, wanted)
        if self.schedule.steadiness:
            apart = huber_loss(*logit.chunk(2), delta=HUBER_DELTA)
            loss = loss + self.schedule.steadiness * apart
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        share = 1 / (1 + AVERAGED_SHARE * (step + 1))
        with torch.no_grad():
            for name, now in self.network.state_dict().items():
                self.mean[name].lerp_(now, share)
        return float(loss.detach())

    def _rate(self, step: int) -> float:
        """As Keras' `CosineDecay` with a warm-up."""
        schedule, peak = self.schedule, self.config.learning_rate
        steps = schedule.decay_steps or self.config.epochs * schedule.steps_per_epoch
        if step < schedule.warmup_steps:
            return peak * step / schedule.warmup_steps
        through = min(1.0, (step - schedule.warmup_steps) / (steps - schedule.warmup_steps))
        return peak * (0.01 + 0.99 * (1 + math.cos(math.pi * through)) / 2)

    def _judged(self, state: RunState, loss: float) -> RunState:
        """The state after an epoch; puts the mean into the Keras model."""
        mean = Network(self.network.plan)
        mean.load_state_dict(self.mean)
        mean.give_to(self.model)
        watched = self.feed.watched
        score = self.model.predict(self.feed.val_images[watched], verbose=0)[:, 0]
        label = self.feed.val_label[watched][:, 0]
        wanted, kept = self._smoothed(label), np.clip(score, 1e-7, 1 - 1e-7)
        val_loss = -(wanted * np.log(kept) + (1 - wanted) * np.log(1 - kept)).mean()
        if not math.isfinite(loss + val_loss):
            raise RunError("run_diverged", f"epoch {state.epoch + 1}: no longer a number")
        figures = {
            "loss": loss,
            "val_loss": float(val_loss),
            "val_accuracy": float(((score >= 0.5) == (label == 1)).mean()),
        }
        epoch = state.epoch + 1
        history = [*state.history, {"epoch": epoch, **figures}]
        done = replace(state, epoch=epoch, history=history)
        done.is_finished = epoch >= self.config.epochs
        if state.best_loss is None or figures["val_loss"] < state.best_loss:
            done.best_loss, done.best_epoch = figures["val_loss"], epoch
        return done

    def _smoothed(self, label: np.ndarray) -> np.ndarray:
        smoothing = self.schedule.label_smoothing
        drawn: np.ndarray = label * (1 - smoothing) + smoothing / 2
        return drawn.astype(np.float32)

    def _agree(self, pictures: np.ndarray) -> None:
        self.network.eval()
        with torch.no_grad():
            logit = self.network(torch.from_numpy(pictures).permute(0, 3, 1, 2))
        ours, theirs = torch.sigmoid(logit).numpy(), self.model.predict(pictures, verbose=0)[:, 0]
        apart = float(np.abs(ours - theirs).max())
        if apart > LARGEST_DIFFERENCE:
            raise RunError("run_mismatch", f"bfloat16 differs from Keras by {apart:.3f}")


def _compiled() -> None:
    try:
        kernels()
    except (RuntimeError, ImportError, OSError) as error:
        text = "the kernels want a processor with avx512_bf16 and a C++ compiler"
        raise RunError("not_here", text) from error


def _groups(network: Network, weight_decay: float) -> list[dict[str, Any]]:
    """Filters, and what has no weight decay: moving a scale or a shift to 0 explains nothing."""
    filters = [one for one in network.parameters() if one.dim() > 1]
    others = [one for one in network.parameters() if one.dim() == 1]
    return [
        {"params": filters, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def _copied(weights: Weights) -> Weights:
    return {name: one.clone() for name, one in weights.items()}
