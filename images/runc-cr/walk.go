package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// A tenant's processes write the trees that this program, which is root on the node, reads and writes. So nothing
// here is looked at by one path and opened by another: each name is opened in its open folder, links are never
// followed, and all that is known of a thing (type, size, owner, attributes, content) is read from what was opened.
// This needs no openat2.

// maxDepth bounds how deep folders are nested, as a walk holds one open file for each level.
const maxDepth = 1000

// openOnly opens a thing without touching it: a fifo does not block, a device does not start, a link stays a link.
const openOnly = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC

// entry is one thing of a tree, opened with openOnly.
type entry struct {
	// name is its path below the root, which is "." itself.
	name string
	fd   int
	stat unix.Stat_t
}

// openEntry opens what a folder has under a name.
func openEntry(folder int, base, name string) (*entry, error) {
	fd, err := unix.Openat(folder, base, openOnly, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	e := &entry{name: name, fd: fd}
	if err := unix.Fstat(fd, &e.stat); err != nil {
		e.close()
		return nil, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	return e, nil
}

func (e *entry) close() { _ = unix.Close(e.fd) }

// kind is the type of file, one of unix.S_IF….
func (e *entry) kind() uint32 { return e.stat.Mode & unix.S_IFMT }

func (e *entry) isFolder() bool  { return e.kind() == unix.S_IFDIR }
func (e *entry) isRegular() bool { return e.kind() == unix.S_IFREG }

// self is a path that leads to the very thing that was opened, and no further if that is a link.
func (e *entry) self() string { return fmt.Sprintf("/proc/self/fd/%d", e.fd) }

// walkTree visits a folder and all below it, in the order of names. What vanishes before it is opened was never
// there. An entry is open until `visit` returns.
func walkTree(folder string, visit func(*entry) error) error {
	root, err := openEntry(unix.AT_FDCWD, folder, ".")
	if err != nil {
		return err
	}
	return walk(root, root.stat.Dev, 0, visit)
}

// walk visits an entry and what is below it; it closes the entry.
func walk(e *entry, device uint64, depth int, visit func(*entry) error) error {
	if e.isFolder() && e.stat.Dev != device {
		e.close()
		return failf(codeNestedMount, "another file system is mounted on /%s of the container's files", e.name)
	}
	err := visit(e)
	if err != nil || !e.isFolder() {
		e.close()
		return err
	}
	folder, names, err := readFolder(e)
	e.close()
	if err != nil {
		return err
	}
	defer folder.Close()
	if depth == maxDepth {
		return failf(codeTooLarge, "folders are nested deeper than %d", maxDepth)
	}
	for _, base := range names {
		child, err := openEntry(int(folder.Fd()), base, path.Join(e.name, base))
		if missing(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := walk(child, device, depth+1, visit); err != nil {
			return err
		}
	}
	return nil
}

// readFolder opens the folder that an entry is for reading.
func readFolder(e *entry) (*os.File, []string, error) {
	fd, err := unix.Openat(e.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, &os.PathError{Op: "open", Path: e.name, Err: err}
	}
	folder := os.NewFile(uintptr(fd), e.name)
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return nil, nil, errors.Join(err, folder.Close())
	}
	slices.Sort(names)
	return folder, names, nil
}

// open opens a regular file's content. It does not wait for anything: a lease of a process that stands still would
// hold it up.
func (e *entry) open() (*os.File, error) {
	fd, err := unix.Open(e.self(), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, failf(codeLease, "a process has a lease on /%s of the container's files", e.name)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: e.name, Err: err}
	}
	return os.NewFile(uintptr(fd), e.name), nil
}

// target is where a link leads to.
func (e *entry) target() (string, error) {
	text := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(e.fd, "", text)
	if err != nil {
		return "", &os.PathError{Op: "readlink", Path: e.name, Err: err}
	}
	return string(text[:n]), nil
}
