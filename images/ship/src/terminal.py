"""A command on a pseudo-terminal: python3 terminal.py COLS ROWS COMMAND...

What comes on standard input is typed, what the terminal shows goes to standard output, and each line "COLS ROWS" on descriptor 3
is a new size. The end of standard input hangs up. Nothing is kept but one piece for each direction: who does not read makes the
command wait.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios

PIECE = 65536
KEYS, SCREEN, SIZES = 0, 1, 3


def resize(terminal, cols, rows):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def start(cols, rows, command):
    """Starts the command and gives the terminal's other side; the size is there before the command can ask for it."""
    pid, terminal = pty.fork()
    if pid == 0:
        resize(0, cols, rows)
        os.execv(command[0], command)
    return terminal


def read(descriptor):
    """A piece; nothing at the end, which a terminal tells by an error."""
    try:
        return os.read(descriptor, PIECE)
    except OSError:
        return b""


def write(descriptor, piece):
    """What could not be written yet."""
    try:
        return piece[os.write(descriptor, piece):]
    except BlockingIOError:
        return piece
    except OSError:
        return b""  # Nobody is there any more, which is seen where that is waited for.


def relay(terminal, child_ended):
    typed = shown = sizes = b""
    while True:
        sources = [SIZES, child_ended] + ([] if typed else [KEYS]) + ([] if shown else [terminal])
        # The command may leave others that hold the terminal open: what it printed itself is there once it has ended.
        patience = 0 if child_ended is None else None
        ready, free, _ = select.select([s for s in sources if s is not None], ([terminal] if typed else []) + ([SCREEN] if shown else []), [], patience)
        if not ready and not free and not shown and patience == 0:
            return
        if child_ended in ready:
            child_ended = None
        if SIZES in ready:
            if not (news := read(SIZES)):
                return
            *whole, sizes = (sizes + news).split(b"\n")
            for line in whole:
                resize(terminal, *map(int, line.split()))
        if KEYS in ready and not (typed := read(KEYS)):
            return
        if terminal in ready and not (shown := read(terminal)):
            return
        typed = write(terminal, typed) if typed else typed
        shown = write(SCREEN, shown) if shown else shown


def main(cols, rows, *command):
    os.set_inheritable(SIZES, False)
    child_ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    terminal = start(int(cols), int(rows), command)
    for descriptor in (terminal, SCREEN):
        os.set_blocking(descriptor, False)
    relay(terminal, child_ended)


main(*sys.argv[1:])
