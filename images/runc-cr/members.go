package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// processes are the ids of all processes of the container, its sub-groups' and exec'd ones too.
func (c *container) processes() ([]int, error) {
	group := c.cgroups[""]
	for _, controller := range []string{"freezer", "pids", "memory"} {
		if c.cgroups[controller] != "" {
			group = c.cgroups[controller]
			break
		}
	}
	var pids []int
	err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if missing(err) && path != group {
			return nil // A sub-group that was removed meanwhile.
		}
		if err != nil || entry.Name() != "cgroup.procs" {
			return err
		}
		content, err := os.ReadFile(path)
		for _, line := range strings.Fields(string(content)) {
			if pid, err := strconv.Atoi(line); err == nil {
				pids = append(pids, pid)
			}
		}
		// In a threaded group of version 2 it cannot be read: the processes are those of the group above.
		if missing(err) || errors.Is(err, unix.EOPNOTSUPP) {
			return nil
		}
		return err
	})
	return pids, err
}

// inTree tells whether a process descends from the container's first one, and so is one of those that CRIU dumps.
func (c *container) inTree(pid int) bool {
	for pid > 1 && pid != c.pid {
		process, err := readProcess(pid)
		if err != nil {
			return false
		}
		pid = process.parent
	}
	return pid == c.pid
}

// forkedOnly is the kernel's flag of a process that has not exec'd a program since it was forked.
const forkedOnly = 0x40

// started tells whether a process that joined the container runs its code. The runtime's own, which brings it there,
// first stands in the node's process namespace, and then is a fork of a parent outside that has not exec'd the
// container's program yet.
func (c *container) started(pid int) bool {
	if namespaceOf(pid, "pid") != namespaceOf(c.pid, "pid") {
		return false
	}
	process, err := readProcess(pid)
	if err != nil || process.state == 'Z' || process.state == 'X' {
		return true // It is gone, and nobody knows what it did.
	}
	return process.flags&forkedOnly == 0 || namespaceOf(process.parent, "pid") == namespaceOf(c.pid, "pid")
}

// namespaceOf names a namespace of a process; nothing where the process is gone.
func namespaceOf(pid int, kind string) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	return name
}

// usage is the processor time that the container's processes have had, in the unit of its cgroup; nothing where that
// is not told. It tells whether all stood still between two looks.
func (c *container) usage() (time uint64, told bool) {
	if group := c.cgroups["cpuacct"]; group != "" {
		content, err := os.ReadFile(filepath.Join(group, "cpuacct.usage"))
		time, parsed := strconv.ParseUint(strings.TrimSpace(string(content)), 10, 64)
		return time, err == nil && parsed == nil
	}
	content, err := os.ReadFile(filepath.Join(c.cgroups[""], "cpu.stat"))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(content)) {
		if value, found := strings.CutPrefix(line, "usage_usec "); found {
			time, err = strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			return time, err == nil
		}
	}
	return 0, false
}
