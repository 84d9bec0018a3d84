"""A hidden count may be anything from 1 to 10 for whoever knows the total and reads the limits of the others."""

from hypothesis import given
from hypothesis import strategies as st

from cohorts.disclosure import estimate_of, lower_limit


@given(st.integers(1, 10), st.lists(st.integers(11, 500), min_size=1, max_size=4))
def test_the_limits_of_others_leave_room_for_any_hidden_count(hidden: int, others: list[int]) -> None:
    limits = [lower_limit(count, 11) for count in others]
    assert all(1 <= limit <= count for limit, count in zip(limits, others, strict=True))
    assert hidden + sum(others) - sum(limits) >= 10


@given(st.integers(19, 5000))
def test_a_limit_is_read_as_a_count_near_the_true_one(count: int) -> None:
    read = estimate_of(f"≥{lower_limit(count, 11)}", 11)
    assert read is not None
    assert abs(read - count) <= 5
