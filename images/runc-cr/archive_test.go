package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// write makes files below a folder: name to content; a name that ends with / is a folder.
func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// must ends a test at an error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

func packAndUnpack(t *testing.T, from, to string) {
	t.Helper()
	archive := filepath.Join(t.TempDir(), rootfsDiff)
	must(t, packTree(from, archive))
	must(t, unpackTree(archive, to))
}

func TestATreeComesBackAsItWas(t *testing.T) {
	upper, rootfs := t.TempDir(), t.TempDir()
	write(t, upper, map[string]string{"etc/new": "new", "etc/changed": "after", "run/script": "#!", "empty/": ""})
	write(t, rootfs, map[string]string{"etc/changed": "before, and longer", "etc/kept": "kept", "run/script": "old"})
	then := time.Unix(1_700_000_000, 123_000_000)
	must(t,
		os.Chmod(filepath.Join(upper, "run/script"), 0o711|fs.ModeSetuid), os.Chmod(filepath.Join(upper, "empty"), 0o711),
		os.Link(filepath.Join(upper, "etc/new"), filepath.Join(upper, "etc/same")),
		os.Symlink("/outside/and/away", filepath.Join(upper, "etc/link")),
		unix.Mkfifo(filepath.Join(upper, "pipe"), 0o600),
		os.Chtimes(filepath.Join(upper, "etc/new"), then, then), os.Chtimes(filepath.Join(upper, "etc"), then, then),
	)
	packAndUnpack(t, upper, rootfs)

	if got := content(t, filepath.Join(rootfs, "etc/changed")) + content(t, filepath.Join(rootfs, "etc/kept")); got != "afterkept" {
		t.Errorf("contents are %q", got)
	}
	for name, mode := range map[string]fs.FileMode{"run/script": 0o711 | fs.ModeSetuid, "empty": 0o711 | fs.ModeDir, "pipe": 0o600 | fs.ModeNamedPipe} {
		if info, err := os.Lstat(filepath.Join(rootfs, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s has %v (%v), wanted %v", name, info.Mode(), err, mode)
		}
	}
	for _, name := range []string{"etc/new", "etc"} {
		if info, err := os.Stat(filepath.Join(rootfs, name)); err != nil || !info.ModTime().Equal(then) {
			t.Errorf("%s is of %v (%v), wanted %v", name, info.ModTime(), err, then)
		}
	}
	one, _ := os.Stat(filepath.Join(rootfs, "etc/new"))
	two, _ := os.Stat(filepath.Join(rootfs, "etc/same"))
	if !os.SameFile(one, two) {
		t.Error("a hard link became a copy")
	}
	if target, _ := os.Readlink(filepath.Join(rootfs, "etc/link")); target != "/outside/and/away" {
		t.Errorf("a symbolic link leads to %q", target)
	}
}

func TestWhatWasDeletedIsDeletedAgain(t *testing.T) {
	upper, rootfs := t.TempDir(), t.TempDir()
	write(t, upper, map[string]string{"etc/": ""})
	write(t, rootfs, map[string]string{"etc/gone": "x", "folder/deep/file": "x", "kept": "x"})
	must(t, unix.Mknod(filepath.Join(upper, "etc/gone"), unix.S_IFCHR, 0), unix.Mknod(filepath.Join(upper, "folder"), unix.S_IFCHR, 0))
	packAndUnpack(t, upper, rootfs)
	for name, wanted := range map[string]bool{"etc/gone": false, "folder": false, "kept": true} {
		if _, err := os.Lstat(filepath.Join(rootfs, name)); (err == nil) != wanted {
			t.Errorf("%s is there: %t, wanted %t", name, err == nil, wanted)
		}
	}
}

func TestAReplacedFolderLosesWhatTheImageHadInIt(t *testing.T) {
	upper, rootfs := t.TempDir(), t.TempDir()
	write(t, upper, map[string]string{"folder/new": "x"})
	write(t, rootfs, map[string]string{"folder/old": "x"})
	if err := unix.Setxattr(filepath.Join(upper, "folder"), opaque, []byte("y"), 0); err != nil {
		t.Skipf("no right to set %s here: %v", opaque, err)
	}
	packAndUnpack(t, upper, rootfs)
	if _, err := os.Stat(filepath.Join(rootfs, "folder/old")); err == nil {
		t.Error("a file of the image is in a folder that replaced the image's")
	}
	content(t, filepath.Join(rootfs, "folder/new"))
	if size, _ := unix.Getxattr(filepath.Join(rootfs, "folder"), opaque, nil); size > 0 {
		t.Error("overlay's own attribute was written into the mounted root file system")
	}
}

func TestADeviceFileIsRefused(t *testing.T) {
	upper := t.TempDir()
	if err := unix.Mknod(filepath.Join(upper, "null"), unix.S_IFCHR, int(unix.Mkdev(1, 3))); err != nil {
		t.Skipf("no right to make a device file here: %v", err)
	}
	wantCode(t, packTree(upper, filepath.Join(t.TempDir(), "a")), codeDevice)
	_, err := treeSize(upper)
	wantCode(t, err, codeDevice)
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if err == nil || asFailure(err).Code != code {
		t.Errorf("got %v, wanted a failure %s", err, code)
	}
}

// archiveOf writes entries as they are, however wrong.
func archiveOf(t *testing.T, entries ...tar.Header) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), rootfsDiff)
	file, err := os.Create(path)
	must(t, err)
	archive := tar.NewWriter(file)
	for _, entry := range entries {
		entry.Mode, entry.Uid, entry.Gid = 0o644, os.Getuid(), os.Getgid()
		must(t, archive.WriteHeader(&entry))
		if entry.Size > 0 {
			_, err := archive.Write(make([]byte, entry.Size))
			must(t, err)
		}
	}
	must(t, archive.Close(), file.Close())
	return path
}

