package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// inspect looks for what CRIU cannot dump, or dumps and cannot restore, and estimates the memory that would be written.
// It sees a moment of a running container: what begins afterwards is CRIU's to refuse.
func (c *container) inspect() (memory int64, err error) {
	if c.spec.Process.Terminal {
		return 0, failf(codeTTY, "the container has a terminal (tty: true), which cannot be restored")
	}
	if c.spec.hasNamespace("user") {
		return 0, failf(codeUserNamespace, "the pod has a user namespace (hostUsers: false)")
	}
	pids, err := c.processes()
	if err != nil {
		return 0, err
	}
	limitsReadable := hasCapability(capSysResource)
	for _, pid := range pids {
		if !c.inTree(pid) {
			continue // It was exec'd into the container, and is no part of the checkpoint.
		}
		bytes, err := inspectProcess(pid, limitsReadable)
		if ended(err) {
			continue
		}
		if err != nil {
			return 0, err
		}
		memory += bytes
	}
	return memory, nil
}

// ended tells whether an error only says that a process ended while it was looked at.
func ended(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

func inspectProcess(pid int, limitsReadable bool) (int64, error) {
	folder := fmt.Sprintf("/proc/%d", pid)
	name, err := os.ReadFile(folder + "/comm")
	if err != nil {
		return 0, err
	}
	who := fmt.Sprintf("process %d (%s)", pid, strings.TrimSpace(string(name)))
	tracer, err := statusField(pid, "TracerPid")
	if err != nil {
		return 0, err
	}
	if tracer != "0" {
		return 0, failf(codeTraced, "%s is traced by process %s", who, tracer)
	}
	if !limitsReadable {
		uids, err := statusField(pid, "Uid")
		if err != nil {
			return 0, err
		}
		if real, _, _ := strings.Cut(uids, "\t"); real != "0" {
			return 0, failf(codeNotPermitted, "%s is of uid %s, and this node lacks CAP_SYS_RESOURCE, which reading its limits needs; run it as uid 0", who, real)
		}
	}
	if err := inspectFiles(folder, who); err != nil {
		return 0, err
	}
	maps, err := os.Open(folder + "/maps")
	if err != nil {
		return 0, err
	}
	defer maps.Close()
	scanner := bufio.NewScanner(maps)
	for scanner.Scan() {
		if refused := inspectMapping(scanner.Text(), who); refused != nil {
			return 0, refused
		}
	}
	return anonymousMemory(pid)
}

// inspectFiles looks at what a process has open.
func inspectFiles(folder, who string) error {
	entries, err := os.ReadDir(folder + "/fd")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(folder, "fd", entry.Name())
		target, err := os.Readlink(path)
		if err != nil {
			continue // It was closed meanwhile.
		}
		if target == "anon_inode:[io_uring]" {
			return failf(codeIOUring, "%s has an io_uring", who)
		}
		var info unix.Stat_t
		if unix.Stat(path, &info) == nil && info.Mode&unix.S_IFMT == unix.S_IFCHR && !restorableDevice(uint64(info.Rdev)) {
			return failf(codeDevice, "%s has the device %s open", who, target)
		}
	}
	return nil
}

// restorableDevice tells whether CRIU opens a character device anew at a restore: those without a state, and terminals.
func restorableDevice(device uint64) bool {
	const memory, terminals, firstPts, lastPts = 1, 5, 136, 143
	switch major, minor := unix.Major(device), unix.Minor(device); {
	case major == memory:
		return minor == 3 || minor == 5 || minor == 7 || minor == 8 || minor == 9 // null, zero, full, random, urandom
	case major == terminals:
		return minor <= 2
	default:
		return major >= firstPts && major <= lastPts
	}
}

// inspectMapping looks at a line of /proc/PID/maps.
func inspectMapping(line, who string) *failure {
	fields := strings.SplitN(line, " ", 6)
	if len(fields) < 6 {
		return nil
	}
	path := strings.TrimLeft(fields[5], " ")
	kept, deleted := strings.CutSuffix(path, " (deleted)")
	switch {
	// Memory that has no file: shared anonymous, System V's, memfd's, and what is no path.
	case kept == "/dev/zero", strings.HasPrefix(kept, "/SYSV"), strings.HasPrefix(kept, "/memfd:"), !strings.HasPrefix(kept, "/"):
		return nil
	case deleted:
		return failf(codeDeletedMapping, "%s maps %s, which was deleted", who, kept)
	case strings.HasPrefix(kept, "/dev/") && !strings.HasPrefix(kept, "/dev/shm/"):
		return failf(codeDevice, "%s maps the device %s", who, kept)
	case strings.Contains(kept, "io_uring"):
		return failf(codeIOUring, "%s has an io_uring", who)
	}
	return nil
}

// anonymousMemory is the memory of a process that is in no file of its own accord, in bytes.
func anonymousMemory(pid int) (int64, error) {
	var sum int64
	for _, field := range []string{"RssAnon", "RssShmem", "VmSwap"} {
		text, err := statusField(pid, field)
		if err != nil {
			return 0, err
		}
		kib, _ := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
		sum += kib << 10
	}
	return sum, nil
}
