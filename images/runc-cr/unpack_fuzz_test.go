package main

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// seeds are archives of each kind, sound and hostile.
func seeds(f *testing.F) {
	file := func(name string, size int64) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size}
	}
	link := func(kind byte, name, target string) tar.Header {
		return tar.Header{Typeflag: kind, Name: name, Linkname: target}
	}
	folder := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name} }
	for _, entries := range [][]tar.Header{
		{folder("./"), folder("a/"), file("a/f", 5), link(tar.TypeLink, "a/g", "a/f"), link(tar.TypeSymlink, "a/s",
			"f"), {Typeflag: tar.TypeFifo, Name: "p"}},
		{file("../victim", 1)}, {file("/victim", 1)}, {folder("a/"), file("a/../../victim", 1)},
		{link(tar.TypeSymlink, "a", ".."), file("a/victim", 1)}, {link(tar.TypeLink, "a", "../victim"), file("a", 1)},
		{link(tar.TypeSymlink, "a", "../victim"), link(tar.TypeLink, "b", "a"), file("b", 1)},
		{{Typeflag: tar.TypeChar, Name: "old"}}, {{Typeflag: tar.TypeChar, Name: "../victim"}},
		{{Typeflag: tar.TypeBlock, Name: "d", Devmajor: 8}},
		{file("x", 1), link(tar.TypeLink, "x", "x"), folder("x/"), file("x/y", 1)},
		{{Typeflag: tar.TypeDir, Name: "old/", PAXRecords: map[string]string{paxXattr + opaque: "y",
			paxXattr + "user.a": "b"}}},
		{{Typeflag: tar.TypeReg, Name: "s", PAXRecords: map[string]string{"comment": "c"}, ModTime: time.Unix(-1<<40,
			0)}},
	} {
		var packed bytes.Buffer
		archive := tar.NewWriter(&packed)
		for _, entry := range entries {
			entry.Mode, entry.Format = 0o644, tar.FormatPAX
			if err := archive.WriteHeader(&entry); err != nil {
				f.Fatal(err)
			}
			if _, err := archive.Write(make([]byte, entry.Size)); err != nil {
				f.Fatal(err)
			}
		}
		if err := archive.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(packed.Bytes())
	}
	f.Add([]byte{})
	f.Add([]byte("no archive"))
}

// FuzzUnpack tries archives of all kinds: none may touch anything outside of its root, or fill the disk.
func FuzzUnpack(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, packed []byte) {
		base := t.TempDir()
		root, archive := filepath.Join(base, "root"), filepath.Join(base, "archive")
		write(t, base, map[string]string{"victim": secret, "root/old/file": honest})
		must(t, os.Symlink("..", filepath.Join(root, "up")), os.WriteFile(archive, packed, 0o600),
			os.Chtimes(filepath.Join(base, "victim"), ancient, ancient))
		_ = unpackTree(archive, root) // It may fail, by any error.
		entries, err := os.ReadDir(base)
		must(t, err)
		victim, err := os.Stat(filepath.Join(base, "victim"))
		must(t, err)
		if len(entries) != 3 || victim.Mode() != 0o644 || !victim.ModTime().Equal(ancient) || content(t,
			filepath.Join(base, "victim")) != secret {
			t.Errorf("outside was changed: %v, %v of %v", entries, victim.Mode(), victim.ModTime())
		}
		var bytes int64
		must(t, filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			if info, failed := entry.Info(); failed == nil && info.Mode().IsRegular() {
				bytes += info.Size()
			}
			return nil
		}))
		if bytes > int64(len(packed)+len(honest)) {
			t.Errorf("an archive of %d bytes became files of %d", len(packed), bytes)
		}
	})
}
