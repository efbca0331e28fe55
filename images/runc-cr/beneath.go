package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// beneath is a folder below which names are resolved without following a link at any component; see walk.go for why.
type beneath struct{ fd int }

func openBeneath(folder string) (*beneath, error) {
	fd, err := unix.Open(folder, openOnly|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: folder, Err: err}
	}
	return &beneath{fd}, nil
}

func (b *beneath) close() { _ = unix.Close(b.fd) }

// openFolder opens a folder of a folder; not what a link leads to.
func openFolder(parent int, base string) (int, error) {
	return unix.Openat(parent, base, openOnly|unix.O_DIRECTORY, 0)
}

// folder opens a folder by its path below the root, component by component. The caller closes it.
func (b *beneath) folder(name string) (int, error) {
	fd, err := openFolder(b.fd, ".")
	if err != nil || name == "." {
		return fd, err
	}
	components := strings.Split(name, "/")
	for i, component := range components {
		next, err := openFolder(fd, component)
		_ = unix.Close(fd)
		at := strings.Join(components[:i+1], "/")
		switch {
		case errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP):
			return -1, fmt.Errorf("leads through %s, which is no folder", at)
		case err != nil:
			return -1, fmt.Errorf("has no folder: %s: %w", at, err)
		}
		fd = next
	}
	return fd, nil
}

// removeAt removes what a folder has under a name, and all that is below it, without following a link.
func removeAt(parent int, base string) error {
	err := unix.Unlinkat(parent, base, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", parent))
	if err != nil {
		return err
	}
	defer root.Close()
	err = root.RemoveAll(base)
	for _, raced := range []error{unix.ENOTEMPTY, unix.EEXIST, unix.ENOTDIR, unix.EISDIR} {
		if errors.Is(err, raced) {
			return failf(codeNotStill, "another process put something into %s while it was removed", base)
		}
	}
	return err
}
