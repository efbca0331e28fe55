package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

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
