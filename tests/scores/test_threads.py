"""One pool for the process: who gets how many threads, and what comes back from them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from colbert_kit.scores import threads
from tests.scores.light import LIGHT


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "num_cores", lambda: 4)
    monkeypatch.setattr(threads, "_pool", threads._Pool())


@pytest.mark.usefixtures("four_cores")
def test_a_lone_search_gets_all_cores_and_one_beside_others_gets_one():
    with threads.sharing() as first:
        with threads.sharing() as second, threads.sharing() as third:
            assert (first, second, third) == (4, 1, 1)
        with threads.sharing() as fourth:
            assert fourth == 1
    with threads.sharing() as alone_again:
        assert alone_again == 4


@pytest.mark.usefixtures("four_cores")
def test_a_search_that_fails_gives_its_cores_back():
    with pytest.raises(ValueError, match="damaged"), threads.sharing():
        raise ValueError("damaged")

    with threads.sharing() as number:
        assert number == 4


@pytest.mark.usefixtures("four_cores")
def test_searches_of_several_threads_count_each_other():
    inside, leave = threading.Event(), threading.Event()

    def search():
        with threads.sharing():
            inside.set()
            leave.wait(30)

    other = threading.Thread(target=search)
    other.start()
    assert inside.wait(30)
    with threads.sharing() as number:
        assert number == 1
    leave.set()
    other.join()
    with threads.sharing() as number:
        assert number == 4


def test_the_number_of_cores_is_that_of_this_process_not_of_the_machine():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("needs Linux")
    one = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, [{one}])\n"
        "from colbert_kit.scores import threads; print(threads.num_cores())"
    )
    run = subprocess.run([sys.executable, "-c", LIGHT + code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "1"


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize("num_threads", [0, 1, 2, 3, 4, 9])
@pytest.mark.parametrize("number", [0, 1, 2, 5, 12])
def test_results_come_in_the_order_of_the_items_whoever_finishes_first(number: int, num_threads: int):
    def slow_at_first(item: int) -> int:
        time.sleep((number - item) * 1e-3)
        return item * item

    assert threads.run(slow_at_first, range(number), num_threads) == [item * item for item in range(number)]


@pytest.mark.usefixtures("four_cores")
def test_items_run_at_the_same_time_one_of_them_on_the_thread_that_asks():
    meeting = threading.Barrier(3, timeout=30)

    def meet(item: int) -> int:
        meeting.wait()
        return threading.get_ident()

    ran_on = threads.run(meet, range(3), 3)

    assert len(set(ran_on)) == 3
    assert threading.get_ident() in ran_on


def test_with_one_thread_nothing_leaves_the_thread_that_asks():
    assert set(threads.run(lambda item: threading.get_ident(), range(5), 1)) == {threading.get_ident()}


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize("bad", range(6))
def test_an_error_in_any_lane_reaches_the_caller_when_the_others_are_done_and_the_pool_still_works(bad: int):
    running, lock = [0], threading.Lock()

    def fail(item: int) -> int:
        with lock:
            running[0] += 1
        try:
            time.sleep(0 if item == bad else 5e-3)
            if item == bad:
                raise KeyError(f"item {item}")
            return item
        finally:
            with lock:
                running[0] -= 1

    with pytest.raises(KeyError, match=f"item {bad}"):
        threads.run(fail, range(6), 3)

    assert running == [0]
    assert threads.run(abs, range(-3, 0), 3) == [3, 2, 1]


def test_many_threads_that_all_ask_for_more_finish():
    asked = [threading.Thread(target=threads.run, args=(time.sleep, [1e-4] * 50, 4)) for _ in range(16)]

    for thread in asked:
        thread.start()
    for thread in asked:
        thread.join(60)

    assert not any(thread.is_alive() for thread in asked)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_pool_of_its_own_even_if_the_parent_was_searching():
    code = """if True:
        import os, threading, warnings
        warnings.simplefilter("ignore")
        from colbert_kit.scores import threads
        threads.num_cores = lambda: 4
        assert threads.run(abs, range(8), 4) == list(range(8))
        with threads.sharing():
            threads._pool.lock.acquire()
            child = os.fork()
            if child == 0:
                with threads.sharing() as number:
                    os._exit(10 * number + (threads.run(abs, range(8), 4) == list(range(8))))
            threads._pool.lock.release()
            _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
    """
    run = subprocess.run([sys.executable, "-c", LIGHT + code], capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout.strip() == "41"
