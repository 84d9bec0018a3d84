"""An attacker who knows these rules, the exact sums and every table that is possible learns no hidden count."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest

from cohorts.limits import of_parts, of_sizes

MOST = 10


def sums_to(total: int, highest: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every way to share a total among rows, each from 0 to its highest."""
    if len(highest) == 1:
        if 0 <= total <= highest[0]:
            yield (total,)
        return
    for first in range(min(total, highest[0]) + 1):
        for others in sums_to(total - first, highest[1:]):
            yield (first, *others)


def shown(sizes: tuple[int, ...], parts: tuple[int, ...] | None = None) -> object:
    seen = of_sizes(sizes, 11)
    return tuple(seen) if parts is None else (*seen, *map(tuple, of_parts(sizes, parts, 11)))


def attack(tables: dict[tuple[int, ...], object]) -> list[tuple[tuple[int, ...], int, set[int]]]:
    """Cells (of hidden counts) of which fewer values are left than the sums alone leave, those not being 0."""
    alike: dict[object, list[tuple[int, ...]]] = defaultdict(list)
    for cells, seen in tables.items():
        alike[seen].append(cells)
    feasible: dict[tuple[int, tuple[bool, ...]], set[int]] = defaultdict(set)
    for cells in tables:
        for cell, value in enumerate(cells):
            if 0 < value <= MOST:
                feasible[cell, tuple(count == 0 for count in cells)].add(value)
    found = []
    for group in alike.values():
        for cells in group:
            for cell, value in enumerate(cells):
                if 0 < value <= MOST:
                    left = {other[cell] for other in group}
                    lost = feasible[cell, tuple(count == 0 for count in cells)] - left
                    if lost:
                        found.append((cells, cell, lost))
    return found


@pytest.mark.parametrize("total", [22, 23, 30, 31, 40, 57, 64, 90])
@pytest.mark.parametrize("num_rows", [2, 3])
def test_no_size_of_a_group_follows_from_the_others(total: int, num_rows: int) -> None:
    tables = {sizes: shown(sizes) for sizes in sums_to(total, (total,) * num_rows)}
    assert attack(tables) == []


def cases() -> list[tuple[tuple[int, ...], int]]:
    draw = np.random.default_rng(0)
    found = [((200,), 7), ((100, 100), 18), ((100, 100), 21), ((100, 30), 27), ((20, 90), 40), ((20, 20, 60), 33)]
    for _ in range(40):
        sizes = tuple(int(size) for size in draw.integers(11, 70 if draw.random() < 0.6 else 30, draw.integers(2, 4)))
        found.append((sizes, int(draw.integers(11, max(12, sum(sizes) - 11)))))
    return found


@pytest.mark.parametrize(("sizes", "total"), cases())
def test_no_part_of_a_group_follows_from_the_others(sizes: tuple[int, ...], total: int) -> None:
    """Everybody knows the sizes of the groups and how many have it in all."""
    tables = {}
    for parts in sums_to(total, sizes):
        rests = tuple(size - part for size, part in zip(sizes, parts, strict=True))
        tables[(*parts, *rests)] = shown(sizes, parts)
    assert attack(tables) == []


@pytest.mark.parametrize(("total", "parts"), [(30, 12), (45, 20), (60, 25)])
def test_no_small_group_follows_from_its_parts(total: int, parts: int) -> None:
    """Sizes and parts of two groups, of which only the sums are known."""
    tables = {}
    for sizes in sums_to(total, (total, total)):
        for has in sums_to(parts, sizes):
            tables[(*sizes, *has)] = shown(sizes, has)
    alike: dict[object, list[tuple[int, ...]]] = defaultdict(list)
    for cells, seen in tables.items():
        alike[seen].append(cells)
    for group in alike.values():
        for cells in group:
            for cell in (0, 1):
                if 0 < cells[cell] <= MOST:
                    assert {other[cell] for other in group} >= set(range(1, MOST + 1)), cells
