package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cgroupMounts are where this host has its cgroups: by controller, those of version 2 under "".
func cgroupMounts(t *testing.T) map[string]string {
	t.Helper()
	content, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	found := map[string]string{}
	for line := range strings.Lines(string(content)) {
		mount, system, _ := strings.Cut(strings.TrimSpace(line), " - ")
		fields, words := strings.Fields(mount), strings.Fields(system)
		switch {
		case len(words) < 3:
		case words[0] == "cgroup2":
			found[""] = fields[4]
		case words[0] == "cgroup":
			for controller := range strings.SplitSeq(words[2], ",") {
				found[controller] = fields[4]
			}
		}
	}
	return found
}

func TestACgroupTellsWhoIsInItAndWhetherAnyMoved(t *testing.T) {
	mounts := cgroupMounts(t)
	for version, controllers := range map[int][]string{1: {"freezer", "cpuacct"}, 2: {""}} {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) {
			g := startGroup(t, "while :; do echo x >> lines; done")
			c := &container{pid: g.id, cgroups: map[string]string{}}
			for _, controller := range controllers {
				if mounts[controller] == "" {
					t.Skipf("this host has no cgroups of version %d", version)
				}
				folder := filepath.Join(mounts[controller], fmt.Sprintf("bay-e2e-test-%d", os.Getpid()))
				if err := os.Mkdir(folder, 0o755); err != nil {
					t.Skipf("no right to make a cgroup here: %v", err)
				}
				t.Cleanup(func() { eventually(t, "an empty cgroup", func() bool { return os.Remove(folder) == nil }) })
				must(t, os.WriteFile(filepath.Join(folder, "cgroup.procs"), []byte(strconv.Itoa(g.id)), 0o600))
				c.cgroups[controller] = folder
			}
			pids, err := c.processes()
			if must(t, err); !slices.Contains(pids, g.id) {
				t.Fatalf("process %d is not among %v", g.id, pids)
			}
			h := newHolder(c.processes, always)
			must(t, h.hold(noCriu))
			before, told := c.usage()
			time.Sleep(quiet) // What is promised is that nothing happens.
			if after, _ := c.usage(); !told || after != before {
				t.Errorf("told %t, and %d became %d while all stood still", told, before, after)
			}
			h.release()
			eventually(t, "processor time", func() bool { after, _ := c.usage(); return after > before })
			must(t, killGroup(g))
		})
	}
}
