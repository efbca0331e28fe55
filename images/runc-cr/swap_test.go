package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	honest = "honest"
	secret = "secret"
	// racing is how long an attack goes on.
	racing = 1500 * time.Millisecond
	// hanging is how long one call may take before it counts as hung.
	hanging = 20 * time.Second
)

var (
	// levels of the tree at which names are exchanged.
	levels = []string{".", "a", "a/b", "a/b/c"}
	// ancient is when the victims were changed, and nothing else was.
	ancient = time.Unix(1_000_000_000, 0)
)

// victims makes what an attack wants to read or change: a folder with a file, which look like those of the tree.
func victims(t *testing.T) (folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "outside")
	write(t, folder, map[string]string{"file": strings.Repeat(secret, 300)})
	must(t, os.Chmod(filepath.Join(folder, "file"), 0o600), os.Chtimes(filepath.Join(folder, "file"), ancient,
		ancient), os.Chtimes(folder, ancient, ancient))
	return folder
}

// unchanged demands that victims are as they were made.
func unchanged(t *testing.T, folder string) {
	t.Helper()
	file, err := os.Stat(filepath.Join(folder, "file"))
	must(t, err)
	entries, err := os.ReadDir(folder)
	must(t, err)
	if file.Mode() != 0o600 || !file.ModTime().Equal(ancient) || len(entries) != 1 {
		t.Fatalf("outside was changed: %v of %v, %d entries", file.Mode(), file.ModTime(), len(entries))
	}
	if got := content(t, filepath.Join(folder, "file")); got != strings.Repeat(secret, 300) {
		t.Fatalf("the file outside now holds %.40q", got)
	}
}

// hostileTree makes, at each level, pairs of names that an attacker exchanges: honest things, and links to the victims.
func hostileTree(t *testing.T, root, outside string) (pairs [][2]string) {
	t.Helper()
	write(t, root, map[string]string{"a/b/c/": "", "inside": secret})
	must(t, os.Chmod(filepath.Join(root, "inside"), 0o600))
	for _, level := range levels {
		at := func(name string) string { return filepath.Join(root, level, name) }
		text := strings.Repeat(honest, 300)
		write(t, root, map[string]string{level + "/file": text, level + "/one": text, level + "/folder/file": text,
			level + "/plain": text, level + "/other": text})
		must(t,
			os.Link(at("one"), at("two")), unix.Mkfifo(at("fifo"), 0o600), unix.Mknod(at("socket"),
				unix.S_IFSOCK|0o600, 0),
			os.Symlink(filepath.Join(outside, "file"), at("x-file")), os.Symlink(filepath.Join(outside, "file"),
				at("x-two")),
			os.Symlink(outside, at("x-folder")), os.Symlink(filepath.Join(root, "inside"), at("x-other")),
		)
		for _, pair := range [][2]string{{"file", "x-file"}, {"two", "x-two"}, {"folder", "x-folder"}, {"plain",
			"fifo"}, {"one", "socket"}, {"other", "x-other"}} {
			pairs = append(pairs, [2]string{at(pair[0]), at(pair[1])})
		}
	}
	// A whole branch against a link to the outside.
	must(t, os.Symlink(outside, filepath.Join(root, "x-a")))
	return append(pairs, [2]string{filepath.Join(root, "a"), filepath.Join(root, "x-a")})
}

// exchange swaps the two names of each pair until the test calls `stop`, which tells how often it did.
func exchange(pairs [][2]string) (stop func() int64) {
	var done atomic.Int64
	var end atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		for !end.Load() {
			for _, pair := range pairs {
				// What is below the branch is missing while a link is in its place.
				if unix.Renameat2(unix.AT_FDCWD, pair[0], unix.AT_FDCWD, pair[1], unix.RENAME_EXCHANGE) == nil {
					done.Add(1)
				}
			}
		}
	}()
	return func() int64 {
		end.Store(true)
		<-ended
		return done.Load()
	}
}

// inTime demands that work ends.
func inTime(t *testing.T, work func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-time.After(hanging):
		t.Fatal("it hangs")
		return nil
	}
}

// named demands that work ended well or by a code of ours.
func named(t *testing.T, err error, codes ...string) {
	t.Helper()
	if err == nil {
		return
	}
	for _, code := range codes {
		if asFailure(err).Code == code {
			return
		}
	}
	t.Fatalf("it failed with %v", err)
}

