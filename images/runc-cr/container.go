package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// annotations that containerd gives to containers of pods, and the one by which a pod asks for a restore.
const (
	annotationType      = "io.kubernetes.cri.container-type"
	annotationName      = "io.kubernetes.cri.container-name"
	annotationImage     = "io.kubernetes.cri.image-name"
	annotationPod       = "io.kubernetes.cri.sandbox-name"
	annotationNamespace = "io.kubernetes.cri.sandbox-namespace"
	annotationPodUID    = "io.kubernetes.cri.sandbox-uid"
	annotationRestore   = "runc-cr.dev/restore"
)

// spec is what is used of a bundle's config.json.
type spec struct {
	Process struct {
		Terminal bool `json:"terminal"`
	} `json:"process"`
	Root struct {
		Path string `json:"path"`
	} `json:"root"`
	Mounts []struct {
		Destination string `json:"destination"`
		Source      string `json:"source"`
	} `json:"mounts"`
	Annotations map[string]string `json:"annotations"`
	Linux       struct {
		Namespaces []struct {
			Type string `json:"type"`
		} `json:"namespaces"`
	} `json:"linux"`
}

func readSpec(bundle string) (*spec, error) {
	content, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		return nil, err
	}
	var s spec
	return &s, json.Unmarshal(content, &s)
}

// rootfs is the folder on which the container's root file system is mounted.
func (s *spec) rootfs(bundle string) string {
	if filepath.IsAbs(s.Root.Path) {
		return s.Root.Path
	}
	return filepath.Join(bundle, s.Root.Path)
}

func (s *spec) hasNamespace(kind string) bool {
	for _, namespace := range s.Linux.Namespaces {
		if namespace.Type == kind {
			return true
		}
	}
	return false
}

// restoreID is the checkpoint that an application container is to be restored from, or nothing.
func (s *spec) restoreID() string {
	if s.Annotations[annotationType] != "container" {
		return ""
	}
	return s.Annotations[annotationRestore]
}

// about is what a manifest says of the container.
func (s *spec) about(id string) aboutContainer {
	a := s.Annotations
	return aboutContainer{ID: id, Name: a[annotationName], Image: a[annotationImage], Pod: a[annotationPod], Namespace: a[annotationNamespace], PodUID: a[annotationPodUID]}
}

// container is a running container as runc's state folder describes it.
type container struct {
	id     string
	pid    int
	bundle string
	spec   *spec
	// cgroups by controller; that of version 2 is named "".
	cgroups map[string]string
}

// runcState is what is used of runc's state.json.
type runcState struct {
	Pid     int               `json:"init_process_pid"`
	Started uint64            `json:"init_process_start"`
	Cgroups map[string]string `json:"cgroup_paths"`
	Config  struct {
		Labels []string `json:"labels"`
	} `json:"config"`
}

func readState(runcRoot, id string) (*runcState, error) {
	content, err := os.ReadFile(filepath.Join(runcRoot, id, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failf(codeContainerNotFound, "no container %s below %s", id, runcRoot)
	}
	if err != nil {
		return nil, err
	}
	var state runcState
	return &state, json.Unmarshal(content, &state)
}

// bundle is the folder that the container was made from.
func (s *runcState) bundle() string {
	for _, label := range s.Config.Labels {
		if bundle, found := strings.CutPrefix(label, "bundle="); found {
			return bundle
		}
	}
	return ""
}

// alive tells whether the first process lives and is not another one that was given its number.
func (s *runcState) alive() bool {
	process, err := readProcess(s.Pid)
	return err == nil && process.started == s.Started && process.state != 'Z' && process.state != 'X'
}

// waitsForStart tells whether the container was created and not started yet: runc waits on this pipe until then.
func waitsForStart(runcRoot, id string) bool {
	_, err := os.Stat(filepath.Join(runcRoot, id, "exec.fifo"))
	return err == nil
}

// runningContainer finds a container that can be dumped as far as runc's own state tells.
func runningContainer(runcRoot, id string) (*container, error) {
	state, err := readState(runcRoot, id)
	if err != nil {
		return nil, err
	}
	if !state.alive() {
		return nil, failf(codeContainerNotRunning, "container %s has ended", id)
	}
	if waitsForStart(runcRoot, id) {
		return nil, failf(codeContainerNotRunning, "container %s was not started yet", id)
	}
	if frozen(state.Cgroups) {
		return nil, failf(codeContainerNotRunning, "container %s is paused", id)
	}
	c := &container{id: id, pid: state.Pid, bundle: state.bundle(), cgroups: state.Cgroups}
	c.spec, err = readSpec(c.bundle)
	return c, err
}

func frozen(cgroups map[string]string) bool {
	if path := cgroups["freezer"]; path != "" {
		state, _ := os.ReadFile(filepath.Join(path, "freezer.state"))
		return strings.HasPrefix(string(state), "FR")
	}
	state, _ := os.ReadFile(filepath.Join(cgroups[""], "cgroup.freeze"))
	return strings.TrimSpace(string(state)) == "1"
}
