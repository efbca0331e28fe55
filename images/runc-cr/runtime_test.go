package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestACallIsTakenApart(t *testing.T) {
	cases := []struct{ words, command, id, root string }{
		{"--root /r --log /l --log-format json create --bundle /b --pid-file /p c1", "create", "c1", "/r"},
		{"--root=/r --log=/l --systemd-cgroup start c1", "start", "c1", "/r"},
		{"--systemd-cgroup --root /create state start", "state", "start", "/create"},
		{"--debug delete --force c1", "delete", "c1", "/run/runc"},
		{"features", "features", "", "/run/runc"},
		{"--version", "", "", "/run/runc"},
	}
	for _, c := range cases {
		got := parseCall(strings.Fields(c.words))
		if got.command != c.command || got.id() != c.id || got.root() != c.root {
			t.Errorf("%q: command %q, id %q, root %q", c.words, got.command, got.id(), got.root())
		}
	}
}

func TestARestoreKeepsWhatCreateWasTold(t *testing.T) {
	create := parseCall(strings.Fields("--root /r --log /l create --no-new-keyring --preserve-fds 2 --bundle=/b --pid-file /p --console-socket /s --no-pivot c1"))
	got := strings.Join(create.restoreArguments("/i", "/w"), " ")
	wanted := "--root /r --log /l restore --detach --image-path /i --work-path /w --manage-cgroups-mode ignore --tcp-established --file-locks --bundle=/b --pid-file /p --console-socket /s --no-pivot c1"
	if got != wanted {
		t.Errorf("got\n%s, wanted\n%s", got, wanted)
	}
}

// node is a folder in which this program and a runc of the test's stand in PATH.
type node struct{ folder, store, bundle, log string }

func newNode(t *testing.T, annotations map[string]string) node {
	t.Helper()
	folder := t.TempDir()
	n := node{folder: folder, store: filepath.Join(folder, "store"), bundle: filepath.Join(folder, "bundle"), log: filepath.Join(folder, "log.json")}
	own, err := os.Executable()
	must(t, err)
	must(t, os.Symlink(own, filepath.Join(folder, "runc")), os.Symlink(own, filepath.Join(folder, "runc-cr")))
	config, err := json.Marshal(map[string]any{"root": map[string]string{"path": "rootfs"}, "annotations": annotations})
	must(t, err)
	write(t, n.bundle, map[string]string{"rootfs/": "", "config.json": string(config)})
	return n
}

// call runs the program; it gives what runc was called with, none where it was not.
func (n node) call(t *testing.T, words ...string) (runc []string, failed bool) {
	t.Helper()
	command := exec.Command(filepath.Join(n.folder, "runc-cr"), words...)
	command.Env = []string{"PATH=" + n.folder, "RUNC_CR_STORE=" + n.store}
	said, err := command.Output()
	if len(said) > 0 {
		must(t, json.Unmarshal(said, &runc))
	}
	return runc, err != nil
}

func (n node) create(t *testing.T) (runc []string, failed bool, logged string) {
	t.Helper()
	runc, failed = n.call(t, "--root", n.folder, "--log", n.log, "--log-format", "json", "create", "--bundle", n.bundle, "c1")
	file, _ := os.ReadFile(n.log)
	var entry struct{ Level, Msg string }
	if len(file) > 0 {
		must(t, json.Unmarshal([]byte(lastLine(string(file))), &entry))
	}
	if entry.Msg != "" && entry.Level != "error" {
		t.Errorf("the log's entry has level %q; containerd looks for error", entry.Level)
	}
	return runc, failed, entry.Msg
}

func TestEverythingElseIsRuncs(t *testing.T) {
	n := newNode(t, nil)
	for _, words := range []string{"--root /r list", "features", "--version-of-runc", "--root /r --log /l kill --all c1 9", "--root /r exec --process /p -d c1", "--root /r start c1", "checkpoint c1"} {
		if runc, _ := n.call(t, strings.Fields(words)...); strings.Join(runc, " ") != words {
			t.Errorf("%q came to runc as %q", words, runc)
		}
	}
}

const testID = "0c9f1111-2222-4333-8444-555566667777"

func restoring(more map[string]string) map[string]string {
	all := map[string]string{annotationType: "container", annotationName: "app", annotationImage: "demo:1", annotationNamespace: "ns", annotationPodUID: "uid", annotationRestore: testID}
	for name, value := range more {
		all[name] = value
	}
	return all
}

func TestCreateIsRuncsWithoutTheAnnotation(t *testing.T) {
	for name, annotations := range map[string]map[string]string{
		"no annotation": restoring(map[string]string{annotationRestore: ""}), "the pod's sandbox": restoring(map[string]string{annotationType: "sandbox"}),
	} {
		runc, failed, _ := newNode(t, annotations).create(t)
		if failed || !slices.Contains(runc, "create") {
			t.Errorf("%s: runc was called with %q", name, runc)
		}
	}
}

