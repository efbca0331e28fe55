package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const restoreLog = "restore.log"

// create restores the container instead of creating it where its pod asks for that. `done` is false where it is runc's.
func (c call) create() (done bool, err error) {
	bundle := valueOf(c.arguments, "bundle", "b")
	if bundle == "" {
		bundle = "."
	}
	specification, err := readSpec(bundle)
	if err != nil {
		return false, nil // runc says what is wrong with a bundle.
	}
	id := specification.restoreID()
	if id == "" {
		return false, nil
	}
	if !validID(id) {
		return true, restoreError(id, failf(codeUsage, "the annotation %s is no UUID in lower case", annotationRestore))
	}
	s, err := openStore()
	if err != nil {
		return true, restoreError(id, err)
	}
	about := specification.about(c.id())
	if s.restored(about.PodUID) {
		return false, nil
	}
	if err := s.restore(id, c, bundle, specification); err != nil {
		return true, restoreError(id, err)
	}
	return true, nil
}

func restoreError(id string, err error) error {
	return fmt.Errorf("runc-cr: restore of %s: %w", id, asFailure(err))
}

// restore checks a checkpoint, brings its files into the mounted root file system and lets runc and CRIU go on with it.
func (s *store) restore(id string, c call, bundle string, specification *spec) error {
	watch, steps := stopwatch{time.Now()}, restoreSteps{}
	held := s.holding(id)
	m, err := held.manifest(id)
	if err != nil {
		return err
	}
	about := specification.about(c.id())
	if err := m.Container.matches(about); err != nil {
		return err
	}
	if err := m.compare(held.folder(id)); err != nil {
		return err
	}
	steps.Verify = watch.lap()
	if err := m.unpackTrees(held.folder(id), bundle, specification); err != nil {
		return err
	}
	steps.Unpack = watch.lap()
	work := filepath.Join(s.path, logsFolder, c.id())
	if err := os.MkdirAll(work, 0o700); err != nil {
		return err
	}
	if err := c.runcRestore(filepath.Join(held.folder(id), imagesFolder), work); err != nil {
		return err
	}
	steps.Runc = watch.lap()
	if err := s.noteRestored(about, id, steps); err != nil {
		return err
	}
	return os.RemoveAll(work)
}

// matches refuses a checkpoint of something else: its memory would meet files that it does not know.
func (a aboutContainer) matches(other aboutContainer) error {
	for _, pair := range []struct{ what, dumped, asked string }{
		{"namespace", a.Namespace, other.Namespace}, {"container", a.Name, other.Name}, {"image", a.Image, other.Image},
	} {
		if pair.dumped != pair.asked {
			return failf(codeWrongContainer, "the checkpoint is of %s %q, and this is %q", pair.what, pair.dumped, pair.asked)
		}
	}
	return nil
}

// runcRestore runs `runc restore` with the pipes that containerd gave to `create`: they become the container's.
func (c call) runcRestore(images, work string) error {
	runc, err := find("runc")
	if err != nil {
		return err
	}
	command := exec.Command(runc, c.restoreArguments(images, work)...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.Env = environment()
	if err := command.Run(); err != nil {
		failed := failf(codeRestoreFailed, "runc restore: %v", err)
		failed.Criu = criuErrors(filepath.Join(work, restoreLog))
		if len(failed.Criu) == 0 {
			failed.Message += lastLogged(valueOf(c.global, "log"))
		}
		return failed
	}
	return nil
}

// restoreArguments turns a call of `create` into one of `restore`. What the latter does not know concerns what a container
// begins with (keyring, more files), and a restored one goes on with its own.
func (c call) restoreArguments(images, work string) []string {
	words := append([]string{}, c.global...)
	words = append(words, "restore", "--detach", "--image-path", images, "--work-path", work)
	words = append(words, criuFlags...)
	for i := 0; i < len(c.arguments)-1; i++ {
		name, isFlag, inline := flagOf(c.arguments[i])
		takesNext := isFlag && createValues[name] && !inline
		if isFlag && (name == "bundle" || name == "b" || name == "console-socket" || name == "pid-file" || name == "no-pivot") {
			words = append(words, c.arguments[i])
			if takesNext {
				words = append(words, c.arguments[i+1])
			}
		}
		if takesNext {
			i++
		}
	}
	return append(words, c.id())
}

// lastLogged is the last message in a log of runc's.
func lastLogged(log string) string {
	content, err := os.ReadFile(log)
	if err != nil {
		return ""
	}
	var entry struct{ Msg string }
	if json.Unmarshal([]byte(lastLine(string(content))), &entry) != nil || entry.Msg == "" {
		return ""
	}
	return ": " + entry.Msg
}

// restored tells whether a pod was restored already: its containers start as usual from then on.
func (s *store) restored(podUID string) bool {
	_, err := os.Stat(s.note(podUID))
	return podUID != "" && err == nil
}

func (s *store) noteRestored(about aboutContainer, id string, steps restoreSteps) error {
	content, err := json.Marshal(map[string]any{"checkpoint": id, "container": about, "time": time.Now().UTC(), "steps": steps})
	if err != nil || about.PodUID == "" {
		return err
	}
	return os.WriteFile(s.note(about.PodUID), content, 0o600)
}

func (s *store) note(podUID string) string {
	return filepath.Join(s.path, restoredFolder, filepath.Base(podUID))
}
