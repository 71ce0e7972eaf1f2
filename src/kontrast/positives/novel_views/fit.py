"""A field learns the photos: rays of keyed random pixels, coarse to fine, in grid and photos alike.

Every draw is a function of (seed, step), and a fit's state is all that its next step depends on, so a fit that was
interrupted ends with the same bits.

Shapes: V photos, B rays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from kontrast import keyed
from kontrast.positives.novel_views.cameras import Cameras
from kontrast.positives.novel_views.captures import Capture
from kontrast.positives.novel_views.field import Field
from kontrast.positives.novel_views.renderer import Picture, Renderer, distortion
from kontrast.positives.novel_views.scores import Score, score
from kontrast.positives.novel_views.space import Space

BACKGROUNDS = ("scene", "white", "black", "random")
STAGES = ((48, 4, 0.2), (80, 2, 0.3), (128, 1, 0.5))  # cells a side, photos reduced by, share of the steps
FINE = 2.0  # cells a side for each pixel of the longer side, at most
SMALL = 32  # pixels of the shorter side that photos are not reduced below
RAYS = 4096  # a step
RATE_DENSITY, RATE_COLOUR = 0.3, 0.1  # of Adam; in the last stage they fall to a tenth
BETAS = (0.9, 0.99)
SMOOTH = 1e-3  # weight of total variation, of density and of colour
TIGHT, TIGHTER = 0.01, 4.0  # weight of the distortion loss, and how many times that it is at the end
SLAB = 8  # total variation is taken of one part in this many a step
LOOK_AGAIN = 16  # steps for which a guide serves
HELD = 8  # every eighth photo is left out, to see how good renders are


@dataclass(frozen=True)
class Plan:
    """What a fit does: everything that changes its bits, beside the photos.

    steps        in all;  rays  a step
    background   scene: the rays end somewhere; white, black, random: what lies behind a cut-out object
    """

    steps: int
    rays: int = RAYS
    background: str = "scene"
    seed: int = 0

    def stages(self) -> list[tuple[int, int, int]]:
        """(cells a side, photos reduced by, step at which it ends)."""
        ends, passed = [], 0.0
        for cells, factor, share in STAGES:
            passed += share
            ends.append((cells, factor, round(self.steps * passed)))
        return ends


class Fit:
    """A field of a capture on its way; `kept` are the photos that it learns, the others are for looking."""

    def __init__(self, capture: Capture, plan: Plan, device: str | torch.device = "cpu") -> None:
        self.capture, self.plan, self.device = capture, plan, torch.device(device)
        self.held = list(range(0, len(capture), HELD))
        self.kept = [view for view in range(len(capture)) if view % HELD]
        self.space = Space.around(capture.cameras[self.kept])
        self.step, self.stage = 0, 0
        self._begin(Field(self._cells()).to(self.device))

    @property
    def opaque(self) -> bool:
        return self.plan.background == "scene"

    def advance(self) -> float:
        """One step; the mean squared error of its rays."""
        while self.step >= self.plan.stages()[self.stage][2]:
            self.enter(self.stage + 1)
        if (self.step - self.begun) % LOOK_AGAIN == 0:
            self.renderer = self.looking()
        late = self._set_rates()
        origin_B3, direction_B3, colour_BC, draw = self._batch()
        jitter_B2 = torch.rand(len(origin_B3), 2, generator=draw).to(self.device)
        seen = self.renderer.rays(origin_B3, direction_B3, jitter_B2, far_first=True)
        render_B3, photo_B3 = self._on_background(seen.colour_B3, seen.light_B, colour_BC, draw)
        error = (render_B3 - photo_B3).square().mean()
        spread = distortion(seen.weight_BS, seen.edge_BS).mean()
        cells = self.field.cells
        thick = max(2, cells // SLAB)
        start = int(torch.randint(cells - thick + 1, (), generator=draw))
        rough = self.field.roughness(self.step % 3, start, thick)
        loss = error + TIGHT * (1 + (TIGHTER - 1) * late) * spread + SMOOTH * (rough[0] + rough[1])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        return float(error.detach())

    def enter(self, stage: int) -> None:
        """Begin a stage with the field as it is."""
        self.stage = stage
        self._begin(self.field.resized(self._cells()))

    def render(self, cameras: Cameras, view: int) -> Picture:
        """What a camera would see of the field as it is."""
        return self.looking().picture(cameras, view, self.grey)

    def looking(self) -> Renderer:
        """The field as it is, made ready for looking at it."""
        return Renderer.of(self.field, self.space, self.opaque)

    @property
    def grey(self) -> float:
        """What renders and photos are laid on."""
        return 0.0 if self.plan.background == "black" else 1.0

    def photo(self, view: int) -> Tensor:
        """A photo (H, W, 3) in 0 to 1, on the background of renders."""
        return laid(self.capture.photo_VHWC[view].float() / 255, self.grey)

    def looks(self) -> Iterator[tuple[int, Picture, Score]]:
        """The held-out photos: which, as rendered, and how near."""
        renderer = self.looking()
        for view in self.held:
            seen = renderer.picture(self.capture.cameras, view, self.grey)
            yield view, seen, score(seen.colour, self.photo(view))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON of a checkpoint."""
        tensors = {"guide": self.renderer.guide.mean, **dict(self.field.named_parameters())}
        for name, parameter in self.field.named_parameters():
            kept = self.optimizer.state.get(parameter, {})
            tensors |= {f"{name}.{key}": value for key, value in kept.items() if key != "step"}
        where = {"step": self.step, "stage": self.stage, "begun": self.begun}
        return tensors, {**where, "plan": dataclasses.asdict(self.plan), "capture": self.capture.digest()}

    def load(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint of a fit with the same plan and photos. ValueError where it is of another one."""
        if state["plan"] != dataclasses.asdict(self.plan):
            raise ValueError("it is of a fit with another plan")
        if state["capture"] != self.capture.digest():
            raise ValueError("the photos or their cameras have changed since")
        self.step, self.stage = int(state["step"]), int(state["stage"])
        field = Field(self._cells())
        with torch.no_grad():
            for name, parameter in field.named_parameters():
                parameter.copy_(tensors[name])
        self._begin(field.to(self.device))
        self.begun = int(state["begun"])
        self.renderer.guide.mean = tensors["guide"].to(self.device)
        for name, parameter in self.field.named_parameters():
            kept = {key: tensors[f"{name}.{key}"].to(parameter) for key in ("exp_avg", "exp_avg_sq")}
            kept = {key: torch.empty_like(parameter).copy_(value) for key, value in kept.items()}
            self.optimizer.state[parameter] = {"step": torch.tensor(float(self.step - self.begun)), **kept}

    def _begin(self, field: Field) -> None:
        """A stage: its grid, a fresh optimizer, its photos."""
        self.field, self.begun = field, self.step
        groups = [
            {"params": [field.density], "rate": RATE_DENSITY},
            {"params": [field.colour], "rate": RATE_COLOUR},
        ]
        self.renderer = self.looking()
        self.optimizer = torch.optim.Adam(groups, lr=RATE_DENSITY, betas=BETAS, eps=1e-12, fused=True)
        factor = min(STAGES[self.stage][1], max(1, min(self.capture.photo_VHWC.shape[1:3]) // SMALL))
        self.cameras = self.capture.cameras[self.kept].smaller(factor)
        photos = self.capture.photo_VHWC[self.kept].permute(0, 3, 1, 2).float() / 255
        self.photos = F.avg_pool2d(photos, factor).permute(0, 2, 3, 1).contiguous()

    def _cells(self) -> int:
        """Cells a side of the grid of this stage: no more than the photos can tell apart."""
        return min(STAGES[self.stage][0], int(FINE * max(self.capture.photo_VHWC.shape[1:3])))

    def _set_rates(self) -> float:
        """How much of the last stage is over, 0 to 1; its rates fall with it."""
        end = self.plan.stages()[self.stage][2]
        late = (self.step - self.begun) / max(1, end - self.begun) if self.stage == len(STAGES) - 1 else 0.0
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * 0.1**late
        return late

    def _batch(self) -> tuple[Tensor, Tensor, Tensor, torch.Generator]:
        """Rays and colours of this step's pixels, and the generator for what else it draws."""
        draw = keyed.generator("rays", self.plan.seed, self.step)
        height, width = self.photos.shape[1:3]
        place_B = torch.randint(len(self.photos) * height * width, (self.plan.rays,), generator=draw)
        view_B, row_B, column_B = place_B // (height * width), place_B // width % height, place_B % width
        origin_B3, direction_B3 = self.cameras.rays(view_B, torch.stack([column_B, row_B], dim=1) + 0.5)
        colour_BC = self.photos.view(-1, self.photos.shape[3])[place_B]
        return origin_B3.float().to(self.device), direction_B3.float().to(self.device), colour_BC.to(self.device), draw

    def _on_background(
        self, render_B3: Tensor, light_B: Tensor, colour_BC: Tensor, draw: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Render and photo before the same background."""
        if self.opaque:
            return render_B3, laid(colour_BC, 1.0)
        if self.plan.background == "random" and colour_BC.shape[1] == 4:
            behind_B3 = torch.rand(len(render_B3), 3, generator=draw).to(self.device)
        else:
            behind_B3 = torch.full_like(render_B3, self.grey)
        return render_B3 + (1 - light_B)[:, None] * behind_B3, laid(colour_BC, behind_B3)


def laid(colour: Tensor, behind: float | Tensor) -> Tensor:
    """Colours (..., 3) of RGB, or of RGBA on what lies behind."""
    if colour.shape[-1] == 3:
        return colour
    return colour[..., :3] * colour[..., 3:] + (1 - colour[..., 3:]) * behind