func TestAPodIsNeverStartedInPlaceOfARestore(t *testing.T) {
	for wanted, annotations := range map[string]map[string]string{
		codeNotFound: restoring(nil), codeUsage: restoring(map[string]string{annotationRestore: "../../etc/passwd"}),
	} {
		runc, failed, logged := newNode(t, annotations).create(t)
		if !failed || runc != nil || !strings.Contains(logged, wanted) {
			t.Errorf("%s: failed %t, runc was called with %q, logged %q", wanted, failed, runc, logged)
		}
	}
}

// putCheckpoint writes a checkpoint that is whole.
func (n node) putCheckpoint(t *testing.T, about aboutContainer) string {
	t.Helper()
	folder := filepath.Join(n.store, testID)
	write(t, folder, map[string]string{"checkpoint/pages-1.img": "pages", "dump.log": "log"})
	upper := t.TempDir()
	write(t, upper, map[string]string{"marker": "restored"})
	must(t, packTree(upper, filepath.Join(folder, rootfsDiff)))
	files, err := recordFiles(folder)
	must(t, err)
	must(t, (&manifest{ID: testID, Container: about, Files: files}).write(folder))
	return folder
}

var testAbout = aboutContainer{Name: "app", Image: "demo:1", Namespace: "ns"}

func TestARestoreThatFailsTellsCriusLastLines(t *testing.T) {
	n := newNode(t, restoring(nil))
	n.putCheckpoint(t, testAbout)
	runc, failed, logged := n.create(t)
	if !failed || !slices.Contains(runc, "restore") || slices.Contains(runc, "create") {
		t.Errorf("failed %t, runc was called with %q", failed, runc)
	}
	wanted := "runc-cr: restore of " + testID + ": restore_failed: runc restore: exit status 1; CRIU: Error (criu/sk-inet.c:1): Can't bind | Error (criu/cr-restore.c:2): Restoring FAILED."
	if logged != wanted {
		t.Errorf("logged %q", logged)
	}
	if got := content(t, filepath.Join(n.bundle, "rootfs/marker")); got != "restored" {
		t.Errorf("the root file system has %q", got)
	}
	if _, failed, again := n.create(t); !failed || again != wanted {
		t.Errorf("a second try was no restore: %q", again)
	}
}

func TestACheckpointThatWasChangedIsRefused(t *testing.T) {
	for name, change := range map[string]func(folder string) error{
		"a changed file": func(folder string) error {
			return os.WriteFile(filepath.Join(folder, "checkpoint/pages-1.img"), []byte("pagex"), 0o600)
		},
		"a missing file": func(folder string) error { return os.Remove(filepath.Join(folder, rootfsDiff)) },
		"one too much": func(folder string) error {
			return os.WriteFile(filepath.Join(folder, "checkpoint/core-1.img"), nil, 0o600)
		},
		"a link":          func(folder string) error { return os.Symlink("/etc/passwd", filepath.Join(folder, "checkpoint/x.img")) },
		"no manifest":     func(folder string) error { return os.Remove(filepath.Join(folder, manifestFile)) },
		"half a manifest": func(folder string) error { return os.Truncate(filepath.Join(folder, manifestFile), 40) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, restoring(nil))
			must(t, change(n.putCheckpoint(t, testAbout)))
			runc, failed, logged := n.create(t)
			if !failed || runc != nil || !strings.Contains(logged, codeBroken) {
				t.Errorf("failed %t, runc was called with %q, logged %q", failed, runc, logged)
			}
			if _, err := os.Stat(filepath.Join(n.bundle, "rootfs/marker")); err == nil {
				t.Error("files were unpacked from it")
			}
		})
	}
}

func TestACheckpointOfSomethingElseIsRefused(t *testing.T) {
	for what, about := range map[string]aboutContainer{
		"container": {Name: "other", Image: "demo:1", Namespace: "ns"}, "image": {Name: "app", Image: "demo:2", Namespace: "ns"},
		"namespace": {Name: "app", Image: "demo:1", Namespace: "other"},
	} {
		n := newNode(t, restoring(nil))
		n.putCheckpoint(t, about)
		if runc, failed, logged := n.create(t); !failed || runc != nil || !strings.Contains(logged, codeWrongContainer+": the checkpoint is of "+what) {
			t.Errorf("%s: failed %t, runc was called with %q, logged %q", what, failed, runc, logged)
		}
	}
}

func TestAPodThatWasRestoredStartsAsUsual(t *testing.T) {
	n := newNode(t, restoring(nil))
	write(t, n.store, map[string]string{".restored/uid": "{}"})
	if runc, failed, _ := n.create(t); failed || !slices.Contains(runc, "create") {
		t.Errorf("failed %t, runc was called with %q", failed, runc)
	}
}
