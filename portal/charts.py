"""Small column charts, drawn by the server; the numbers stand in a table beside each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HEIGHT: Final = 60
WIDTH: Final = 10


@dataclass(frozen=True, slots=True)
class Column:
    """One column, in the units of the drawing (10 wide, 60 high, from the top)."""

    x: int
    y: int
    height: int
    value: int


@dataclass(frozen=True, slots=True)
class Columns:
    columns: list[Column]
    top: int

    @property
    def width(self) -> int:
        return WIDTH * max(len(self.columns), 1)


def columns(values: Sequence[int]) -> Columns:
    """Columns from left to right; the highest value fills the height, and whatever is not nothing is to be seen."""
    top = max(values, default=0)
    drawn = []
    for place, value in enumerate(values):
        height = max(round(value * HEIGHT / top), 2) if value else 0
        drawn.append(Column(place * WIDTH, HEIGHT - height, height, value))
    return Columns(drawn, top)
