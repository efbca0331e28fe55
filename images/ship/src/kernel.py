"""The persistent interpreter behind Ship's Python endpoint.

Requests come as JSON lines on file descriptor 3, answers leave as JSON lines on 4, so nothing that the user's code
prints can break the protocol. Descriptors 1 and 2 are one pipe to Ship: output of subprocesses, of C libraries and of
os.write() is captured too, in the order in which it was written. Around each cell the driver writes the request's start
and end marks into that pipe; Ship drops what arrives outside of them.

The user's code runs in this process and may close, replace or patch whatever it finds. The driver keeps descriptors of
its own and the functions that it needs; where it cannot go on it ends, and Ship starts another.
"""

import ast
import base64
import builtins
import fcntl
import importlib
import inspect
import io
import json
import linecache
import os
import re
import signal
import sys
import traceback
import types

DRIVER = __file__
RED, PLAIN = "\x1b[31m", "\x1b[0m"
# Longest traceback that is sent, in characters: the end holds the exception, so the middle is cut.
MAX_ERROR = 1024 * 1024
COMMAND = re.compile(r"^(\s*)(!|%%?)(.*)$")


# The user's code may replace these in their modules.
_dumps, _loads, _write, _close, _fstat, _dup2, _exit, _getpid, _print = (
    json.dumps, json.loads, os.write, os.close, os.fstat, os.dup2, os._exit, os.getpid, print)


def move_up(descriptor, keep=False):
    """A copy of a descriptor that neither programs inherit nor a small number hits; the original is closed unless kept."""
    for least in (1000, 200, 50, 10):
        try:
            copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, least)
            break
        except OSError:  # beyond the limit of open files
            continue
    if not keep:
        _close(descriptor)
    return copy


class Streams:
    """Standard output and error: Python's, and those of C."""

    def __init__(self):
        self.pipe = move_up(1, keep=True)
        sys.stdout.reconfigure(encoding="utf-8", line_buffering=True, errors="backslashreplace")
        sys.stderr.reconfigure(encoding="utf-8", line_buffering=True, errors="backslashreplace")
        self.flush_c = line_buffer_c()

    def restore(self):
        """Puts back what an earlier cell has closed, so that it takes nothing from the next one."""
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            try:
                _fstat(descriptor)
            except OSError:
                _dup2(self.pipe, descriptor)
            stream = getattr(sys, name, None)
            if stream is None or getattr(stream, "closed", False):
                fresh = io.TextIOWrapper(
                    io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False)),
                    encoding="utf-8", errors="backslashreplace", line_buffering=True)
                setattr(sys, name, fresh)
                setattr(sys, f"__{name}__", fresh)

    def flush(self):
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            try:
                stream.flush()
            except Exception:  # the user may have closed or replaced it
                pass
        self.flush_c()


def line_buffer_c():
    """Makes C's printf() appear line by line, as print() does; gives what writes the rest of a line."""
    try:
        import ctypes
        libc = ctypes.CDLL(None)
        stdout = ctypes.c_void_p.in_dll(libc, "stdout")
        libc.setvbuf(stdout, None, 1, 0)  # _IOLBF
        return lambda: libc.fflush(stdout)
    except Exception:  # a Python without ctypes, or another C library
        return lambda: None


