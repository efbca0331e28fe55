package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// inspection is what was learned of a container's processes.
type inspection struct {
	// memory that would be written, with deleted files, in bytes.
	memory int64
	// watched are paths of the root file system that are watched.
	watched []string
}

// inspect looks for what CRIU cannot dump, or dumps and cannot restore, and estimates the memory that would be written.
// It sees a moment of a running container: what begins afterwards is CRIU's to refuse.
func (c *container) inspect() (found inspection, err error) {
	if c.spec.Process.Terminal {
		return found, failf(codeTTY, "the container has a terminal (tty: true), which cannot be restored")
	}
	if c.spec.hasNamespace("user") {
		return found, failf(codeUserNamespace, "the pod has a user namespace (hostUsers: false)")
	}
	pids, err := c.processes()
	if err != nil {
		return found, err
	}
	open, err := c.newFiles()
	if err != nil {
		return found, err
	}
	limitsReadable := hasCapability(capSysResource)
	for _, pid := range pids {
		if !c.inTree(pid) {
			continue // It was exec'd into the container, and is no part of the checkpoint.
		}
		bytes, err := inspectProcess(pid, limitsReadable, open)
		if ended(err) {
			continue
		}
		if err != nil {
			return found, err
		}
		found.memory += bytes
	}
	found.memory += open.deleted
	if len(open.watches) > 0 {
		found.watched, err = pathsOf(open.watches, c.spec.rootfs(c.bundle))
	}
	return found, err
}

// ended tells whether an error only says that a process ended while it was looked at.
func ended(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

func inspectProcess(pid int, limitsReadable bool, open *files) (int64, error) {
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
	for _, kind := range []string{"net", "user"} {
		if own := namespaceOf(pid, kind); own != "" && own != open.namespaces[kind] {
			return 0, failf(codeNamespace, "%s has a %s namespace of its own, which cannot be restored", who, kind)
		}
	}
	if program, err := os.Readlink(folder + "/exe"); err == nil && strings.HasPrefix(program, "/memfd:") {
		return 0, failf(codeDeletedMapping, "%s runs a program in a memfd", who)
	}
	if err := open.inspect(pid, who); err != nil {
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
	// Memory that has no file: shared anonymous, System V's, memfd's, rings of AIO, and what is no path.
	case kept == "/dev/zero", strings.HasPrefix(kept, "/SYSV"), strings.HasPrefix(kept, "/memfd:"), kept == "/[aio]", !strings.HasPrefix(kept, "/"):
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
