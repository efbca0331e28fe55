package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	criuConfig = "/etc/criu/runc.conf"
	// criuLabel names, among a container's labels, the file of CRIU's options that runc hands on.
	criuLabel = "org.criu.config="
)

// copyState copies runc's state of a container into a folder that can be named as runc's root, with two changes that
// are a dump's own and must not stay with the container.
//
// It has no freezer: CRIU looks only ten times a second whether that is done, so half of all dumps would stand still
// for 100 ms more; without one it stops each process by ptrace, at once. With cgroups of version 2 runc finds the
// freezer by itself. And it has CRIU's options of this node with our hook added, which a restore does not need.
func copyState(runcRoot, id, folder string, watched []string) error {
	content, err := os.ReadFile(filepath.Join(runcRoot, id, "state.json"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(folder, id), 0o700); err != nil {
		return err
	}
	options := filepath.Join(folder, "criu.conf")
	if content, err = changeState(content, options); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, id, "state.json"), content, 0o600); err != nil {
		return err
	}
	return writeOptions(folder, options, watched)
}

func changeState(content []byte, options string) ([]byte, error) {
	var state, config map[string]json.RawMessage
	var cgroups map[string]string
	var labels []string
	if err := errors.Join(json.Unmarshal(content, &state), json.Unmarshal(state["cgroup_paths"], &cgroups), json.Unmarshal(state["config"], &config), json.Unmarshal(config["labels"], &labels)); err != nil {
		return nil, err
	}
	delete(cgroups, "freezer")
	// The first label counts.
	labels = append([]string{criuLabel + options}, labels...)
	var err error
	for _, part := range []struct {
		in    map[string]json.RawMessage
		key   string
		value any
	}{{config, "labels", labels}, {state, "config", config}, {state, "cgroup_paths", cgroups}} {
		if part.in[part.key], err = json.Marshal(part.value); err != nil {
			return nil, err
		}
	}
	return json.Marshal(state)
}

// writeOptions writes the node's options with more: CRIU calls this program, by the hook's name, at each stage, and looks for
// watched files under these paths.
func writeOptions(folder, options string, watched []string) error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	hook := filepath.Join(folder, hookName)
	if err := os.Symlink(own, hook); err != nil {
		return err
	}
	content, err := os.ReadFile(criuConfig)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// link-remap: an open file whose name was deleted, and that has others, is kept under a name that CRIU removes again.
	content = append(content, "\naction-script "+hook+"\nlink-remap\n"...)
	for _, path := range watched {
		content = append(content, "irmap-scan-path "+path+"\n"...)
	}
	return os.WriteFile(options, content, 0o600)
}
