package main

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

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
