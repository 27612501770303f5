"""What tests of the command line share."""

import csv

from asnsim import cli


def run(capsys, *arguments):
    """Run the command line in this process; return exit code, stdout, stderr."""
    code = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def good(capsys, *arguments):
    """Run what must end with 0; return stdout."""
    code, out, err = run(capsys, *arguments)
    assert code == 0, err
    return out


def rows(path):
    """Return the rows of a CSV file, header first."""
    with path.open(newline="") as handle:
        return list(csv.reader(handle))


def is_png(path):
    """Whether a file begins as PNG does."""
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
