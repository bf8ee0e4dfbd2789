"""Whatever dies, fills up or goes away: nothing is lost."""

from __future__ import annotations

from reliability.promises import Promise

MENDED = (
    "tests/traces/test_whole_file.py::test_a_kill_at_any_moment_leaves_the_old_file_or_the_new_one",
    "tests/traces/test_record_resume.py::test_resume_goes_on_where_the_trace_is_ahead_of_the_state",
    "tests/explore/test_store.py::test_a_sweep_whose_worker_is_killed_tells_it_and_goes_on_to_the_same_bytes",
    "tests/explore/test_search_faults.py"
    "::test_a_trial_that_a_kill_left_without_a_combination_changes_nothing_in_a_database",
    "tests/explore/test_search.py::test_wherever_a_kill_cuts_the_journal_the_same_table_comes_of_it",
    "tests/explore/test_lost_files.py"
    "::test_points_of_a_file_that_goes_or_changes_are_told_and_evaluated_once_it_is_back",
    "tests/explore/test_lost_files.py::test_a_search_ends_where_a_trace_goes_and_goes_on_to_the_same_table",
    "tests/commands/test_failing_disk.py::test_a_file_that_cannot_grow_is_told_and_nothing_is_lost",
)
"""Tests of what kills and these tests found in the product: hidden files of killed writers that stayed for ever, a
state of a resumed recording with an older sparsity, a traceback for a lost worker, a search of a database that went on
otherwise, places of `qmc` that were skipped, rows of vanished files in the store, trials of such in the study, and a
traceback for a full disk while recording."""

KILLED = Promise(
    "kills",
    2,
    "Recording, sweeping, searching and report writing may be killed at any moment (`kill -9`): every file is then "
    "absent, as it was, or whole, no process lives on, and going on comes to the same bytes. Faults that kills and the "
    f"tests below found, each mended with a test: {len(MENDED)}.",
    (
        "tests/reliability/test_killing.py",
        "tests/traces/test_whole_file.py",
        "tests/traces/test_trace_writing.py::test_a_kill_at_any_moment_leaves_the_last_checkpoint",
        "tests/explore/test_store.py::test_a_killed_sweep_goes_on_where_it_was_to_the_same_bytes",
        *MENDED[1:2],
        *MENDED[3:5],
    ),
    "make faults",
)

PROMISES: tuple[Promise, ...] = (
    KILLED,
    Promise(
        "full-disk",
        2,
        "A full disk is one message with the file; former results stay, and with room the same command goes on.",
        (
            "tests/commands/test_failing_disk.py::test_a_full_disk_is_told_and_nothing_is_lost",
            "tests/commands/test_failing_disk.py::test_a_file_that_cannot_grow_is_told_and_nothing_is_lost",
            "tests/commands/test_failing_disk.py::test_former_results_stay_on_a_full_disk",
            "tests/traces/test_trace_writing.py::test_a_full_disk_is_told_in_one_message_and_leaves_the_last_checkpoint",
        ),
    ),
    Promise(
        "no-right",
        2,
        "A read-only disk, another user's folder and an input that may not be read are told before anything is done.",
        (
            "tests/commands/test_failing_disk.py::test_a_read_only_disk_is_told_before_anything_is_done",
            "tests/commands/test_failing_disk.py::test_a_folder_of_somebody_else_is_told",
            "tests/commands/test_failing_disk.py::test_an_input_without_the_right_to_read_it_is_told",
        ),
    ),
    Promise(
        "vanished-file",
        2,
        "A trace or a table of prices that goes, is cut off, written over or replaced under a sweep or a search: its "
        "points are told (exit code 2), are not kept, and are evaluated once it is back, each once.",
        (
            "tests/explore/test_lost_files.py",
            "tests/explore/test_store.py::test_a_row_of_a_file_that_changed_meanwhile_is_not_kept",
        ),
    ),
    Promise(
        "lost-worker",
        2,
        "A process of a pool, a Dask worker or the scheduler that is killed, or does not answer, loses no finished "
        "point and doubles none.",
        (
            MENDED[2],
            "tests/explore/test_store.py::test_a_sweep_killed_with_its_workers_under_way_goes_on_to_the_same_bytes",
            "tests/explore/test_pool.py::test_workers_end_with_a_parent_that_is_killed",
            "tests/explore/test_cluster.py::test_a_worker_that_is_killed_costs_nothing_but_its_points",
            "tests/explore/test_cluster.py::test_what_a_killed_worker_was_at_is_evaluated_again",
            "tests/explore/test_cluster.py::test_a_scheduler_that_is_killed_is_told_and_the_finished_rows_are_kept",
            "tests/explore/test_cluster.py::test_a_scheduler_that_does_not_answer_any_more_is_told",
        ),
    ),
    Promise(
        "locked-database",
        2,
        "A search waits 20 s for an SQLite file that another process holds, then says so and loses nothing; many may "
        "share one.",
        (
            "tests/explore/test_search_faults.py::test_a_database_that_another_process_holds_is_told_and_loses_nothing",
            "tests/explore/test_search_faults.py"
            "::test_a_trial_that_another_search_took_for_an_abandoned_one_is_asked_again",
            "tests/explore/test_search_refusals.py::test_a_database_that_stops_answering_is_told",
        ),
    ),
    Promise(
        "jumping-clock",
        2,
        "No module asks what time it is; a clock that jumps by years changes no result, and nothing that goes on.",
        ("tests/reliability/test_clock.py",),
    ),
)
