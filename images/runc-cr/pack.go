package main

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	paxXattr  = "SCHILY.xattr."
	opaque    = "trusted.overlay.opaque"
	ownXattrs = "trusted.overlay."
	// The most that the kernel gives of names, and of a value, of extended attributes.
	maxXattr = 64 << 10
)

// packTree writes a folder as a tar archive: owners, modes, times, extended attributes, hard links, and overlay's own
// signs of what was deleted (devices 0/0) and replaced (opaque folders). Sockets are left out: CRIU makes them anew.
func packTree(folder, file string) error {
	most := int64(math.MaxInt64)
	return packAtMost(folder, file, &most)
}

// packAtMost is packTree of files that have no more bytes than are left, and takes theirs from what is left: what is
// packed may be more than it was when a dump was admitted.
func packAtMost(folder, file string, left *int64) (err error) {
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	buffer := bufio.NewWriterSize(out, 1<<20)
	p := packer{archive: tar.NewWriter(buffer), left: left, seen: map[inode]string{}}
	err = walkTree(folder, p.add)
	for _, end := range []func() error{p.archive.Close, buffer.Flush, out.Close} {
		err = errors.Join(err, end())
	}
	return err
}

type inode struct{ device, number uint64 }

type packer struct {
	archive *tar.Writer
	left    *int64
	// The first name of each file that has several.
	seen map[inode]string
}

func (p *packer) add(e *entry) error {
	if e.kind() == unix.S_IFSOCK {
		return nil
	}
	header, err := e.header()
	if err != nil {
		return err
	}
	if e.isDevice() {
		return failf(codeDevice, "the root file system has the device file /%s", e.name)
	}
	if e.isRegular() && p.linked(header, e) {
		return p.archive.WriteHeader(header)
	}
	if *p.left -= header.Size; *p.left < 0 {
		return failf(codeTooLarge, "the container's files grew to more than there is room for, with /%s", e.name)
	}
	if err := p.archive.WriteHeader(header); err != nil || !e.isRegular() {
		return err
	}
	return p.content(e)
}

var tarTypes = map[uint32]byte{
	unix.S_IFREG: tar.TypeReg, unix.S_IFDIR: tar.TypeDir, unix.S_IFLNK: tar.TypeSymlink, unix.S_IFIFO: tar.TypeFifo,
	unix.S_IFCHR: tar.TypeChar, unix.S_IFBLK: tar.TypeBlock,
}

// header describes an entry in an archive.
func (e *entry) header() (header *tar.Header, err error) {
	header = &tar.Header{
		Format: tar.FormatPAX, Typeflag: tarTypes[e.kind()], Name: e.name, Mode: int64(e.stat.Mode &^ unix.S_IFMT),
		Uid: int(e.stat.Uid), Gid: int(e.stat.Gid), ModTime: time.Unix(e.stat.Mtim.Unix()),
	}
	switch e.kind() {
	case unix.S_IFREG:
		header.Size = e.stat.Size
	case unix.S_IFDIR:
		header.Name += "/"
	case unix.S_IFLNK:
		if header.Linkname, err = e.target(); err != nil {
			return nil, err
		}
	}
	header.PAXRecords, err = e.attributes()
	return header, err
}

// isDevice tells whether an entry is a device file, and not overlay's sign of what was deleted.
func (e *entry) isDevice() bool {
	return e.kind() == unix.S_IFBLK || e.kind() == unix.S_IFCHR && e.stat.Rdev != 0
}

// linked makes an entry a hard link when the file was there already under another name.
func (p *packer) linked(header *tar.Header, e *entry) bool {
	if e.stat.Nlink < 2 {
		return false
	}
	file := inode{e.stat.Dev, e.stat.Ino}
	first, seen := p.seen[file]
	if !seen {
		p.seen[file] = header.Name
		return false
	}
	header.Typeflag, header.Linkname, header.Size, header.PAXRecords = tar.TypeLink, first, 0, nil
	return true
}

// content copies as much as was announced: what others than the container's processes write may grow meanwhile.
func (p *packer) content(e *entry) error {
	file, err := e.open()
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err = io.CopyN(p.archive, file, e.stat.Size); errors.Is(err, io.EOF) {
		return failf(codeNotStill, "/%s of the container's files became shorter while it was packed", e.name)
	}
	return err
}

func isWhiteout(header *tar.Header) bool {
	return header.Typeflag == tar.TypeChar && header.Devmajor == 0 && header.Devminor == 0
}

// attributes are an entry's extended attributes as records of an archive.
func (e *entry) attributes() (map[string]string, error) {
	if n, err := unix.Listxattr(e.self(), nil); n == 0 || errors.Is(err, unix.ENOTSUP) {
		return nil, nil // As nearly all files have none.
	}
	names := make([]byte, maxXattr)
	n, err := unix.Listxattr(e.self(), names)
	if err != nil {
		return nil, fmt.Errorf("attributes of %s: %w", e.name, err)
	}
	records := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		if strings.HasSuffix(name, ".overlay.redirect") || strings.HasSuffix(name, ".overlay.metacopy") {
			return nil, failf(codeSnapshotter, "the overlay keeps a part of %s elsewhere (%s)", e.name, name)
		}
		if strings.HasPrefix(name, ownXattrs) && name != opaque {
			continue // Of this overlay only.
		}
		value := make([]byte, maxXattr)
		size, err := unix.Getxattr(e.self(), name, value)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("attribute %s of %s: %w", name, e.name, err)
		}
		records[paxXattr+name] = string(value[:size])
	}
	return records, nil
}

// treeSize is what packTree would write, about.
func treeSize(folder string) (bytes int64, err error) {
	err = walkTree(folder, func(e *entry) error {
		if e.isDevice() {
			return failf(codeDevice, "the root file system has the device file /%s", e.name)
		}
		bytes += 1024
		if e.isRegular() {
			bytes += e.stat.Size
		}
		return nil
	})
	return bytes, err
}
