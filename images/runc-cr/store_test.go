package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func newStore(t *testing.T) *store {
	t.Helper()
	t.Setenv("RUNC_CR_STORE", filepath.Join(t.TempDir(), "store"))
	s, err := openStore()
	must(t, err)
	s.pods = filepath.Join(s.path, "..", "pods")
	return s
}

// put writes a checkpoint that is whole.
func put(t *testing.T, s *store, id string, created time.Time) {
	t.Helper()
	write(t, s.folder(id), map[string]string{"checkpoint/pages-1.img": "pages of " + id})
	files, err := recordFiles(s.folder(id))
	must(t, err)
	must(t, (&manifest{ID: id, Created: created, Files: files}).write(s.folder(id)))
}

const (
	idA = "aaaaaaaa-0000-4000-8000-000000000000"
	idB = "bbbbbbbb-0000-4000-8000-000000000000"
)

func TestTheStoreIsRootsAlone(t *testing.T) {
	s := newStore(t)
	must(t, os.Chmod(s.path, 0o755))
	_, err := openStore()
	must(t, err)
	if info, err := os.Stat(s.path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the store has %v (%v)", info.Mode(), err)
	}
}

func TestALinkToAFolderThatIsNotThereYetIsFollowed(t *testing.T) {
	folder := t.TempDir()
	link := filepath.Join(folder, "link")
	must(t, os.Symlink("data/store", link))
	t.Setenv("RUNC_CR_STORE", link)
	s, err := openStore()
	must(t, err)
	if s.path != filepath.Join(folder, "data/store") {
		t.Error(s.path)
	}
}

func TestOnlyIdsNameCheckpoints(t *testing.T) {
	for id, valid := range map[string]bool{
		idA: true, "": false, "..": false, "AAAAAAAA-0000-4000-8000-000000000000": false, idA + "/..": false, "aaaaaaaa00004000800000000000000000": false,
		"aaaaaaaa-0000-4000-8000-000000000000\n": false,
	} {
		if validID(id) != valid {
			t.Errorf("%q is an id: %t", id, !valid)
		}
	}
}

func TestCheckpointsAreListedOldestFirstAndBrokenOnesToo(t *testing.T) {
	s := newStore(t)
	now := time.Now()
	put(t, s, idA, now)
	put(t, s, idB, now.Add(-time.Hour))
	all, err := s.list()
	must(t, err)
	if len(all.Checkpoints) != 2 || all.Checkpoints[0].ID != idB || all.Bytes <= 0 || all.FreeBytes <= 0 {
		t.Errorf("%+v", all)
	}
	must(t, os.Remove(filepath.Join(s.folder(idA), manifestFile)))
	if all, err = s.list(); err != nil || len(all.Checkpoints) != 2 || all.Checkpoints[0].ID != idA {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestARemovedCheckpointFreesItsBytes(t *testing.T) {
	s := newStore(t)
	put(t, s, idA, time.Now())
	use, err := diskUse(s.folder(idA))
	must(t, err)
	first, err := s.remove(idA)
	must(t, err)
	if !first.Removed || first.Bytes != use {
		t.Errorf("%+v, wanted %d bytes", first, use)
	}
	if second, err := s.remove(idA); err != nil || second.Removed || second.Bytes != 0 {
		t.Errorf("%+v, %v", second, err)
	}
	if left, _ := diskUse(s.path); left != 0 {
		t.Errorf("%d bytes are left", left)
	}
	_, err = s.verify(idA)
	wantCode(t, err, codeNotFound)
}

func TestTheChecksumStandsForTheWholeCheckpoint(t *testing.T) {
	s := newStore(t)
	put(t, s, idA, time.Now())
	before, err := s.verify(idA)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(s.folder(idA), "checkpoint/pages-1.img"), []byte("other"), 0o600))
	files, err := recordFiles(s.folder(idA))
	must(t, err)
	forged := *before
	forged.Files = files
	must(t, forged.write(s.folder(idA)))
	after, err := s.verify(idA)
	must(t, err)
	if before.Checksum == after.Checksum || len(before.Checksum) != len("sha256:")+64 {
		t.Errorf("%q and %q", before.Checksum, after.Checksum)
	}
}

