package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// unpackTree applies an archive of packTree to a mounted root file system or a volume. Nothing outside of it can be
// touched, whatever the archive says and whoever writes to the folder meanwhile (see beneath.go).
func unpackTree(file, folder string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	root, err := openBeneath(folder)
	if err != nil {
		return err
	}
	defer root.close()
	u := unpacker{root: root, size: info.Size()}
	archive := tar.NewReader(in)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return u.finish()
		}
		if err != nil {
			return failf(codeUnsafeArchive, "the archive of the root file system's changes cannot be read: %v", err)
		}
		if err := u.apply(header, archive); err != nil {
			return err
		}
	}
}

type unpacker struct {
	root *beneath
	// size of the archive.
	size int64
	// Folders get their times last, as writing into them changes these.
	folders []*tar.Header
}

func (u *unpacker) apply(header *tar.Header, content io.Reader) error {
	name := strings.TrimSuffix(header.Name, "/")
	if name == "." && header.Typeflag == tar.TypeDir {
		return u.dressFolder(u.root.fd, header)
	}
	if err := checkName(name); err != nil {
		return err
	}
	parent, err := u.root.folder(path.Dir(name))
	if err != nil {
		return unsafeEntry(header.Name, err.Error())
	}
	defer unix.Close(parent)
	base := path.Base(name)
	switch {
	case header.Typeflag == tar.TypeDir:
		return u.folder(parent, base, header)
	case isWhiteout(header):
		return removeAt(parent, base)
	case header.Typeflag == tar.TypeReg:
		return u.file(parent, base, header, content)
	case header.Typeflag == tar.TypeSymlink:
		return u.node(parent, base, header, unix.S_IFLNK, func() error {
			return unix.Symlinkat(header.Linkname,
				parent, base)
		})
	case header.Typeflag == tar.TypeFifo:
		return u.node(parent, base, header, unix.S_IFIFO, func() error { return unix.Mkfifoat(parent, base, 0o600) })
	case header.Typeflag == tar.TypeLink:
		return u.hardLink(parent, base, header)
	default:
		return unsafeEntry(header.Name, fmt.Sprintf("has the type %q", header.Typeflag))
	}
}

func checkName(name string) error {
	if name == "." || !filepath.IsLocal(name) || path.Clean(name) != name {
		return unsafeEntry(name, "is no path below a root")
	}
	return nil
}

func unsafeEntry(name, why string) error {
	return failf(codeUnsafeArchive, "entry %q of the root file system's changes %s", name, why)
}

// replaced says that a name does not hold any more what was just put there.
func replaced(name string, err error) error {
	return failf(codeNotStill, "%s was replaced by another process while it was unpacked: %v", name, err)
}

func (u *unpacker) folder(parent int, base string, header *tar.Header) error {
	fd, err := openFolder(parent, base)
	if err == nil && header.PAXRecords[paxXattr+opaque] == "y" {
		_ = unix.Close(fd)
		err = unix.ENOTDIR
	}
	if err != nil {
		if err := removeAt(parent, base); err != nil {
			return err
		}
		if err := unix.Mkdirat(parent, base, 0o700); err != nil {
			return replaced(header.Name, err)
		}
		if fd, err = openFolder(parent, base); err != nil {
			return replaced(header.Name, err)
		}
	}
	defer unix.Close(fd)
	return u.dressFolder(fd, header)
}

func (u *unpacker) dressFolder(fd int, header *tar.Header) error {
	u.folders = append(u.folders, header)
	return dress(fd, header)
}

func (u *unpacker) file(parent int, base string, header *tar.Header, content io.Reader) error {
	// An archive of ours has no holes; one that has could write more than there is room for.
	if header.Size > u.size {
		return unsafeEntry(header.Name, fmt.Sprintf("has %d bytes, more than the archive", header.Size))
	}
	if err := removeAt(parent, base); err != nil {
		return err
	}
	fd, err := unix.Openat(parent, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return replaced(header.Name, err)
	}
	file := os.NewFile(uintptr(fd), header.Name)
	if _, err = io.CopyN(file, content, header.Size); err == nil {
		err = dress(fd, header)
	}
	return errors.Join(err, file.Close())
}

