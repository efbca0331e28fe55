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
	watch, steps := stopwatch{begin}, dumpSteps{}
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
	plan, err := s.admit(c, request.maxBytes)
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
	steps.Look = watch.lap()
	if err := c.dumpTo(work, request.runcRoot, plan); err != nil {
		return nil, err
	}
	steps.Runc = watch.lap()
	m, err := c.describe(work, request, plan.archives, begin)
	if err != nil {
		return nil, err
	}
	steps.Record = watch.lap()
	m.Steps, m.DurationMicroseconds = steps, time.Since(begin).Microseconds()
	if err := m.write(work); err != nil {
		return nil, err
	}
	if err := os.Rename(work, s.folder(request.id)); err != nil {
		return nil, err
	}
	if err := s.remember(request.id); err != nil {
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

// dumpPlan is what a dump is to do.
type dumpPlan struct {
	trees []tree
	// archives of volumes by where they are mounted.
	archives map[string]string
	// watched are paths that CRIU is told of.
	watched []string
	// room is how many bytes the files may have in the end.
	room int64
}

// admit refuses what cannot be dumped, or finds no room, before anything is frozen.
func (s *store) admit(c *container, maxBytes int64) (*dumpPlan, error) {
	found, err := c.inspect()
	if err != nil {
		return nil, err
	}
	upper, err := c.upperDir()
	if err != nil {
		return nil, err
	}
	trees, archives := planTrees(upper, c.spec.volumes())
	var files int64
	for _, one := range trees {
		size, err := treeSize(one.Folder)
		if err != nil {
			return nil, err
		}
		files += size
	}
	wanted := found.memory + files + overheadBytes
	if maxBytes > 0 && wanted > maxBytes {
		return nil, failf(codeTooLarge, "about %d bytes (memory %d, files %d), and at most %d are allowed", wanted, found.memory, files, maxBytes)
	}
	free, err := s.free()
	if err != nil {
		return nil, err
	}
	if wanted > free {
		return nil, failf(codeStoreFull, "about %d bytes, and %s has %d free", wanted, s.path, free)
	}
	room := free - found.memory - overheadBytes
	if maxBytes > 0 {
		room = min(room, maxBytes-found.memory-overheadBytes)
	}
	return &dumpPlan{trees, archives, found.watched, room}, nil
}

// dumpTo lets runc and CRIU write a container's memory, and packs its files while it stands still.
func (c *container) dumpTo(work, runcRoot string, plan *dumpPlan) error {
	runc, err := find("runc")
	if err != nil {
		return err
	}
	root := filepath.Join(work, stateFolder)
	defer os.RemoveAll(root)
	if err := copyState(runcRoot, c.id, root, plan.watched); err != nil {
		return err
	}
	for i := range plan.trees {
		plan.trees[i].Archive = filepath.Join(work, plan.trees[i].Archive)
	}
	still := newStandstill(c, plan)
	defer still.end()
	stop, err := hearStages(root, still.at)
	if err != nil {
		return err
	}
	arguments := append([]string{"--root", root, "checkpoint", "--leave-running", "--image-path", filepath.Join(work, imagesFolder), "--work-path", work}, criuFlags...)
	command := exec.Command(runc, append(arguments, c.id)...)
	command.Env = environment(hookSocket + "=" + root)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	failed := command.Run()
	if refused := stop(); refused != nil {
		return refused
	}
	if failed != nil {
		return dumpFailure(work, said.String(), failed)
	}
	if !still.packed {
		return failf(codeDumpFailed, "CRIU did not call the hook that packs the container's files: runc or criu is too old for org.criu.config")
	}
	return nil
}

func dumpFailure(work, said string, cause error) error {
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

// describe writes what an archive of containerd has beside the images, and gives the manifest but for its times.
func (c *container) describe(work string, request dumpRequest, archives map[string]string, begin time.Time) (*manifest, error) {
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
	m := &manifest{ID: request.id, Created: begin.UTC(), Version: version, Container: about, Volumes: archives}
	if m.FreezeMicroseconds, err = readFreeze(filepath.Join(work, statsFile)); err != nil {
		return nil, fmt.Errorf("%s: %w", statsFile, err)
	}
	if m.Files, err = recordFiles(work); err != nil {
		return nil, err
	}
	for name, file := range m.Files {
		m.Bytes += file.Bytes
		switch {
		case strings.HasPrefix(name, imagesFolder+"/pages-"):
			m.MemoryBytes += file.Bytes
		case strings.HasPrefix(name, "volume-"):
			m.VolumeBytes += file.Bytes
		}
	}
	m.RootfsBytes = m.Files[rootfsDiff].Bytes
	if request.maxBytes > 0 && m.Bytes > request.maxBytes {
		return nil, failf(codeTooLarge, "it took %d bytes, and at most %d are allowed", m.Bytes, request.maxBytes)
	}
	return m, nil
}
