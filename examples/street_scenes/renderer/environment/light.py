"""The light of a scene: hour, weather, shadow and haze."""

from dataclasses import dataclass
from math import exp

import numpy as np

from examples.street_scenes.renderer.color import Color, clip, jitter, mix


@dataclass(frozen=True, slots=True)
class Light:
    """What the hour and the weather do to a color.

    Args:
        zenith: Sky at the top of the picture.
        haze: Sky at the horizon, and what distance fades to.
        cloud: Color of the clouds.
        cloudiness: Share of the sky under cloud, in [0, 1].
        tint: Factor for each channel.
        sun: Lateral meters that a shadow travels per meter of height.
        shadow: Strength of cast shadows, in [0, 1].
        visibility_m: Depth at which 63 % of a color is haze.
        dusk: Whether lamps and windows are lit.
    """

    zenith: Color
    haze: Color
    cloud: Color
    cloudiness: float
    tint: tuple[float, float, float]
    sun: float
    shadow: float
    visibility_m: float
    dusk: bool

    def on(self, color: Color, depth_m: float, facing: float = 1.0) -> Color:
        """Light a color at a depth; ``facing`` is the brightness of its face."""
        red, green, blue = self.tint
        clear = exp(-depth_m / self.visibility_m)
        lit, fog = clear * facing, 1 - clear
        return clip(
            color[0] * red * lit + self.haze[0] * fog,
            color[1] * green * lit + self.haze[1] * fog,
            color[2] * blue * lit + self.haze[2] * fog,
        )

    def side(self, outward: float) -> float:
        """Return the brightness of a wall whose outward normal is ``outward`` (-1 or 1)."""
        # The sun stands opposite to where shadows travel.
        return 1 - 0.3 * self.shadow * outward * float(np.sign(self.sun))


def _day(rng: np.random.Generator) -> Light:
    return Light(
        zenith=jitter(rng, (84, 138, 206), 22),
        haze=jitter(rng, (190, 212, 232), 14),
        cloud=jitter(rng, (244, 246, 248), 6),
        cloudiness=rng.uniform(0.0, 0.55),
        tint=(1.08, 1.04, 0.98),
        sun=rng.choice((-1.0, 1.0)) * rng.uniform(0.2, 1.1),
        shadow=rng.uniform(0.35, 0.6),
        visibility_m=rng.uniform(120, 320),
        dusk=False,
    )


def _overcast(rng: np.random.Generator) -> Light:
    gray = jitter(rng, (196, 202, 208), 22)
    return Light(
        zenith=mix(gray, (140, 150, 162), rng.uniform(0, 0.7)),
        haze=gray,
        cloud=jitter(rng, (222, 224, 226), 12),
        cloudiness=rng.uniform(0.4, 0.9),
        tint=(0.84, 0.86, 0.88),
        sun=0.1,
        shadow=rng.uniform(0.12, 0.25),
        visibility_m=rng.uniform(70, 220),
        dusk=False,
    )


def _dusk(rng: np.random.Generator) -> Light:
    return Light(
        zenith=jitter(rng, (62, 76, 122), 18),
        haze=jitter(rng, (226, 158, 118), 22),
        cloud=jitter(rng, (170, 116, 116), 18),
        cloudiness=rng.uniform(0.1, 0.6),
        tint=(0.68, 0.58, 0.56),
        sun=rng.choice((-1.0, 1.0)) * rng.uniform(1.0, 1.8),
        shadow=rng.uniform(0.2, 0.4),
        visibility_m=rng.uniform(110, 260),
        dusk=True,
    )


def random_light(rng: np.random.Generator) -> Light:
    """Draw an hour and a weather: half of all scenes by day, a fifth at dusk."""
    draw = rng.random()
    if draw < 0.5:
        return _day(rng)
    return _overcast(rng) if draw < 0.8 else _dusk(rng)
