package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// unpackTree applies an archive of packTree to a mounted root file system. Nothing outside of it can be touched,
// whatever the archive says: every path is resolved below an open folder (os.Root), and a folder on the way to an
// entry must be one and no symbolic link.
func unpackTree(file, folder string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	u := unpacker{root: root}
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
	root *os.Root
	// Folders get their times last, as writing into them changes these.
	folders []*tar.Header
}

func (u *unpacker) apply(header *tar.Header, content io.Reader) error {
	name, err := u.place(header.Name)
	if err != nil {
		return err
	}
	switch {
	case header.Typeflag == tar.TypeDir:
		err = u.folder(name, header)
	case isWhiteout(header):
		return u.root.RemoveAll(name)
	case header.Typeflag == tar.TypeReg:
		err = u.file(name, header, content)
	case header.Typeflag == tar.TypeSymlink:
		err = u.replace(name, func() error { return u.root.Symlink(header.Linkname, name) })
	case header.Typeflag == tar.TypeLink:
		return u.hardLink(name, header.Linkname)
	case header.Typeflag == tar.TypeFifo:
		err = u.replace(name, func() error {
			return u.inFolderOf(name, func(fd int, base string) error { return unix.Mkfifoat(fd, base, 0o600) })
		})
	default:
		return unsafeEntry(header.Name, fmt.Sprintf("has the type %q", header.Typeflag))
	}
	if err != nil {
		return err
	}
	return u.dress(name, header)
}

// place checks an entry's name and that all folders on the way to it are folders.
func (u *unpacker) place(name string) (string, error) {
	clean := strings.TrimSuffix(name, "/")
	if clean == "." {
		return clean, nil
	}
	if !filepath.IsLocal(clean) || path.Clean(clean) != clean {
		return "", unsafeEntry(name, "is no path below a root")
	}
	for at := path.Dir(clean); at != "."; at = path.Dir(at) {
		info, err := u.root.Lstat(at)
		if err != nil {
			return "", unsafeEntry(name, fmt.Sprintf("has no folder: %v", err))
		}
		if !info.IsDir() {
			return "", unsafeEntry(name, fmt.Sprintf("leads through %s, which is no folder", at))
		}
	}
	return clean, nil
}

func unsafeEntry(name, why string) error {
	return failf(codeUnsafeArchive, "entry %q of the root file system's changes %s", name, why)
}

func (u *unpacker) folder(name string, header *tar.Header) error {
	u.folders = append(u.folders, header)
	if name == "." {
		return nil
	}
	info, err := u.root.Lstat(name)
	if err == nil && (!info.IsDir() || header.PAXRecords[paxXattr+opaque] == "y") {
		if err := u.root.RemoveAll(name); err != nil {
			return err
		}
		err = fs.ErrNotExist
	}
	if errors.Is(err, fs.ErrNotExist) {
		return u.root.Mkdir(name, 0o700)
	}
	return err
}

func (u *unpacker) file(name string, header *tar.Header, content io.Reader) error {
	return u.replace(name, func() error {
		file, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.CopyN(file, content, header.Size)
		return errors.Join(err, file.Close())
	})
}

// hardLink ties a name to a file that the archive, or the image, has under another one.
func (u *unpacker) hardLink(name, target string) error {
	from, err := u.place(target)
	if err != nil {
		return err
	}
	info, err := u.root.Lstat(from)
	if err != nil || !info.Mode().IsRegular() {
		return unsafeEntry(name, fmt.Sprintf("is a link to %s, which is no file", target))
	}
	return u.replace(name, func() error { return u.root.Link(from, name) })
}

// replace makes something where something else may be.
func (u *unpacker) replace(name string, make func() error) error {
	if err := u.root.RemoveAll(name); err != nil {
		return err
	}
	return make()
}

// dress gives an entry its owner, attributes, mode and times; in this order, as a new owner takes modes away.
func (u *unpacker) dress(name string, header *tar.Header) error {
	if err := u.root.Lchown(name, header.Uid, header.Gid); err != nil {
		return err
	}
	for record, value := range header.PAXRecords {
		attribute, found := strings.CutPrefix(record, paxXattr)
		if !found || strings.HasPrefix(attribute, ownXattrs) {
			continue
		}
		err := u.inFolderOf(name, func(fd int, base string) error {
			return unix.Lsetxattr(fmt.Sprintf("/proc/self/fd/%d/%s", fd, base), attribute, []byte(value), 0)
		})
		if err != nil {
			return fmt.Errorf("attribute %s of %s: %w", attribute, name, err)
		}
	}
	if header.Typeflag == tar.TypeSymlink {
		return nil
	}
	if err := u.root.Chmod(name, header.FileInfo().Mode()); err != nil {
		return err
	}
	return u.root.Chtimes(name, time.Time{}, header.ModTime)
}

func (u *unpacker) finish() error {
	for _, header := range u.folders {
		name := strings.TrimSuffix(header.Name, "/")
		if err := u.root.Chtimes(name, time.Time{}, header.ModTime); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// inFolderOf runs a system call that os.Root does not have, on the open folder of an entry.
func (u *unpacker) inFolderOf(name string, call func(fd int, base string) error) error {
	folder, err := u.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer folder.Close()
	return call(int(folder.Fd()), path.Base(name))
}
