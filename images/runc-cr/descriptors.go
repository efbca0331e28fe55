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

// restorableObjects are the kernel's objects without a path that CRIU restores. A kind that is not here cannot be
// dumped.
var restorableObjects = map[string]bool{
	"[eventfd]": true, "[eventpoll]": true, "[signalfd]": true, "[timerfd]": true, "[pidfd]": true, "inotify": true,
	"[fanotify]": true,
}

// descriptor is what a process has open under a number.
type descriptor struct {
	pid                         int
	who, folder, number, target string
	stat                        unix.Statx_t
	// file is what is open: its inode on its device.
	file inode
}

// files is what is looked at in the open files of a container's processes, and what is found in them.
type files struct {
	// ghostLimit is the most of a deleted file that CRIU keeps, in bytes.
	ghostLimit int64
	// queues are devices of POSIX message queues, root is that of the container's own root file system.
	queues map[uint64]bool
	root   uint64
	// namespaces of the container's first process by kind.
	namespaces map[string]string
	// deleted is the size of deleted files that a checkpoint will hold, in bytes.
	deleted int64
	// inTree tells whether a process is one of those that are dumped.
	inTree func(pid int) bool
	// watches are the files of the root file system that are watched, with a process that does so.
	watches map[inode]string
}

// inspect looks at what a process has open.
func (f *files) inspect(pid int, who string) error {
	folder := fmt.Sprintf("/proc/%d", pid)
	entries, err := os.ReadDir(folder + "/fd")
	if err != nil {
		return err
	}
	all := make([]*descriptor, 0, len(entries))
	for _, entry := range entries {
		if d := openDescriptor(pid, folder, entry.Name(), who); d != nil {
			all = append(all, d)
		}
	}
	for _, d := range all {
		var err error
		switch kind, anonymous := strings.CutPrefix(d.target, "anon_inode:"); {
		case anonymous:
			err = f.object(d, kind, all)
		case d.stat.Mode&unix.S_IFMT == unix.S_IFCHR:
			if device := unix.Mkdev(d.stat.Rdev_major, d.stat.Rdev_minor); !restorableDevice(device) {
				err = failf(codeDevice, "%s has the device %s open", who, d.target)
			}
		case d.stat.Mode&unix.S_IFMT == unix.S_IFREG:
			err = f.regular(d)
		case d.stat.Mode&unix.S_IFMT == unix.S_IFSOCK && strings.HasPrefix(d.target, "socket:"):
			err = f.socket(d)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// openDescriptor is nothing where the descriptor was closed meanwhile.
func openDescriptor(pid int, folder, number, who string) *descriptor {
	path := filepath.Join(folder, "fd", number)
	target, err := os.Readlink(path)
	if err != nil {
		return nil
	}
	d := &descriptor{pid: pid, who: who, folder: folder, number: number, target: target}
	// A file system that a process itself serves is not asked, as it might not answer.
	if unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, unix.STATX_BASIC_STATS, &d.stat) != nil {
		return nil
	}
	d.file = inode{unix.Mkdev(d.stat.Dev_major, d.stat.Dev_minor), d.stat.Ino}
	return d
}

func (f *files) object(d *descriptor, kind string, all []*descriptor) error {
	switch {
	case kind == "[io_uring]":
		return failf(codeIOUring, "%s has an io_uring", d.who)
	case !restorableObjects[kind]:
		return failf(codeDescriptor,
			"%s has %s open (descriptor %s), which cannot be restored",
			d.who, d.target, d.number)
	case kind == "[eventpoll]":
		return d.epoll(all)
	case kind == "[timerfd]":
		return d.timer()
	case kind == "inotify" || kind == "[fanotify]":
		return f.watch(d)
	}
	return nil
}

func (f *files) regular(d *descriptor) error {
	const hugePage = 1 << 20
	bytes := int64(d.stat.Blocks) * 512
	switch {
	case strings.HasPrefix(d.target, "/memfd:"):
		if d.stat.Blksize >= hugePage {
			return failf(codeDescriptor,
				"%s has a memfd of huge pages open (descriptor %s), which cannot be restored",
				d.who, d.number)
		}
	case f.queues[d.file.device]:
		return failf(codeDescriptor,
			"%s has the POSIX message queue %s open, which cannot be restored",
			d.who, d.target)
	case d.stat.Nlink == 0 && bytes > f.ghostLimit:
		return failf(codeDeletedFile,
			"%s has %s open, which was deleted and takes %d bytes; at most %d are kept (ghost-limit in %s)",
			d.who, d.target, bytes, f.ghostLimit, criuConfig)
	case d.stat.Nlink == 0:
		f.deleted += bytes
	case d.file.device != f.root:
		return d.lease()
	}
	return nil
}

// watch notes the watched files of the root file system. CRIU finds those of other file systems by itself.
func (f *files) watch(d *descriptor) error {
	lines, err := d.lines()
	if err != nil {
		return err
	}
	for _, line := range lines {
		if file, _, found := fileIn(line); found && file.device == f.root {
			f.watches[file] = d.who
		}
	}
	return nil
}

// ghostLimitOf reads CRIU's limit of deleted files from its options.
func ghostLimitOf(options string) int64 {
	limit := int64(1 << 20)
	for line := range strings.Lines(options) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "ghost-limit" {
			continue
		}
		text, shift := words[1], 0
		if at := strings.IndexByte("KMG", text[len(text)-1]); at >= 0 {
			text, shift = text[:len(text)-1], 10*(at+1)
		}
		if value, err := strconv.ParseInt(text, 10, 64); err == nil {
			limit = value << shift
		}
	}
	return limit
}

// mountsOf reads which devices of a process's mounts are of a kind, and where they are mounted.
func mountsOf(mountinfo, kind string) map[uint64]string {
	found := map[uint64]string{}
	for line := range strings.Lines(mountinfo) {
		mount, system, _ := strings.Cut(strings.TrimSpace(line), " - ")
		fields, words := strings.Fields(mount), strings.Fields(system)
		if len(fields) < 5 || len(words) < 1 || words[0] != kind {
			continue
		}
		var major, minor uint32
		if _, err := fmt.Sscanf(fields[2], "%d:%d", &major, &minor); err == nil {
			found[unix.Mkdev(major, minor)] = unescape(fields[4])
		}
	}
	return found
}