func TestAnArchiveCannotLeaveTheRoot(t *testing.T) {
	link := func(name, target string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}
	}
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 1} }
	hard := func(name, target string) tar.Header {
		return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target}
	}
	folder := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name} }
	gone := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeChar, Name: name} }
	cases := map[string][]tar.Header{
		"dots":                            {file("../victim")},
		"dots within":                     {folder("a/"), file("a/../../victim")},
		"an absolute path":                {file("/victim")},
		"a symbolic link, then through":   {link("a", "OUTSIDE"), file("a/victim")},
		"a relative link, then through":   {link("a", "../outside"), file("a/victim")},
		"a link of the image":             {file("imagelink/victim")},
		"a folder through a link":         {link("a", "OUTSIDE"), folder("a/b/")},
		"a deletion through a link":       {link("a", "OUTSIDE"), gone("a/victim")},
		"a deletion by dots":              {gone("../victim")},
		"a hard link to outside":          {hard("a", "../outside/victim")},
		"a hard link by an absolute path": {hard("a", "/etc/passwd")},
		"a hard link through a link":      {link("b", "OUTSIDE"), hard("a", "b/victim")},
		"a hard link to a link":           {link("b", "OUTSIDE/victim"), hard("a", "b")},
		"a device":                        {{Typeflag: tar.TypeBlock, Name: "disk", Devmajor: 8}},
		"a character device":              {{Typeflag: tar.TypeChar, Name: "mem", Devmajor: 1, Devminor: 1}},
		"no folder":                       {file("nowhere/file")},
	}
	for name, entries := range cases {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			outside, rootfs := filepath.Join(base, "outside"), filepath.Join(base, "rootfs")
			write(t, base, map[string]string{"outside/victim": "untouched", "victim": "untouched", "rootfs/": ""})
			must(t, os.Symlink(outside, filepath.Join(rootfs, "imagelink")))
			for i := range entries {
				entries[i].Linkname = strings.Replace(entries[i].Linkname, "OUTSIDE", outside, 1)
			}
			wantCode(t, unpackTree(archiveOf(t, entries...), rootfs), codeUnsafeArchive)
			if got := content(t, filepath.Join(outside, "victim")) + content(t, filepath.Join(base, "victim")); got != "untoucheduntouched" {
				t.Errorf("something outside was changed: %q", got)
			}
			if entries, _ := os.ReadDir(outside); len(entries) != 1 {
				t.Errorf("outside has now %v", entries)
			}
		})
	}
}

func TestALinkThatIsReplacedIsNotFollowed(t *testing.T) {
	base := t.TempDir()
	rootfs := filepath.Join(base, "rootfs")
	write(t, base, map[string]string{"victim": "untouched", "rootfs/": ""})
	must(t, os.Symlink(filepath.Join(base, "victim"), filepath.Join(rootfs, "file")))
	must(t, unpackTree(archiveOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "file", Size: 3}), rootfs))
	if got := content(t, filepath.Join(base, "victim")); got != "untouched" {
		t.Errorf("the link's target was written: %q", got)
	}
	if info, err := os.Lstat(filepath.Join(rootfs, "file")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the link was not replaced: %v %v", info, err)
	}
}

