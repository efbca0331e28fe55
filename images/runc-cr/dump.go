package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	imagesFolder = "checkpoint"
	rootfsDiff   = "rootfs-diff.tar"
	dumpLog      = "dump.log"
	statsFile    = "stats-dump"
	stateFolder  = "runc-state"
	// What CRIU and tar add to memory and files; found with processes of 2 to 500 MB.
	overheadBytes = 4 << 20
)

// criuFlags hold at both ends. cgroups: a restored process belongs into its new pod's. Connections: see /etc/criu/runc.conf,
// which closes them at the restore.
var criuFlags = []string{"--manage-cgroups-mode", "ignore", "--tcp-established", "--file-locks"}

type dumpRequest struct {
	runcRoot, container, id string
	maxBytes                int64
}

// dump writes a checkpoint of a running container, which goes on running. It stands under another name until it is whole.
func (s *store) dump(request dumpRequest) (*manifest, error) {
	begin := time.Now()
	if _, err := os.Lstat(s.folder(request.id)); err == nil {
		return nil, failf(codeExists, "the store has a checkpoint %s", request.id)
	}
	c, err := runningContainer(request.runcRoot, request.container)
	if err != nil {
		return nil, err
	}
	unlock, err := s.lockContainer(c.id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	upper, err := s.admit(c, request.maxBytes)
	if err != nil {
		return nil, err
	}
	work := filepath.Join(s.path, unfinishedPrefix+request.id)
	if err := os.RemoveAll(work); err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	if err := os.Mkdir(work, 0o700); err != nil {
		return nil, err
	}
	release, _, err := lock(work) // Tells a sweep that this is under way.
	if err != nil {
		return nil, err
	}
	defer release()
	if err := c.dumpTo(work, request.runcRoot, upper); err != nil {
		return nil, err
	}
	m, err := c.describe(work, request, begin)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(work, s.folder(request.id)); err != nil {
		return nil, err
	}
	return m, nil
}

func (s *store) lockContainer(id string) (func(), error) {
	path := filepath.Join(s.path, locksFolder, id)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	unlock, taken, err := lock(path)
	if err == nil && !taken {
		return nil, failf(codeBusy, "a dump of container %s is under way", id)
	}
	return unlock, err
}

// admit refuses what cannot be dumped, or finds no room, before anything is frozen.
func (s *store) admit(c *container, maxBytes int64) (upper string, err error) {
	memory, err := c.inspect()
	if err != nil {
		return "", err
	}
	if upper, err = c.upperDir(); err != nil {
		return "", err
	}
	files, err := treeSize(upper)
	if err != nil {
		return "", err
	}
	wanted := memory + files + overheadBytes
	if maxBytes > 0 && wanted > maxBytes {
		return "", failf(codeTooLarge, "about %d bytes (memory %d, files %d), and at most %d are allowed", wanted, memory, files, maxBytes)
	}
	free, err := s.free()
	if err != nil {
		return "", err
	}
	if wanted > free {
		return "", failf(codeStoreFull, "about %d bytes, and %s has %d free", wanted, s.path, free)
	}
	return upper, nil
}

// dumpTo lets runc and CRIU write a container's memory, and the hook its files while it stands still.
func (c *container) dumpTo(work, runcRoot, upper string) error {
	runc, err := find("runc")
	if err != nil {
		return err
	}
	root, err := withoutFreezer(runcRoot, c.id, filepath.Join(work, stateFolder))
	if err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Join(work, stateFolder))
	arguments := append([]string{"--root", root, "checkpoint", "--leave-running", "--image-path", filepath.Join(work, imagesFolder), "--work-path", work}, criuFlags...)
	command := exec.Command(runc, append(arguments, c.id)...)
	diff := filepath.Join(work, rootfsDiff)
	command.Env = environment(hookUpper+"="+upper, hookDiff+"="+diff)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Run(); err != nil {
		return dumpFailure(work, said.String(), err)
	}
	if _, err := os.Stat(diff); err != nil {
		return failf(codeDumpFailed, "CRIU did not call the hook that packs the root file system: /etc/criu/runc.conf names none")
	}
	return nil
}

// withoutFreezer makes a copy of runc's state of a container in which it has no freezer, and gives the folder to name as
// root. CRIU looks only ten times a second whether a freezer is done, so that half of all dumps would stand still for
// 100 ms more; without one it stops each process by ptrace, at once. With cgroups of version 2 runc finds the freezer
// by itself, and the state is used as it is.
func withoutFreezer(runcRoot, id, copy string) (string, error) {
	content, err := os.ReadFile(filepath.Join(runcRoot, id, "state.json"))
	if err != nil {
		return "", err
	}
	var state map[string]json.RawMessage
	var cgroups map[string]string
	if err := json.Unmarshal(content, &state); err != nil {
		return "", err
	}
	if err := json.Unmarshal(state["cgroup_paths"], &cgroups); err != nil {
		return "", err
	}
	if cgroups["freezer"] == "" {
		return runcRoot, nil
	}
	delete(cgroups, "freezer")
	if state["cgroup_paths"], err = json.Marshal(cgroups); err != nil {
		return "", err
	}
	if content, err = json.Marshal(state); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(copy, id), 0o700); err != nil {
		return "", err
	}
	return copy, os.WriteFile(filepath.Join(copy, id, "state.json"), content, 0o600)
}

func dumpFailure(work, said string, cause error) error {
	var ofHook failure
	if content, err := os.ReadFile(filepath.Join(work, rootfsDiff+hookError)); err == nil && json.Unmarshal(content, &ofHook) == nil {
		return &ofHook
	}
	lines := criuErrors(filepath.Join(work, dumpLog))
	failed := failf(codeDumpFailed, "runc checkpoint: %v", cause)
	if len(lines) == 0 {
		failed.Message += ": " + lastLine(said)
	}
	failed.Criu = lines
	return failed
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// describe writes what an archive of containerd has beside the images, and the manifest.
func (c *container) describe(work string, request dumpRequest, begin time.Time) (*manifest, error) {
	about := c.spec.about(c.id)
	specification, err := os.ReadFile(filepath.Join(c.bundle, "config.json"))
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{"id": c.id, "name": about.Name, "rootfsImageName": about.Image, "checkpointedTime": begin.UTC()})
	if err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{"spec.dump": specification, "config.dump": config} {
		if err := os.WriteFile(filepath.Join(work, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	m := &manifest{ID: request.id, Created: begin.UTC(), Version: version, Container: about}
	if m.FreezeMicroseconds, err = readFreeze(filepath.Join(work, statsFile)); err != nil {
		return nil, fmt.Errorf("%s: %w", statsFile, err)
	}
	if m.Files, err = recordFiles(work); err != nil {
		return nil, err
	}
	for name, file := range m.Files {
		m.Bytes += file.Bytes
		if strings.HasPrefix(name, imagesFolder+"/pages-") {
			m.MemoryBytes += file.Bytes
		}
	}
	m.RootfsBytes = m.Files[rootfsDiff].Bytes
	if request.maxBytes > 0 && m.Bytes > request.maxBytes {
		return nil, failf(codeTooLarge, "it took %d bytes, and at most %d are allowed", m.Bytes, request.maxBytes)
	}
	m.DurationMicroseconds = time.Since(begin).Microseconds()
	if err := m.write(work); err != nil {
		return nil, err
	}
	return m, nil
}
