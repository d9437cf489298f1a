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
from ml.datasets.manifest import Manifest
from ml.errors import RunError
from ml.evaluation import score_report
from ml.experiment import TrainingConfig, ViewSchedule
from ml.feeds import Feed, open_feed
from ml.progress import Report
from ml.run_folder import METRICS_FILE, RunFolder, RunState, write_json
from ml.start import Start
from ml.steady import HUBER_DELTA, load
from ml.training import describe

# What is kept is the mean of the weights over about as many of the last steps.
AVERAGED_STEPS = 500
# Beyond this, bfloat16 has not merely rounded: the weights were put in wrong places.
LARGEST_DIFFERENCE = 0.05
OPTIMIZER_FILE = "bfloat16.pt"
Weights = dict[str, Any]


def train(
    config: TrainingConfig,
    manifest: Manifest,
    run: RunFolder,
    cache: Path,
    report: Report,
    *,
    start: Start,
    drawers: int = 1,
) -> dict[str, Any]:
    """Train on views, or take up a run where it was interrupted; as `ml.training.train`.

    Raises:
        DatasetError: files that cannot be read; all are listed.
        RunError: the config asks for what this loop does not do, the folder holds a run with
            another configuration or other data, or bfloat16 gives other scores than Keras.
    """
    schedule = config.views
    if schedule is None or config.frozen or start.name != config.starts_from:
        raise RunError("run_mismatch", f"{config.name} cannot be trained in bfloat16 from this")
    selection = config.select(manifest, config.seed)
    told = describe(config, manifest, selection)
    run.claim({**told, "start_sha256": start.sha256, "engine": f"bfloat16 {torch.__version__}"})
    opened = open_feed(
        config,
        selection,
        cache,
        lambda name: lambda done, total: report(name, done, total),
        stored=selection,
        drawers=drawers,
    )
    with closing(opened) as feed:
        model = _Loop(config, schedule, feed, run=run, report=report, start=start).run_to_end()
    score = model.predict(feed.val_images, batch_size=config.batch_size, verbose=0)[:, 0]
    result = score_report(selection.val, score)
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
        start: Start,
    ) -> None:
        self.config, self.schedule, self.feed = config, schedule, feed
        self.run, self.report = run, report
        torch.manual_seed(config.seed)
        module = importlib.import_module(f"ml.networks.{config.network}")
        self.model: keras.Model = module.build(None)
        start.give_to(self.model)
        self.network = Network(module.PLAN)
        self.network.take(self.model)
        self._agree(feed.val_images[:8])
        self.mean = _copied(self.network.state_dict())
        self.optimizer = torch.optim.AdamW(
            _groups(self.network, schedule.weight_decay), eps=1e-7, fused=True
        )
        half = config.batch_size // 2
        label = torch.tensor([0.0, 1.0]).repeat(half)
        smoothing = schedule.label_smoothing
        self.label = label * (1 - smoothing) + smoothing / 2

    def run_to_end(self) -> keras.Model:
        """Epochs until the run is finished; gives the model it stands for."""
        state = self.run.state()
        if state.epoch:
            kept = torch.load(self.run.path / OPTIMIZER_FILE)
            self.network.load_state_dict(kept["network"])
            self.optimizer.load_state_dict(kept["optimizer"])
            self.mean = kept["mean"]
        while not state.is_finished:
            state = self._epoch(state)
        return load(self.run.result(), compile=False)

    def _epoch(self, state: RunState) -> RunState:
        batches, stage = self.feed.batches(state.epoch), f"epoch {state.epoch + 1}"
        losses = []
        self.network.train()
        for at in range(len(batches)):
            step = state.epoch * len(batches) + at
            losses.append(self._step(batches[at][0], step))
            self.report(stage, at + 1, len(batches), f"loss {losses[-1]:.3f}")
        done = self._judged(state, float(np.mean(losses)))
        self.model.save(self.run.checkpoint(done.epoch))
        kept = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "mean": self.mean,
        }
        torch.save(kept, self.run.path / OPTIMIZER_FILE)
        self.run.record(state, done)
        return done

    def _step(self, pictures: np.ndarray, step: int) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(step)
        logit = self.network(torch.from_numpy(pictures).permute(0, 3, 1, 2))
        loss = binary_cross_entropy_with_logits(logit, self.label)
        if self.schedule.steadiness:
            apart = huber_loss(*logit.chunk(2), delta=HUBER_DELTA)
            loss = loss + self.schedule.steadiness * apart
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        # in the beginning the mean would be that of what was before
        share = max(1 / AVERAGED_STEPS, 19 / (20 + step))
        with torch.no_grad():
            for name, now in self.network.state_dict().items():
                self.mean[name].lerp_(now, share)
        return float(loss)

    def _rate(self, step: int) -> float:
        """As Keras' `CosineDecay` with a warm-up."""
        schedule, peak = self.schedule, self.config.learning_rate
        steps = schedule.decay_steps or self.config.epochs * schedule.steps_per_epoch
        if step < schedule.warmup_steps:
            return peak * (step + 1) / schedule.warmup_steps
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
        of_label = np.clip(np.where(label == 1, score, 1 - score), 1e-7, 1)
        figures = {
            "loss": loss,
            "val_loss": float(-np.log(of_label).mean()),
            "val_accuracy": float(((score >= 0.5) == (label == 1)).mean()),
        }
        epoch = state.epoch + 1
        history = [*state.history, {"epoch": epoch, **figures}]
        done = replace(state, epoch=epoch, history=history)
        done.is_finished = epoch >= self.config.epochs
        if state.best_loss is None or figures["val_loss"] < state.best_loss:
            done.best_loss, done.best_epoch = figures["val_loss"], epoch
        return done

    def _agree(self, pictures: np.ndarray) -> None:
        self.network.eval()
        with torch.no_grad():
            logit = self.network(torch.from_numpy(pictures).permute(0, 3, 1, 2))
        ours, theirs = torch.sigmoid(logit).numpy(), self.model.predict(pictures, verbose=0)[:, 0]
        apart = float(np.abs(ours - theirs).max())
        if apart > LARGEST_DIFFERENCE:
            raise RunError("run_mismatch", f"bfloat16 differs from Keras by {apart:.3f}")


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
