package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"

	"golang.org/x/sys/unix"
)

// CRIU finds the name of a watched file (inotify) on an overlay only where it is told to look: an overlay cannot open
// a file by its handle. So the names are looked up before a dump, and handed on as options.

// errFound ends a walk.
var errFound = errors.New("all is found")

// plainPath is a path that can stand in a file of options, which is read by words and lines.
var plainPath = regexp.MustCompile(`^/[A-Za-z0-9._@%+=:,/-]+$`)

// pathsOf finds the names of watched files in the root file system.
func pathsOf(watches map[inode]string, rootfs string) (paths []string, err error) {
	left := map[inode]string{}
	for file, who := range watches {
		left[file] = who
	}
	err = walkTree(rootfs, func(e *entry) error {
		file := inode{e.stat.Dev, e.stat.Ino}
		who, wanted := left[file]
		if !wanted {
			return nil
		}
		delete(left, file)
		name := path.Join("/", e.name)
		if e.name != "." { // CRIU looks at the root by itself.
			if !plainPath.MatchString(name) {
				return failf(codeWatch, "%s watches %q (inotify), and CRIU cannot be told of such a name", who, name)
			}
			paths = append(paths, name)
		}
		if len(left) == 0 {
			return errFound
		}
		return nil
	})
	if err != nil && !errors.Is(err, errFound) {
		return nil, err
	}
	for _, who := range left {
		return nil, failf(codeWatch,
			"%s watches a file of the root file system (inotify) that has no name any more",
			who)
	}
	return paths, nil
}

// queued refuses a container with POSIX message queues that hold something: CRIU knows no way to keep them.
func (c *container) queued(mounts map[uint64]string) error {
	for _, point := range mounts {
		root, err := openBeneath(fmt.Sprintf("/proc/%d/root/.", c.pid))
		if err != nil {
			return err
		}
		fd, err := root.folder(path.Join(".", point))
		root.close()
		if err != nil {
			continue // Something else lies above it.
		}
		var stat unix.Statfs_t
		err = unix.Fstatfs(fd, &stat)
		folder := &entry{name: point, fd: fd}
		if err != nil || stat.Type != mqueueMagic {
			folder.close()
			continue
		}
		file, names, err := readFolder(folder)
		folder.close()
		if err != nil {
			return err
		}
		_ = file.Close()
		if len(names) > 0 {
			return failf(codeDescriptor,
				"the container has the POSIX message queue /%s, which cannot be restored",
				names[0])
		}
	}
	return nil
}

const mqueueMagic = 0x19800202

// newFiles says what the open files of the container's processes are compared with.
func (c *container) newFiles() (*files, error) {
	options, err := os.ReadFile(criuConfig)
	if err != nil && !missing(err) {
		return nil, err
	}
	mountinfo, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", c.pid))
	if err != nil {
		return nil, err
	}
	queues := mountsOf(string(mountinfo), "mqueue")
	if err := c.queued(queues); err != nil {
		return nil, err
	}
	f := &files{ghostLimit: ghostLimitOf(string(options)), queues: map[uint64]bool{}, watches: map[inode]string{},
		inTree: c.inTree, namespaces: map[string]string{}}
	for _, kind := range []string{"net", "user"} {
		f.namespaces[kind] = namespaceOf(c.pid, kind)
	}
	for device := range queues {
		f.queues[device] = true
	}
	var root unix.Stat_t
	if err := unix.Stat(c.spec.rootfs(c.bundle), &root); err != nil {
		return nil, err
	}
	f.root = root.Dev
	return f, nil
}
