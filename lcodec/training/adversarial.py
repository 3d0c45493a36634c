"""The objective of a generative synthesis: distortion first, then a critic, with encoder and entropy part frozen.

Losses are of the picture x' that a generative synthesis makes of the latents that a model decodes, x the original and
x0 the picture of the model's own synthesis, all in 0..1:

    150 MSE(x', x) + w WD(x', x) + 6000 L(x' - x0) + 0.1 U(x' - x0) + v A(x', x)

WD is the Wasserstein distortion (`lcodec.metrics.wasserstein`). L is the penalty on texture that is locked to the
phase of the latents: what the blocks of 16x16 pixels in a window have in common (`_repeated`). Without noise and this
penalty a decoder meets local statistics with a regular lattice. The period must be that of the latents, 16: 3,978 steps
of 64 crops under a penalty on the mean of blocks of 8x8 left the noise unused, and covered lawns with a lattice of
period 16, four blocks of 8x8 that cancel out; it was 85 % of the energy that was added there. U is the penalty on
texture whose strength is locked to them (`uneven_energy`): noise enters once in 8x8 pixels, and without U what came of
it was aperiodic, but up to 2.6 times as strong at some places of these 8x8 as at others (fresh critics did not tell
less when that was gone: what they see at low rates is grain on all that the original has smooth). A is the critic's,
absent at first and then ramped in: the paired relativistic loss of R3GAN (Huang et al. 2024, "The GAN is dead; long
live the GAN!", section 3), original and decoded picture being natural pairs, with R1 and R2 in one of eight steps
(Karras et al. 2020, "lazy regularisation"). The weights w and v follow from the gradients in x', in the long run: that
of WD is to be as large as that of the squared error, that of the critic `CRITIC_SHARE` of it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from lcodec.errors import ModelError
from lcodec.metrics.differentiable import top_octave, wasserstein
from lcodec.networks.critic import PREFIX, critic
from lcodec.networks.generator import noise as noise_of_places
from lcodec.networks.ops_torch import TorchOps
from lcodec.networks.transforms import FINE_STRIDE, LATENT_STRIDE, NOISE, synthesis
from lcodec.training.export import write_synthesis
from lcodec.training.generative import BALANCES, PLAIN, own_effective, plain_ops, synthesis_arrays, trained
from lcodec.training.objective import coded
from lcodec.training.parameters import Parameters, at_quality, passed_on
from lcodec.training.protocol import Batch, Finished, Group, Losses, TrainingObjective
from lcodec.zoo import REALISM, Model

__all__ = ["Realism", "locked_energy", "uneven_energy"]

#: Of the synthesis; the critic's is twice that.
LEARNING_RATE = 1e-4
#: Steps of distortion alone, which cannot diverge, and steps over which the critic's weight then rises to its own.
DISTORTION_STEPS, RAMP_STEPS = 2000, 1000
MSE_WEIGHT, LOCK_WEIGHT, UNEVEN_WEIGHT, CRITIC_SHARE = 150.0, 6000.0, 0.1, 0.6
#: Side of the windows in which texture is not to repeat, in pixels: a decoder's lattice changes with what it covers.
WINDOW = 64
#: A block of this part of the mean energy counts half in how unevenly energy is spread.
FLAT = 0.1
#: Weight of the penalties on the critic's gradients, and in how many steps they come once, so much the stronger. R3GAN
#: has gamma = 0.05 for pictures of 32x32 in -1..1, which is a quarter of that here. With 1, the critic told nothing
#: apart after 160 steps.
PENALTY, PENALTY_EVERY = 0.0125, 8
#: Qualities are drawn as this power of uniform numbers: realism is lost at low rates.
LOW_RATES = 1.5
#: How fast the weights of the losses follow their gradients.
_BALANCE_DECAY = 0.99
#: Qualities at which photos are validated.
VALID_QUALITIES = (0.05, 0.2, 0.4)
#: Decibels below the model's own synthesis: an average further below is not kept as the best.
MOST_LOST = 1.5
#: Fine positions, where noise enters, for each latent in each direction.
FINER = LATENT_STRIDE // FINE_STRIDE
_TINY = 1e-12

_DISTORTION, _CRITIC, _PENALTY = "distortion", "critic", "penalty"


def locked_energy(difference: Tensor) -> Tensor:
    """How much of a difference repeats in every block of 16x16 pixels of its surroundings.

    Args:
        difference: (N, H, W, 3), sides multiples of WINDOW.

    Returns:
        (N,): the share of the energy, about 0 for texture that is not locked to the latents, 1 for nothing but a
        lattice.
    """
    repeated, energy = _repeated(difference)
    return repeated.sum(dim=1) / (energy.sum(dim=1) + _TINY)


def uneven_energy(difference: Tensor) -> Tensor:
    """How unevenly what is fine in a difference is spread over the places of blocks of 16x16 pixels.

    Args:
        difference: (N, H, W, 3), sides multiples of WINDOW. The outermost blocks are not looked at.

    Returns:
        (N,): the variance over places of the share that each has in the energy of its block, relative to the mean. It
        is 0 on average for texture whose strength is not locked to the latents: a product of two halves of the blocks,
        so that what is only chance in them adds nothing. Blocks of little energy count less.
    """
    side, inner = LATENT_STRIDE, difference[:, LATENT_STRIDE:-LATENT_STRIDE, LATENT_STRIDE:-LATENT_STRIDE]
    count, height, width, channels = inner.shape
    around = [
        difference[:, side + down : side + down + height, side + right : side + right + width]
        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1))
    ]
    fine = inner - torch.stack(around).mean(dim=0)
    split = fine.square().reshape(count, height // side, side, width // side, side, channels).mean(dim=5)
    blocks = split.permute(0, 1, 3, 2, 4)  # (N, rows of blocks, columns, 16, 16)
    energy = blocks.mean(dim=(3, 4), keepdim=True)
    shares = blocks / (energy + FLAT * energy.mean(dim=(1, 2), keepdim=True) + _TINY)
    halves = [shares[:, :, first::2].mean(dim=(1, 2)) for first in (0, 1)]
    means = [half.mean(dim=(1, 2), keepdim=True) for half in halves]
    deviations = [(half - mean) / (mean + _TINY) for half, mean in zip(halves, means, strict=True)]
    return (deviations[0] * deviations[1]).mean(dim=(1, 2))


def _repeated(x: Tensor) -> tuple[Tensor, Tensor]:
    """Energy in windows of WINDOW pixels of (N, H, W, C), without the means of blocks of 16x16: (N, windows) twice.

    Returns:
        The mean product of values at the same place in two different blocks, which is 0 on average for blocks that have
        nothing in common; and the mean square.
    """
    batch, height, width, channels = x.shape
    side, count = LATENT_STRIDE, WINDOW // LATENT_STRIDE
    split = x.reshape(batch, height // WINDOW, count, side, width // WINDOW, count, side, channels)
    blocks = split.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(batch, -1, count**2, side**2, channels)
    blocks = blocks - blocks.mean(dim=3, keepdim=True)
    energy = blocks.square().mean(dim=(2, 3, 4))
    of_sum = blocks.mean(dim=2).square().mean(dim=(2, 3))
    return (of_sum * count**2 - energy) / (count**2 - 1), energy


class Realism(TrainingObjective):
    """Trains a generative synthesis for a model, and a critic."""

    figures = (
        *("loss", "psnr_lost", "wasserstein", "top_octave", "locked", "uneven", "margin", "penalty"),
        *("gradient_mse", "gradient_wasserstein", "gradient_locked", "gradient_uneven", "gradient_critic"),
    )
    kept = BALANCES
    learning_rate = LEARNING_RATE

    def __init__(self, model: Model, source: str) -> None:
        """Train for what `model` codes, which `source`, a name or a path, stands for.

        Raises:
            ModelError: it is a generative synthesis itself, or a state could not name its source.
        """
        try:
            source.encode()
        except UnicodeEncodeError as error:
            raise ModelError(f"{source} is not UTF-8: a training state cannot name it") from error
        if model.base is not None:
            raise ModelError(f"{source} is a generative synthesis; one is trained for the model {model.base.name}")
        self.model, self.source = model, source

    def groups(self, params: Parameters) -> list[Group]:
        of_critic = sorted(name for name in params if name.startswith(PREFIX))
        betas = (0.0, 0.99)
        return [
            Group("synthesis", trained(params), clip_norm=math.inf),
            Group("critic", of_critic, learning_rate_factor=2.0, betas=betas, clip_norm=math.inf),
        ]

    def cast(self, params: Parameters) -> Collection[str]:
        own = {name: value for name, value in params.items() if not name.startswith(PLAIN)}
        return set(passed_on(own)) & set(trained(own))

    def kind(self, step: int) -> Hashable:
        if step < DISTORTION_STEPS:
            return _DISTORTION
        return _CRITIC if step % PENALTY_EVERY else _PENALTY

    def qualities(self, uniform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return uniform ** np.float32(LOW_RATES)

    def metadata(self) -> dict[str, str]:
        return {"aim": REALISM, "entropy_id": self.model.entropy_id.hex(), "model": self.source}

    def losses(self, params: Parameters, batch: Batch, noise: torch.Generator, kind: Hashable) -> Losses:
        device = batch.crops.device
        original = batch.crops.float() / 255 - 0.5
        with torch.autocast(device.type, enabled=False):
            ops = TorchOps(own_effective(params))
        with torch.no_grad():
            latents = coded(ops, params, original, batch.quality, None).latents
            plain = _shown(plain_ops(params), params, PLAIN, latents, batch.quality, None)
        shape = [FINER * side for side in latents.shape[1:3]]
        grain = torch.randn((len(latents), *shape, _noise_channels(params)), generator=noise, device=device)
        made = _shown(ops, params, "", latents, batch.quality, grain)

        # The gradient of each loss in the picture alone: their sum then goes through the synthesis, once.
        picture = made.detach().requires_grad_()
        mse = (picture - original).square().mean(dim=(1, 2, 3))
        distance = wasserstein(picture + 0.5, original + 0.5)
        terms = {
            "mse": (MSE_WEIGHT * mse * batch.weight).mean(),
            "wasserstein": (distance * batch.weight).mean(),
            "locked": (LOCK_WEIGHT * _repeated(picture - plain)[0].relu().mean(dim=1) * batch.weight).mean(),
            "uneven": (UNEVEN_WEIGHT * uneven_energy(picture - plain) * batch.weight).mean(),
        }
        judged = _Judged(*torch.zeros(4, device=device).unbind())
        of_critic = [value.sum() for name, value in params.items() if name.startswith(PREFIX)]
        critic_loss = 0 * torch.stack(of_critic).sum()  # does not train it, and has gradients all the same
        if kind != _DISTORTION:
            judged = _judge(params, original, picture, latents, noise, penalise=kind == _PENALTY)
            terms["critic"], critic_loss = judged.of_synthesis, judged.of_critic
        gradients = {
            name: torch.autograd.grad(term, picture, retain_graph=name == "critic")[0] for name, term in terms.items()
        }
        norms = {"critic": judged.margin * 0} | {name: torch.linalg.vector_norm(g) for name, g in gradients.items()}
        weights, kept = _weights(params, batch.step, norms, list(terms))
        along = torch.stack([weights[name] * gradient for name, gradient in gradients.items()]).sum(dim=0)
        with torch.no_grad():
            of_plain = (plain - original).square().mean(dim=(1, 2, 3))
            figures = {
                "loss": torch.stack([weights[name] * term for name, term in terms.items()]).sum(),
                "psnr_lost": (10 * torch.log10((mse + _TINY) / (of_plain + _TINY))).mean(),
                "wasserstein": distance.mean(),
                "top_octave": top_octave(picture, original).mean(),
                "locked": locked_energy(picture - plain).mean(),
                "uneven": uneven_energy(picture - plain).mean(),
                "margin": judged.margin,
                "penalty": judged.penalty,
                **{f"gradient_{name}": norm for name, norm in norms.items()},
            }
        return Losses([(made * along).sum(), critic_loss], figures, kept)

    def measure(self, params: Parameters, photo: Tensor) -> list[float]:
        """PSNR lost, Wasserstein distortion, energy of the top octave and locked energy, at VALID_QUALITIES."""
        original, figures = photo.float() / 255 - 0.5, list[float]()
        ops = TorchOps(own_effective(params))
        for value in VALID_QUALITIES:
            quality = torch.tensor([value], device=photo.device)
            latents = coded(ops, params, original, quality, None).latents
            height, width = (FINER * side for side in latents.shape[1:3])
            grain = noise_of_places(0, 0, height, width, _noise_channels(params))
            plain = _shown(plain_ops(params), params, PLAIN, latents, quality, None)
            made = _shown(ops, params, "", latents, quality, torch.from_numpy(grain[None]).to(photo.device))
            errors = [float((picture - original).square().mean()) + _TINY for picture in (made, plain)]
            figures += [10 * math.log10(errors[0] / errors[1])]
            figures += [float(wasserstein(made + 0.5, original + 0.5)), float(top_octave(made, original))]
            figures += [float(locked_energy(made - plain))]
        return figures

    def validation(self, means: Sequence[float]) -> dict[str, Any]:
        names = ("psnr_lost", "wasserstein", "top_octave", "locked")
        rows = [
            {"quality": quality} | dict(zip(names, (round(mean, 4) for mean in means[4 * index :]), strict=False))
            for index, quality in enumerate(VALID_QUALITIES)
        ]
        # No figure says which average looks best: the latest is, as long as it has not lost too much.
        worst = max(means[0::4])
        return {"valid": rows, "valid_loss": round(max(0.0, worst - MOST_LOST), 5)}

    def export(self, finished: Finished) -> list[str]:
        """Write the synthesis; what it does to a few photos is measured."""
        arrays = synthesis_arrays(finished.params, self.model)
        measured = []
        with torch.no_grad():
            for photo in finished.photos:
                measured.append(self.measure(finished.params, torch.from_numpy(np.ascontiguousarray(photo[None]))))
        rows = {"aim": f"realism, for what `{self.model.name}` ({self.model.entropy_id.hex()}) codes"}
        for index, quality in enumerate(VALID_QUALITIES):
            lost, distance, octave, locked = np.mean(measured, axis=0)[4 * index : 4 * index + 4]
            rows[f"at quality {100 * quality:g}"] = (
                f"{lost:.2f} dB below {self.model.name}; Wasserstein distortion {distance:.3f}; top octave's energy "
                f"{octave:.2f} of the original's; {max(locked, 0.0):.1%} of what is added repeats every 16 pixels"
            )
        rows["not for"] = "evidence, medicine, documents, faces or text that matter: texture is made up"
        summary = f"looks real, for files of {self.model.name}; {finished.summary}"
        entropy_id = self.model.entropy_id.hex()
        entry = write_synthesis(finished.folder, finished.name, entropy_id, summary, arrays, finished.card(rows))
        said = [f"{name}: {row}" for name, row in rows.items() if name.startswith("at quality")]
        return [*said, f"{entry.path}: {entry.size / 1e6:.1f} MB, {entry.entropy_id}-{entry.synthesis_id}"]


class _Judged(NamedTuple):
    """What the critic says, as scalars."""

    of_synthesis: Tensor  #: loss
    of_critic: Tensor  #: loss
    margin: Tensor  #: by how much originals look more like originals, in logits
    penalty: Tensor


def _judge(
    params: Parameters, original: Tensor, picture: Tensor, latents: Tensor, noise: torch.Generator, *, penalise: bool
) -> _Judged:
    """Show pairs to the critic, at a random offset."""
    offset = torch.randint(LATENT_STRIDE, (2,), generator=noise, device=picture.device)
    both, twice = torch.cat((original, picture)), torch.cat((latents, latents))
    real, fake = critic(params, both, twice, offset).float().chunk(2)
    penalty = torch.zeros((), device=picture.device)
    if penalise:
        with torch.autocast(picture.device.type, enabled=False):  # R1 + R2, in units of patches
            shown = both.detach().requires_grad_()
            logits = critic(params, shown, twice, offset)
            (steepness,) = torch.autograd.grad(logits.sum(), shown, create_graph=True)
            penalty = steepness.square().sum() / logits.numel()
    of_critic = F.softplus(fake - real).mean() + PENALTY * PENALTY_EVERY * penalty
    return _Judged(F.softplus(real - fake).mean(), of_critic, (real - fake).mean().detach(), penalty.detach())


def _weights(
    params: Parameters, step: Tensor, norms: Mapping[str, Tensor], terms: Collection[str]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights of the terms, and what they follow from, to be kept: ratios of gradients, averaged over steps."""
    weights, kept = {name: torch.ones((), device=step.device) for name in terms}, {}
    for name in BALANCES:
        term, kept[name] = name.partition(".")[2], params[name]
        if term in terms:
            now = (norms["mse"] / (norms[term] + _TINY)).detach()
            kept[name] = torch.where(kept[name] > 0, kept[name].lerp(now, 1 - _BALANCE_DECAY), now)
            weights[term] = kept[name]
    if "critic" in terms:
        ramp = ((step - DISTORTION_STEPS) / RAMP_STEPS).clamp(0, 1)
        weights["critic"] = CRITIC_SHARE * ramp * weights["critic"]
    return weights, kept


def _noise_channels(params: Parameters) -> int:
    return params[f"{NOISE}.weight"].shape[1]


def _shown(
    ops: TorchOps, params: Parameters, prefix: str, latents: Tensor, quality: Tensor, grain: Tensor | None
) -> Tensor:
    """Picture (N, H, W, 3) of latents, about [-0.5, 0.5]."""
    return synthesis(ops, latents, at_quality(params[f"{prefix}gain.synthesis"], quality).exp(), grain).float()
