"""What may be shown of counts that add up, so that nobody who knows the sums, and these rules, learns a hidden one.

A limit is a function of sums that are known anyway, never of the exact count that it stands for. For every value that a
hidden count may have, another count, its partner, may make up for it, and all that is shown is the same; the tests of
these rules try every table. This is complementary suppression (Hundepool et al., Statistical Disclosure Control, 2012,
chapter 4), with limits that do not depend on what they hide.
"""

from collections.abc import Iterable, Sequence

Shown = int | str
NOTHING = "–"
SMALLEST_SHOWN = 11  # people or rows, under which notes and errors give no count and quote no text


def in_words(count: int) -> str:
    """A count as a note or an error may give it.

    Example:
        >>> in_words(6), in_words(60)
        ('fewer than 11', '60')
    """
    return f"fewer than {SMALLEST_SHOWN}" if count < SMALLEST_SHOWN else str(count)


def lower(count: int, least: int) -> str:
    """A count's limit in words: the round number at or under it, at least 1."""
    tens = max(1, least - 1)
    return f"≥{max(1, count // tens * tens)}"


def of_sizes(counts: Sequence[int], least: int) -> list[Shown]:
    """Counts of groups that add up to a known sum.

    The largest groups, so many that they are larger than the others whatever the hidden counts are, share one limit: of
    their mean, had every hidden group `least` - 1. Where the sum is so small that a count under `least` follows from it
    and the number of groups, nothing is told but that there is somebody.

    Args:
        counts: Not negative.
        least: Smallest count that is shown.

    Example:
        >>> of_sizes([193, 7], 11), of_sizes([60, 150, 7], 11), of_sizes([12, 7, 0], 11)
        (['≥190', '<11'], [60, '≥140', '<11'], ['≥1', '≥1', 0])
    """
    hidden = [count for count in counts if 0 < count < least]
    if not hidden:
        return list(counts)
    total, num_some = sum(counts), sum(count > 0 for count in counts)
    if total < least * num_some:
        word = f"<{least}" if total < least else "≥1"
        return [word if count else 0 for count in counts]
    order = sorted((row for row, count in enumerate(counts) if count >= least), key=lambda row: -counts[row])
    room, known = (least - 1) * len(hidden), sum(hidden)
    partners, limit = 0, 0
    for partners in range(1, len(order) + 1):
        known += counts[order[partners - 1]]
        limit = (known - room) // partners
        if partners == len(order) or counts[order[partners]] < limit - 1:
            break
    shown = {row: lower(limit - (2 if partners > 1 else 0), least) for row in order[:partners]}
    return [f"<{least}" if 0 < count < least else shown.get(row, count) for row, count in enumerate(counts)]


def of_parts(sizes: Sequence[int], parts: Sequence[int], least: int) -> tuple[list[Shown], list[Shown]]:
    """Counts of those in each group who have something, and of those who have not, where all sums are known.

    Args:
        sizes: Of groups, each known, or shown as `of_sizes` says.
        parts: How many of each have it.
        least: Smallest count that is shown.

    Returns:
        What to show of `parts` and of the rest; "–" for all where no group can make up for the hidden counts.

    Example:
        >>> of_parts([200, 100], [193, 50], 11), of_parts([200], [193], 11)
        ((['≥190', '≥40'], ['<11', '≥40']), (['≥190'], ['<11']))
    """
    shown = of_sizes(sizes, least)
    rests = [size - part for size, part in zip(sizes, parts, strict=True)]
    if sum(parts) == 0:
        return [0] * len(parts), shown
    if sum(rests) == 0:
        return shown, [0] * len(parts)
    if sum(sizes) < 2 * least:
        few = f"<{least}" if sum(sizes) < least else "≥1"
        word = few if len(sizes) == 1 else NOTHING
        return [word] * len(parts), [word] * len(parts)
    if sum(parts) < least:
        return _of_few(sizes, shown, parts, least)
    if sum(rests) < least:
        rest, part = _of_few(sizes, shown, rests, least)
        return part, rest
    return _with_partner(sizes, shown, parts, rests, least)


def _of_few(
    sizes: Sequence[int], shown: Sequence[Shown], parts: Sequence[int], least: int
) -> tuple[list[Shown], list[Shown]]:
    """Where fewer than `least` have it in all, which is hidden itself: the rest are as many as if all hidden were."""
    if all(isinstance(size, str) for size in shown):
        return [NOTHING] * len(parts), [NOTHING] * len(parts)
    few: list[Shown] = []
    rest: list[Shown] = []
    for size, known, part in zip(sizes, shown, parts, strict=True):
        if isinstance(known, str) and known.startswith("<"):
            few, rest = [*few, known], [*rest, known]
        elif part == 0:
            few, rest = [*few, 0], [*rest, known]
        elif isinstance(known, int) and size < 2 * least:
            few, rest = [*few, "≥1"], [*rest, "≥1"]
        else:
            least_size = int(str(known).removeprefix("≥"))
            few, rest = [*few, f"<{least}"], [*rest, lower(least_size - least + 1, least)]
    return few, rest


def _with_partner(
    sizes: Sequence[int], shown: Sequence[Shown], parts: Sequence[int], rests: Sequence[int], least: int
) -> tuple[list[Shown], list[Shown]]:
    most, few = least - 1, f"<{least}"
    rows = range(len(sizes))
    unsure = [row for row in rows if isinstance(shown[row], str)]
    tiny = [row for row in unsure if sizes[row] < least]
    if len(tiny) == len(unsure) > 0 or any(shown[row] == "≥1" for row in tiny):
        return [NOTHING] * len(sizes), [NOTHING] * len(sizes)
    # Row to the most that its part and its rest may be.
    secret = {row: (most, most) for row in tiny}
    for row in rows:
        if row in unsure or not parts[row] or not rests[row]:
            continue
        if sizes[row] < 2 * least:
            secret[row] = (sizes[row] - 1, sizes[row] - 1)
        elif parts[row] < least:
            secret[row] = (most, sizes[row] - 1)
        elif rests[row] < least:
            secret[row] = (sizes[row] - 1, most)
    if not secret:
        return list(parts), list(rests)
    free = [row for row in rows if row not in secret and parts[row] >= least and rests[row] >= least]
    partners = [row for row in unsure if row not in tiny] or sorted(free, key=lambda row: -sizes[row])[:1]
    limits = [
        _sum(counts, [*secret, *partners]) - sum(high[side] for high in secret.values())
        for side, counts in enumerate((parts, rests))
    ]
    if not partners or not set(partners) <= set(free) or min(limits) < (least + 1) * len(partners):
        return [NOTHING] * len(sizes), [NOTHING] * len(sizes)
    sides = []
    for side, counts in enumerate((parts, rests)):
        known: list[Shown] = list(counts)
        for row in partners:
            known[row] = lower(limits[side] if len(partners) == 1 else least, least)
        for row in secret:
            if row in tiny:
                known[row] = few
            elif sizes[row] < 2 * least:
                known[row] = "≥1"
            else:
                known[row] = few if counts[row] < least else lower(sizes[row] - most, least)
        sides.append(known)
    return sides[0], sides[1]


def _sum(counts: Sequence[int], rows: Iterable[int]) -> int:
    return sum(counts[row] for row in rows)