// node makes a link or a fifo.
func (u *unpacker) node(parent int, base string, header *tar.Header, kind uint32, make func() error) error {
	if err := removeAt(parent, base); err != nil {
		return err
	}
	if err := make(); err != nil {
		return replaced(header.Name, err)
	}
	made, err := openEntry(parent, base, header.Name)
	if err != nil {
		return replaced(header.Name, err)
	}
	defer made.close()
	if made.kind() != kind {
		return replaced(header.Name, errors.New("it has another type"))
	}
	return dress(made.fd, header)
}

// hardLink ties a name to a file that the archive, or the image, has under another one.
func (u *unpacker) hardLink(parent int, base string, header *tar.Header) error {
	if err := checkName(header.Linkname); err != nil {
		return err
	}
	folder, err := u.root.folder(path.Dir(header.Linkname))
	if err != nil {
		return unsafeEntry(header.Name, fmt.Sprintf("is a link to %s: %v", header.Linkname, err))
	}
	defer unix.Close(folder)
	from, err := openEntry(folder, path.Base(header.Linkname), header.Linkname)
	if err != nil {
		return unsafeEntry(header.Name, fmt.Sprintf("is a link to %s: %v", header.Linkname, err))
	}
	defer from.close()
	if !from.isRegular() {
		return unsafeEntry(header.Name, fmt.Sprintf("is a link to %s, which is no file", header.Linkname))
	}
	if header.Linkname == strings.TrimSuffix(header.Name, "/") {
		return nil
	}
	if err := removeAt(parent, base); err != nil {
		return err
	}
	// The file that was opened, whatever its name holds by now.
	if err := unix.Linkat(unix.AT_FDCWD, from.self(), parent, base, unix.AT_SYMLINK_FOLLOW); err != nil {
		return replaced(header.Name, err)
	}
	return nil
}

// dress gives what is open its owner, attributes, mode and times; in this order, as a new owner takes modes away.
func dress(fd int, header *tar.Header) error {
	self := fmt.Sprintf("/proc/self/fd/%d", fd)
	if err := unix.Fchownat(fd, "", header.Uid, header.Gid, unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("owner of %s: %w", header.Name, err)
	}
	for record, value := range header.PAXRecords {
		attribute, found := strings.CutPrefix(record, paxXattr)
		if !found || strings.HasPrefix(attribute, ownXattrs) {
			continue
		}
		if err := unix.Setxattr(self, attribute, []byte(value), 0); err != nil {
			return fmt.Errorf("attribute %s of %s: %w", attribute, header.Name, err)
		}
	}
	if header.Typeflag == tar.TypeSymlink {
		return nil
	}
	if err := unix.Chmod(self, uint32(header.Mode)&0o7777); err != nil {
		return fmt.Errorf("mode of %s: %w", header.Name, err)
	}
	return setTime(self, header)
}

func setTime(self string, header *tar.Header) error {
	modified, err := unix.TimeToTimespec(header.ModTime)
	if err != nil {
		return unsafeEntry(header.Name, fmt.Sprintf("has the time %v", header.ModTime))
	}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, self, []unix.Timespec{{Nsec: unix.UTIME_OMIT}, modified},
		0); err != nil {
		return fmt.Errorf("time of %s: %w", header.Name, err)
	}
	return nil
}

func (u *unpacker) finish() error {
	for _, header := range u.folders {
		fd, err := u.root.folder(strings.TrimSuffix(header.Name, "/"))
		if err != nil {
			continue // A later entry took its place.
		}
		err = setTime(fmt.Sprintf("/proc/self/fd/%d", fd), header)
		_ = unix.Close(fd)
		if err != nil {
			return err
		}
	}
	return nil
}