func TestAnArchiveThatIsCutOffIsRefused(t *testing.T) {
	upper, rootfs := t.TempDir(), t.TempDir()
	write(t, upper, map[string]string{"file": strings.Repeat("x", 4096)})
	archive := filepath.Join(t.TempDir(), "a")
	must(t, packTree(upper, archive), os.Truncate(archive, 2048))
	if err := unpackTree(archive, rootfs); err == nil {
		t.Error("half an archive was taken for whole")
	}
}

func TestAnArchiveOfHolesDoesNotFillTheDisk(t *testing.T) {
	path := archiveOf(t, tar.Header{
		Typeflag: tar.TypeReg, Name: "bomb", Size: 512, Format: tar.FormatPAX,
		PAXRecords: map[string]string{
			"GNX.sparse.major": "1", "GNX.sparse.minor": "0", "GNX.sparse.name": "bomb", "GNX.sparse.realsize": "1099511627776",
		},
	})
	// What Go does not write: a file of one hole, in the form of GNU's tar.
	archive := bytes.ReplaceAll([]byte(content(t, path)), []byte("GNX.sparse"), []byte("GNU.sparse"))
	body := 0
	for ; !bytes.Equal(archive[body:body+512], make([]byte, 512)); body += 512 {
	}
	copy(archive[body:], "1\n1099511627776\n0\n")
	must(t, os.WriteFile(path, archive, 0o600))
	reader := tar.NewReader(bytes.NewReader(archive))
	if header, err := reader.Next(); err != nil || header.Size != 1<<40 {
		t.Fatalf("the archive is none of holes: %+v, %v", header, err)
	}
	wantCode(t, unpackTree(path, t.TempDir()), codeUnsafeArchive)
}

func TestThePodsOwnVolumesComeAlong(t *testing.T) {
	const pods = "/var/lib/kubelet/pods/"
	node := t.TempDir()
	source := func(path string) string { return node + path }
	var dumped, fresh spec
	mount := func(s *spec, destination, source string) {
		s.Mounts = append(s.Mounts, struct {
			Destination string `json:"destination"`
			Source      string `json:"source"`
		}{destination, source})
	}
	old, now := pods+"old/volumes/kubernetes.io~", pods+"new/volumes/kubernetes.io~"
	mount(&dumped, "/tmp", source(old+"empty-dir/tmp"))
	mount(&dumped, "/again", source(old+"empty-dir/tmp"))
	mount(&dumped, "/data", source(old+"local-volume/pvc"))
	mount(&dumped, "/dev/shm", source("/run/x/sandboxes/0abc/shm"))
	mount(&fresh, "/tmp", source(now+"empty-dir/tmp"))
	mount(&fresh, "/again", source(now+"empty-dir/tmp"))
	mount(&fresh, "/dev/shm", source("/run/x/sandboxes/0def/shm"))
	for name, volume := range dumped.volumes() {
		write(t, volume, map[string]string{"file": "of " + name})
	}
	for _, volume := range fresh.volumes() {
		write(t, volume, map[string]string{"./": ""})
	}
	upper, folder, bundle := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, bundle, map[string]string{"rootfs/": ""})
	trees, archives := planTrees(upper, dumped.volumes())
	if len(trees) != 3 || archives["/tmp"] != archives["/again"] || archives["/data"] != "" {
		t.Errorf("%v, %v", trees, archives)
	}
	for _, one := range trees {
		must(t, packTree(one.Folder, filepath.Join(folder, one.Archive)))
	}
	fresh.Root.Path = "rootfs"
	m := manifest{Volumes: archives}
	must(t, m.unpackTrees(folder, bundle, &fresh))
	if got := content(t, source("/run/x/sandboxes/0def/shm/file")); got != "of /dev/shm" {
		t.Error(got)
	}
	content(t, source(now+"empty-dir/tmp/file"))
	fresh.Mounts = fresh.Mounts[1:2]
	wantCode(t, m.unpackTrees(folder, bundle, &fresh), codeWrongContainer)
}