func TestASweepTakesOnlyWhatNobodyNeeds(t *testing.T) {
	s := newStore(t)
	put(t, s, idA, time.Now())
	old := time.Now().Add(-2 * logsKept)
	write(t, s.path, map[string]string{
		unfinishedPrefix + idB + "/checkpoint/core-1.img": "x", unfinishedPrefix + "running/x": "x",
		".logs/old/restore.log": "x", ".logs/new/restore.log": "x", ".restored/gone": "{}", ".restored/there": "{}",
	})
	write(t, s.pods, map[string]string{"there/": ""})
	must(t, os.Chtimes(filepath.Join(s.path, ".logs/old"), old, old))
	unlock, taken, err := lock(filepath.Join(s.path, unfinishedPrefix+"running"))
	if must(t, err); !taken {
		t.Fatal("a lock that nobody has was refused")
	}
	got, err := s.sweep()
	must(t, err)
	for i := range got.Removed {
		got.Removed[i], _ = filepath.Rel(s.path, got.Removed[i])
	}
	slices.Sort(got.Removed)
	if wanted := []string{".logs/old", ".restored/gone", unfinishedPrefix + idB}; !slices.Equal(got.Removed, wanted) {
		t.Errorf("removed %q, wanted %q", got.Removed, wanted)
	}
	unlock()
	if got, err = s.sweep(); err != nil || len(got.Removed) != 1 {
		t.Errorf("a dump that died leaves %+v, %v", got, err)
	}
	_, err = s.verify(idA)
	must(t, err)
}

func TestNotesStayWhereTheKubeletIsElsewhere(t *testing.T) {
	s := newStore(t)
	write(t, s.path, map[string]string{".restored/uid": "{}"})
	if got, err := s.sweep(); err != nil || len(got.Removed) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestACheckpointInAnotherStoreIsFoundByTheRuntime(t *testing.T) {
	other := newStore(t)
	own, err := openStoreAt(filepath.Join(t.TempDir(), "own"))
	must(t, err)
	other.runtime = own.path
	put(t, other, idA, time.Now())
	must(t, other.remember(idA), other.remember(idA))
	if got := own.holding(idA).folder(idA); got != other.folder(idA) {
		t.Errorf("found at %s, wanted %s", got, other.folder(idA))
	}
	if got := own.holding(idB); got != own {
		t.Errorf("an unknown id is looked for in %s", got.path)
	}
	_, err = other.remove(idA)
	must(t, err)
	if _, err := os.Lstat(filepath.Join(own.path, elsewhereFolder, idA)); !missing(err) {
		t.Errorf("the link is left: %v", err)
	}
	put(t, other, idB, time.Now())
	must(t, other.remember(idB), os.RemoveAll(other.folder(idB)))
	if got, err := own.sweep(); err != nil || len(got.Removed) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOneDumpOfAContainerAtATime(t *testing.T) {
	s := newStore(t)
	unlock, err := s.lockContainer("c1")
	must(t, err)
	_, err = s.lockContainer("c1")
	wantCode(t, err, codeBusy)
	other, err := s.lockContainer("c2")
	must(t, err)
	other()
	unlock()
	again, err := s.lockContainer("c1")
	must(t, err)
	again()
}

func TestADumpsOwnSettingsStayOutOfRuncsState(t *testing.T) {
	root, folder := t.TempDir(), filepath.Join(t.TempDir(), stateFolder)
	const state = `{"id":"c1","init_process_start":9007199254740993,"cgroup_paths":{"freezer":"/f","pids":"/p"},"config":{"rootfs":"/r","labels":["bundle=/b","org.criu.config=/other"]}}`
	write(t, root, map[string]string{"c1/state.json": state})
	must(t, copyState(root, "c1", folder, []string{"/watched"}))
	changed, err := readState(folder, "c1")
	must(t, err)
	if changed.Cgroups["freezer"] != "" || changed.Cgroups["pids"] != "/p" || changed.Started != 9007199254740993 || changed.bundle() != "/b" {
		t.Errorf("%+v", changed)
	}
	options := filepath.Join(folder, "criu.conf")
	if changed.Config.Labels[0] != criuLabel+options {
		t.Errorf("labels are %q", changed.Config.Labels)
	}
	hook := filepath.Join(folder, hookName)
	if !strings.HasSuffix(content(t, options), "\naction-script "+hook+"\nlink-remap\nirmap-scan-path /watched\n") {
		t.Errorf("options are %q", content(t, options))
	}
	if _, err := os.Stat(hook); err != nil {
		t.Error(err)
	}
	if content(t, filepath.Join(root, "c1/state.json")) != state {
		t.Error("runc's own state was changed")
	}
}
