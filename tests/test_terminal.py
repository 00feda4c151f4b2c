"""What people see: a real terminal around the command line."""

from __future__ import annotations

from terminals import terminal

from krm_harden import __version__


def test_the_terminal_of_the_tests_knows_the_exit_code():
    with terminal("sh", "-c", "echo out; exit 7") as shown:
        assert shown.code() == 7
        assert shown.screen() == "out"


def test_the_terminal_of_the_tests_has_a_size_keys_and_colours():
    with terminal("sh", "-c", r"stty size; read word; printf '\033[31m%s\033[0m' $word", columns=93) as shown:
        shown.wait_for("30 93")
        shown.type("red")
        shown.press("Enter")

        assert shown.code() == 0
        assert shown.screen() == "30 93\nred\nred"
        assert "\n\x1b[31mred" in shown.screen(colours=True)


def test_the_terminal_of_the_tests_interrupts():
    with terminal("sh", "-c", "echo begun; exec sleep 600") as shown:
        shown.wait_for("begun")
        shown.press("C-c")

        assert shown.code() == 130
        assert shown.cursor_is_shown()


def test_the_terminal_of_the_tests_finds_the_command():
    with terminal("krm-harden", "--version") as shown:
        assert shown.code() == 0
        assert shown.screen() == f"krm-harden {__version__}"
