package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unsafe"

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

// lease refuses a lease on a file of a volume, which holds up whoever else opens it. In the root file system it is of
// the overlay's file, and not of the one below that is packed.
func (d *descriptor) lease() error {
	lines, err := d.lines()
	for _, line := range lines {
		if strings.HasPrefix(line, "lock:") && strings.Contains(line, " LEASE ") {
			return failf(codeLease, "%s has a lease on %s", d.who, d.target)
		}
	}
	return err
}

// lines gives what the kernel tells of a descriptor.
func (d *descriptor) lines() ([]string, error) {
	file, err := os.Open(filepath.Join(d.folder, "fdinfo", d.number))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var lines []string
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	return lines, scanner.Err()
}

var infoField = regexp.MustCompile(`(\w+):\s*([0-9a-f]+)`)

// fileIn reads `ino:` and `sdev:` of a line of fdinfo, which are hexadecimal; the device is as the kernel has it.
func fileIn(line string) (file inode, number string, found bool) {
	const minorBits = 20
	seen := 0
	for _, field := range infoField.FindAllStringSubmatch(line, -1) {
		value, err := strconv.ParseUint(field[2], 16, 64)
		switch {
		case field[1] == "tfd":
			number = field[2]
		case err != nil:
		case field[1] == "ino":
			file.number = value
			seen++
		case field[1] == "sdev":
			file.device = unix.Mkdev(uint32(value>>minorBits), uint32(value&(1<<minorBits-1)))
			seen++
		}
	}
	return file, number, seen == 2
}

// timer refuses one that expires again and again and that nobody has read since it did: CRIU takes it for one that is
// not set.
func (d *descriptor) timer() error {
	lines, err := d.lines()
	if err != nil {
		return err
	}
	told := map[string]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		told[name] = strings.TrimSpace(value)
	}
	const none = "(0, 0)"
	if told["it_value"] == none && told["it_interval"] != none && told["it_interval"] != "" {
		return failf(codeDescriptor,
			"%s has a timer (descriptor %s) that expired and was not read; restored, it would not expire again",
			d.who, d.number)
	}
	return nil
}

// epoll refuses one that waits for a file that its process has closed and another one still has open.
func (d *descriptor) epoll(all []*descriptor) error {
	lines, err := d.lines()
	if err != nil {
		return err
	}
	// Of several files under one number the kernel tells the first, second …
	seen := map[string]uint32{}
	for _, line := range lines {
		file, number, found := fileIn(line)
		if !found || number == "" {
			continue
		}
		at := seen[number]
		seen[number]++
		if !slices.ContainsFunc(all, func(each *descriptor) bool {
			return each.file == file && d.waitsFor(number, at,
				each)
		}) {
			return failf(codeEpoll,
				"%s waits by epoll for descriptor %s, which it has closed and another process has open",
				d.who, number)
		}
	}
	return nil
}

// waitsFor tells whether what an epoll has under a number is what a descriptor refers to; yes where the kernel does
// not tell.
func (d *descriptor) waitsFor(number string, at uint32, other *descriptor) bool {
	const epollTarget = 7 // KCMP_EPOLL_TFD
	var numbers [3]uint64
	for i, text := range []string{d.number, number, other.number} {
		value, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return false
		}
		numbers[i] = value
	}
	slot := [3]uint32{uint32(numbers[0]), uint32(numbers[1]), at}
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(d.pid), uintptr(d.pid), epollTarget, uintptr(numbers[2]),
		uintptr(unsafe.Pointer(&slot)), 0)
	return errno == unix.ENOSYS || errno == unix.EOPNOTSUPP || errno == 0 && order == 0
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
