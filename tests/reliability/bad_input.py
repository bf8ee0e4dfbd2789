"""Nothing that is read can crash, hang or fool the program."""

from __future__ import annotations

from reliability.promises import Promise

_FINDS = "tests/reliability/test_fuzz_finds.py"
_FILES = "tests/reliability/test_hostile_files.py"
_REFUSALS = "tests/traces/test_trace_refusals.py"
_YAML = "tests/arch/test_document.py"

FUZZED = Promise(
    "fuzzing",
    1,
    "Whatever is in a file or on a command line: it is accepted and reads back the same, or refused in one message; "
    "no traceback, no hang, no memory beyond the bound, no file left behind.",
    ("tests/reliability/test_fuzzing.py", _FINDS, "tests/traces/test_trace_fuzz.py"),
    "make fuzz",
)
PROMISES: tuple[Promise, ...] = (
    FUZZED,
    Promise(
        "zip-bombs",
        1,
        "A small file that unpacks to, or states, a large array is refused before the array is there.",
        (
            f"{_REFUSALS}::test_a_zip_bomb_is_refused_without_decompressing_it",
            f"{_FINDS}::test_a_member_larger_than_any_that_is_written_is_refused",
            f"{_FINDS}::test_weights_that_unpack_to_far_more_are_refused_by_their_stated_shape",
            f"{_FINDS}::test_a_small_file_of_a_wide_matrix_takes_no_more_memory_than_its_mask",
            f"{_FINDS}::test_a_tall_matrix_whose_packed_mask_is_too_large_is_refused",
        ),
    ),
    Promise(
        "pickles",
        1,
        "Nothing is ever unpickled: traces, states, matrices, weights.",
        (
            f"{_REFUSALS}::test_pickled_objects_are_refused_without_loading_them",
            "tests/traces/test_record_resume.py::test_resume_never_unpickles",
            f"{_FINDS}::test_pickles_in_matrices_and_weights_are_refused_without_loading_them",
        ),
    ),
    Promise(
        "path-tricks",
        1,
        "Names of members lead nowhere: `..`, absolute and Windows paths, links, look-alikes are refused.",
        (
            f"{_FINDS}::test_a_member_whose_name_is_a_path_trick_is_refused_and_written_nowhere",
            f"{_FINDS}::test_a_member_that_is_a_link_is_refused",
        ),
    ),
    Promise(
        "places-of-files",
        1,
        "Pipes, devices, folders, links in a circle and impossible names in place of a file are refused by every "
        "reader, none waited for or read without end; a link to a file is that file; "
        "what is written replaces no pipe or device.",
        (_FILES, "tests/report/test_report_files.py"),
    ),
    Promise(
        "numbers",
        1,
        "NaN, infinity, numbers as texts, huge and negative sizes are refused where they stand.",
        (
            f"{_FINDS}::test_what_is_not_finite_is_refused_in_a_machine",
            f"{_FINDS}::test_a_number_as_anything_else_is_refused",
            f"{_FINDS}::test_sizes_beyond_any_machine_are_refused",
            f"{_FINDS}::test_a_threshold_that_is_no_finite_number_is_refused",
            f"{_FINDS}::test_a_line_of_a_store_that_is_no_row_is_refused",
            f"{_REFUSALS}::test_a_wrong_header_value_is_refused_where_it_stands",
        ),
    ),
    Promise(
        "unicode",
        1,
        "Control characters, text that runs backwards and halves of characters cannot steer a terminal: a message is "
        "one printable line.",
        (
            f"{_FINDS}::test_a_message_is_one_printable_line_whatever_a_key_holds",
            f"{_FILES}::test_a_strange_file_name_is_told_in_one_line_and_exits_with_2",
            f"{_FINDS}::test_names_that_look_alike_are_different_keys",
        ),
    ),
    Promise(
        "yaml",
        1,
        "Billion laughs, YAML that holds itself, tags, merge keys, duplicate keys and endless nesting are refused.",
        (
            f"{_FINDS}::test_a_billion_laughs_are_refused_at_the_first_anchor",
            f"{_FINDS}::test_yaml_that_holds_itself_is_refused",
            f"{_FINDS}::test_a_tag_is_refused_in_a_machine",
            f"{_FINDS}::test_a_merge_key_merges_nothing",
            f"{_FINDS}::test_a_key_twice_is_refused_in_a_machine",
            f"{_YAML}::test_deep_nesting_is_refused_without_recursion",
        ),
    ),
)
