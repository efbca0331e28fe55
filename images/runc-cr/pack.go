package main

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	paxXattr  = "SCHILY.xattr."
	opaque    = "trusted.overlay.opaque"
	ownXattrs = "trusted.overlay."
)

// packTree writes a folder as a tar archive: owners, modes, times, extended attributes, hard links, and overlay's own
// signs of what was deleted (devices 0/0) and replaced (opaque folders). Sockets are left out: CRIU makes them anew.
func packTree(folder, file string) (err error) {
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	buffer := bufio.NewWriterSize(out, 1<<20)
	archive := tar.NewWriter(buffer)
	p := packer{archive: archive, root: folder, seen: map[inode]string{}}
	err = filepath.WalkDir(folder, p.add)
	for _, end := range []func() error{archive.Close, buffer.Flush, out.Close} {
		err = errors.Join(err, end())
	}
	return err
}

type inode struct{ device, number uint64 }

type packer struct {
	archive *tar.Writer
	root    string
	// The first name of each file that has several.
	seen map[inode]string
}

func (p *packer) add(path string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	info, err := entry.Info()
	if err != nil || info.Mode()&fs.ModeSocket != 0 {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	name, _ := filepath.Rel(p.root, path)
	header.Format, header.Name, header.Uname, header.Gname = tar.FormatPAX, name, "", ""
	if entry.IsDir() {
		header.Name += "/"
	}
	if header.PAXRecords, err = attributes(path); err != nil {
		return err
	}
	if header.Typeflag == tar.TypeBlock || header.Typeflag == tar.TypeChar && !isWhiteout(header) {
		return failf(codeDevice, "the root file system has the device file /%s", name)
	}
	if info.Mode().IsRegular() && p.linked(header, info) {
		return p.archive.WriteHeader(header)
	}
	if err := p.archive.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	return p.content(path, header.Size)
}

// linked makes an entry a hard link when the file was there already under another name.
func (p *packer) linked(header *tar.Header, info fs.FileInfo) bool {
	stat := info.Sys().(*syscall.Stat_t)
	if stat.Nlink < 2 {
		return false
	}
	first, seen := p.seen[inode{stat.Dev, stat.Ino}]
	if !seen {
		p.seen[inode{stat.Dev, stat.Ino}] = header.Name
		return false
	}
	header.Typeflag, header.Linkname, header.Size, header.PAXRecords = tar.TypeLink, first, 0, nil
	return true
}

func (p *packer) content(path string, size int64) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	// No more than was announced: the file may grow where nothing is frozen.
	_, err = io.CopyN(p.archive, file, size)
	return err
}

func isWhiteout(header *tar.Header) bool {
	return header.Typeflag == tar.TypeChar && header.Devmajor == 0 && header.Devminor == 0
}

// attributes are a file's extended attributes as records of the archive.
func attributes(path string) (map[string]string, error) {
	names := make([]byte, 4096)
	n, err := unix.Llistxattr(path, names)
	if errors.Is(err, unix.ENOTSUP) || n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("attributes of %s: %w", path, err)
	}
	records := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		if strings.HasSuffix(name, ".overlay.redirect") || strings.HasSuffix(name, ".overlay.metacopy") {
			return nil, failf(codeSnapshotter, "the overlay keeps a part of %s elsewhere (%s)", path, name)
		}
		if strings.HasPrefix(name, ownXattrs) && name != opaque {
			continue // Of this overlay only.
		}
		value := make([]byte, 64<<10)
		size, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, fmt.Errorf("attribute %s of %s: %w", name, path, err)
		}
		records[paxXattr+name] = string(value[:size])
	}
	return records, nil
}

// treeSize is what packTree would write, about.
func treeSize(folder string) (bytes int64, err error) {
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if missing(err) && path != folder {
			return nil // It was deleted meanwhile.
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if missing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeDevice != 0 {
			header, err := tar.FileInfoHeader(info, "")
			if err == nil && !isWhiteout(header) {
				name, _ := filepath.Rel(folder, path)
				return failf(codeDevice, "the root file system has the device file /%s", name)
			}
		}
		bytes += 1024
		if info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	return bytes, err
}
