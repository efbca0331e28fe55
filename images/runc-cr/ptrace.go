package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// New children and threads of what is held are held from their beginning.
	traceOptions = unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACECLONE
	// __WNOTHREAD: only what this thread traces, and no child that another one waits for.
	ownOnly = unix.WNOHANG | unix.WALL | 0x20000000
)

// seize begins to stop all threads of a process; `taken` is false where it has ended.
func (h *holder) seize(pid int) (taken bool, err error) {
	for again := true; again; {
		again = false
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil {
			return taken, err
		}
		for _, path := range threads {
			tid, err := strconv.Atoi(filepath.Base(path))
			if err != nil || h.threads[tid] != nil {
				continue
			}
			// SEIZE leaves what SIGSTOP stopped as it is; ATTACH would not.
			if err := ptrace(unix.PTRACE_SEIZE, tid, traceOptions); err != nil {
				if gone(tid) {
					continue
				}
				return taken, failf(codeNotStill,
					"process %d (%s), which was exec'd into the container, cannot be stopped: %v",
					pid, comm(pid), err)
			}
			h.threads[tid] = &held{pid: pid}
			taken, again = true, true
			if err := ptrace(unix.PTRACE_INTERRUPT, tid, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				return taken, fmt.Errorf("interrupt of process %d: %w", pid, err)
			}
		}
	}
	return taken, nil
}

func ptrace(request, tid int, data uintptr) error {
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), 0, data, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// gone tells whether a thread has ended, or is a zombie that waits for its parent.
func gone(tid int) bool {
	process, err := readProcess(tid)
	return err != nil || process.state == 'Z' || process.state == 'X'
}

func comm(pid int) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(name))
}

// processOf is the process that a thread is of.
func processOf(tid int) int {
	text, _ := statusField(tid, "Tgid")
	if pid, err := strconv.Atoi(text); err == nil {
		return pid
	}
	return tid
}

// waitsForChild tells whether a thread waits in the kernel until its child, which is held, has exec'd or ended (vfork).
func waitsForChild(tid int) bool {
	process, err := readProcess(tid)
	if err != nil || process.state != 'D' {
		return false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", tid))
	if err != nil {
		return false
	}
	number, _, _ := strings.Cut(string(text), " ")
	call, err := strconv.Atoi(strings.TrimSpace(number))
	return err == nil && forks[call]
}