func TestPackingNeverReadsWhatALinkLeadsTo(t *testing.T) {
	root, outside := t.TempDir(), victims(t)
	pairs := hostileTree(t, root, outside)
	must(t, os.Remove(filepath.Join(root, "inside")))
	stop := exchange(pairs)
	rounds := 0
	for end := time.Now().Add(racing); time.Now().Before(end); rounds++ {
		archive := filepath.Join(t.TempDir(), rootfsDiff)
		named(t, inTime(t, func() error { return packTree(root, archive) }))
		packed, err := os.ReadFile(archive)
		must(t, err, os.Remove(archive))
		if bytes.Contains(packed, []byte(secret)) {
			t.Fatalf("round %d: the archive holds what is outside of the tree", rounds)
		}
		for reader := tar.NewReader(bytes.NewReader(packed)); ; {
			header, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			must(t, err)
			if header.ModTime.Equal(ancient) {
				t.Fatalf("round %d: %s has the time of what is outside of the tree", rounds, header.Name)
			}
		}
	}
	if swaps := stop(); rounds < 5 || swaps < 1000 {
		t.Fatalf("%d rounds and %d exchanges are no attack", rounds, swaps)
	}
	unchanged(t, outside)
}

func TestTheSizeOfATreeIsOfTheTreeAlone(t *testing.T) {
	root, outside := t.TempDir(), victims(t)
	// Many files: a walk into the folder would be seen in the sum.
	for i := range 1000 {
		write(t, outside, map[string]string{fmt.Sprintf("many/%d", i): secret})
	}
	pairs := hostileTree(t, root, filepath.Join(outside, "many"))
	still, err := treeSize(root)
	must(t, err)
	stop := exchange(pairs)
	defer stop()
	for end := time.Now().Add(racing); time.Now().Before(end); {
		var size int64
		named(t, inTime(t, func() (err error) { size, err = treeSize(root); return err }))
		// The branch may be met twice, under either of its names.
		if size > still*3 {
			t.Fatalf("%d bytes, and it had %d when nothing moved", size, still)
		}
	}
}

func TestUnpackingNeverWritesWhereALinkLeadsTo(t *testing.T) {
	source, target, outside := t.TempDir(), t.TempDir(), victims(t)
	hostileTree(t, source, outside)
	must(t, os.Remove(filepath.Join(source, "inside")))
	for _, level := range levels {
		for _, name := range []string{"file", "other", "plain", "folder/file"} {
			must(t, os.Chmod(filepath.Join(source, level, name), 0o4777))
		}
	}
	if os.Geteuid() == 0 {
		must(t, unix.Setxattr(filepath.Join(source, "a/file"), "trusted.test", []byte("x"), 0))
	}
	archive := filepath.Join(t.TempDir(), rootfsDiff)
	must(t, packTree(source, archive))
	pairs := hostileTree(t, target, outside)
	inside, err := os.Stat(filepath.Join(target, "inside"))
	must(t, err)
	stop := exchange(pairs)
	rounds := 0
	for end := time.Now().Add(racing); time.Now().Before(end); rounds++ {
		named(t, inTime(t, func() error { return unpackTree(archive, target) }), codeUnsafeArchive, codeNotStill)
		unchanged(t, outside)
		now, err := os.Stat(filepath.Join(target, "inside"))
		must(t, err)
		if now.Mode() != inside.Mode() || !now.ModTime().Equal(inside.ModTime()) {
			t.Fatalf("round %d: a file that is not in the archive got mode %v and time %v by a link", rounds,
				now.Mode(), now.ModTime())
		}
	}
	if swaps := stop(); rounds < 5 || swaps < 1000 {
		t.Fatalf("%d rounds and %d exchanges are no attack", rounds, swaps)
	}
}

func TestAFileUnderALeaseIsRefusedAtOnce(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"file": "x"})
	file, err := os.OpenFile(filepath.Join(root, "file"), os.O_RDWR, 0)
	must(t, err)
	defer file.Close()
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	wantCode(t, packTree(root, filepath.Join(t.TempDir(), "a")), codeLease)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it waited %v for the lease", took)
	}
}

func TestATreeThatIsTooDeepIsRefused(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	must(t, err)
	defer root.Close()
	top := root.Name()
	for range maxDepth + 1 {
		must(t, root.Mkdir("d", 0o755))
		next, err := root.OpenRoot("d")
		must(t, err, root.Close())
		root = next
	}
	_, err = treeSize(top)
	wantCode(t, err, codeTooLarge)
}