class Interpreter:
    """One namespace that lives until the process ends."""

    def __init__(self, streams):
        self.streams = streams
        module = types.ModuleType("__main__")
        module.__builtins__ = builtins
        module.__dict__["__ship_command__"] = self.command
        sys.modules["__main__"] = module
        self.names = module.__dict__
        self.count = 0
        self.running = False
        self.images = []
        self.image_room = 0
        self.images_dropped = 0
        self.loop = None
        builtins.display = self.display

    def interrupt(self, _signum, _frame):
        if self.running:
            raise KeyboardInterrupt

    def run(self, source, silent, max_images):
        """Runs one cell; gives (error text or None, images)."""
        self.images = []
        self.image_room = max_images
        self.images_dropped = 0
        if not silent:
            self.count += 1
        self.streams.restore()
        signal.signal(signal.SIGINT, self.interrupt)
        importlib.invalidate_caches()  # a module written a moment ago must be found
        error = None
        try:
            self.running = True
            self.execute(source, silent)
            self.collect_figures()
        except SystemExit as stop:
            # exit() ends the cell, not the interpreter; a failure code is a failed cell.
            error = None if stop.code in (None, 0) else self.describe(stop)
        except BaseException as problem:
            error = self.describe(problem)
        finally:
            self.running = False
        self.streams.flush()
        return error, self.images

    def execute(self, source, silent):
        name = f"<cell {self.count}>"
        tree, source = parse(source, name)
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        last = None
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not ends_with_semicolon(source, tree.body[-1]):
            last = ast.Expression(tree.body.pop().value)
        self.evaluate(tree, name, "exec")
        if last is None:
            return
        value = self.evaluate(last, name, "eval")
        if value is not None and not silent:
            builtins._ = value
            self.display(value)

    def evaluate(self, tree, name, mode):
        code = compile(tree, name, mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        result = eval(code, self.names)
        if not code.co_flags & inspect.CO_COROUTINE:
            return result
        if self.loop is None:
            import asyncio
            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
        return self.loop.run_until_complete(result)

    def display(self, *values):
        """Shows values as a notebook does: their text, and a PNG where they have one."""
        for value in values:
            png = getattr(value, "_repr_png_", None)
            data = png() if callable(png) and not isinstance(value, type) else None
            if isinstance(data, bytes):
                self.add_image(data)
            text = repr(value)
            self.streams.restore()
            _print(text)

    def add_image(self, data):
        text = base64.b64encode(data).decode("ascii")
        if len(text) > self.image_room:
            self.images_dropped += 1
            return
        self.image_room -= len(text)
        self.images.append({"image/png": text})

    def collect_figures(self):
        plot = sys.modules.get("matplotlib.pyplot")
        if plot is None:
            return
        for number in plot.get_fignums():
            target = io.BytesIO()
            plot.figure(number).savefig(target, format="png", bbox_inches="tight")
            self.add_image(target.getvalue())
        plot.close("all")

    def command(self, line):
        """A `!command` line."""
        import subprocess
        self.streams.flush()
        return_code = subprocess.run(["/bin/bash", "-c", line], stdin=subprocess.DEVNULL).returncode
        self.names["_exit_code"] = return_code

    def describe(self, problem):
        """The traceback in colour. An exception can be such that not even that can be told."""
        try:
            return self.describe_whole(problem)
        except BaseException:
            return f"{RED}{type(problem).__name__}{PLAIN}: its traceback cannot be shown"

    def describe_whole(self, problem):
        trace = problem.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == DRIVER:
            trace = trace.tb_next
        lines = traceback.format_exception(type(problem), problem, trace)
        kind = type(problem).__name__
        last = lines[-1].rstrip("\n")
        if last.startswith(kind):
            lines[-1] = f"{RED}{kind}{PLAIN}{last[len(kind):]}"
        else:
            lines.append(f"{RED}{kind}{PLAIN}")
        return shortened(f"{RED}{'-' * 75}{PLAIN}\n" + "".join(lines).rstrip("\n"))


def parse(source, name):
    """The syntax tree; only text that is no Python is read again with `!command` and `%pip` lines translated."""
    try:
        return ast.parse(source, name), source
    except SyntaxError as problem:
        translated = "\n".join(translate(line) for line in source.split("\n"))
        if translated == source:
            raise
        try:
            return ast.parse(translated, name), translated
        except SyntaxError:
            raise problem from None


def translate(line):
    found = COMMAND.match(line)
    if not found:
        return line
    indent, kind, rest = found.groups()
    if kind == "!":
        return f"{indent}__ship_command__({rest!r})"
    if kind == "%" and rest.startswith("pip "):
        return f"{indent}__ship_command__({sys.executable + ' -m ' + rest!r})"
    if kind == "%" and rest.startswith("cd "):
        return f"{indent}__import__('os').chdir({rest[3:].strip()!r})"
    return line


def ends_with_semicolon(source, node):
    lines = source.split("\n")
    tail = lines[node.end_lineno - 1].encode()[node.end_col_offset:].decode(errors="replace")
    return tail.lstrip(" )").startswith(";")


def shortened(text):
    if len(text) <= MAX_ERROR:
        return text
    half = MAX_ERROR // 2
    return f"{text[:half]}\n[output_limit_exceeded: {len(text) - 2 * half} characters cut here]\n{text[-half:]}"


def offer_to_the_killer():
    """When memory runs out the system is to end this process (what it starts inherits that) before Ship."""
    try:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    except OSError:  # not every sandbox lets it; then the system chooses by size
        pass


def write_all(descriptor, data):
    while data:
        data = data[_write(descriptor, data):]


def answer(descriptor, **fields):
    """A line of its own, whatever the user's code may have written before it."""
    write_all(descriptor, b"\n" + _dumps(fields).encode() + b"\n")


def main():
    requests = os.fdopen(move_up(3), "r", encoding="utf-8")
    results = move_up(4)
    streams = Streams()
    sys.dont_write_bytecode = True  # a module rewritten within one second must not come from a stale cache
    sys.path[0] = ""
    sys.argv = [""]
    interpreter = Interpreter(streams)
    signal.signal(signal.SIGINT, interpreter.interrupt)
    offer_to_the_killer()
    own = _getpid()
    write_all(results, b'{"ready": true}\n')
    for line in requests:
        request = _loads(line)
        answer(results, id=request["id"], begun=True)
        write_all(streams.pipe, request["start"].encode())
        try:
            error, images = interpreter.run(request["code"], request["silent"], request["max_images"])
        except KeyboardInterrupt as problem:  # an interrupt that came in the moment the cell ended
            error, images = interpreter.describe(problem), []
        if _getpid() != own:  # a fork made by the user's code has come to the end of the cell
            if error is not None:
                write_all(2, error.encode("utf-8", "backslashreplace") + b"\n")
            _exit(0 if error is None else 1)
        count = None if request["silent"] else interpreter.count
        dropped = interpreter.images_dropped
        cut = f"output_limit_exceeded: {dropped} more images were dropped, the limit is {request['max_images']} bytes" if dropped else None
        answer(results, id=request["id"], count=count, error=error, images=images, cut=cut)
        write_all(streams.pipe, request["end"].encode())


try:
    main()
except BaseException:
    # Without its descriptors it is of no use, and threads of the user's must not hold it. 70: an internal error, by sysexits.h.
    _exit(70)
_exit(0)
