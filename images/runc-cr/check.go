package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// finding is what was seen of one piece that checkpoints need.
type finding struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Without a piece that is not required some containers cannot be dumped; `found` says which.
	Required bool   `json:"required"`
	Found    string `json:"found"`
	Needed   string `json:"needed"`
	Fix      string `json:"fix,omitempty"`
}

type preflight struct {
	OK     bool      `json:"ok"`
	Checks []finding `json:"checks"`
}

const programPatience = 10 * time.Second

// containerdConfigs are where a node keeps the settings of its containerd.
var containerdConfigs = []string{"/etc/containerd/config.toml", "/etc/containerd/conf.d/*.toml", "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"}

// check looks at every piece; a missing one is an error beside the whole answer.
func check() (*preflight, error) {
	result := &preflight{OK: true, Checks: []finding{checkCriu(), checkCriuWorks(), checkOptions(), checkTar(), checkRunc(), checkHandler(), checkStore(), checkCapability(), checkCgroups()}}
	var lacking []string
	for _, f := range result.Checks {
		if f.Required && !f.OK {
			result.OK = false
			lacking = append(lacking, f.Name)
		}
	}
	if !result.OK {
		return result, failf(codeIncomplete, "missing or unfit: %s", strings.Join(lacking, ", "))
	}
	return result, nil
}

// output runs a program of the node to its end and gives all that it says.
func output(name string, arguments ...string) (string, error) {
	path, err := find(name)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), programPatience)
	defer cancel()
	said, err := exec.CommandContext(ctx, path, arguments...).CombinedOutput()
	return strings.TrimSpace(string(said)), err
}

func checkCriu() finding {
	var name unix.Utsname
	_ = unix.Uname(&name)
	kernel := unix.ByteSliceToString(name.Release[:])
	needed := neededCriu(kernel)
	f := finding{Name: "criu", Required: true, Needed: fmt.Sprintf("criu %s or newer (kernel %s)", needed, kernel), Fix: "a newer criu in " + ownPrograms + " or PATH"}
	said, err := output("criu", "--version")
	if err != nil {
		f.Found = err.Error()
		return f
	}
	found := regexp.MustCompile(`Version:\s*(\S+)`).FindStringSubmatch(said)
	if found == nil {
		f.Found = said
		return f
	}
	f.Found = "criu " + found[1]
	return f.judged(!older(found[1], needed))
}

// neededCriu: older ones cannot restore listeners on kernels from 6.16 on.
func neededCriu(kernel string) string {
	if older(kernel, "6.16") {
		return "3.17"
	}
	return "4.2"
}

// older compares versions by their numbers.
func older(version, than string) bool {
	a, b := numbers(version), numbers(than)
	for i := range max(len(a), len(b)) {
		var x, y int
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return x < y
		}
	}
	return false
}

var versionPattern = regexp.MustCompile(`^\d+(\.\d+)*`)

func numbers(version string) []int {
	var all []int
	for part := range strings.SplitSeq(versionPattern.FindString(version), ".") {
		number, _ := strconv.Atoi(part)
		all = append(all, number)
	}
	return all
}

// judged drops the fix of what is well.
func (f finding) judged(ok bool) finding {
	if f.OK = ok; ok {
		f.Fix = ""
	}
	return f
}

func checkCriuWorks() finding {
	f := finding{Name: "kernel", Required: true, Needed: "what CRIU needs of the kernel, as `criu check` tells", Fix: "a privileged node on a kernel with CONFIG_CHECKPOINT_RESTORE"}
	said, err := output("criu", "check")
	f.Found = lastLine(said)
	return f.judged(err == nil)
}

func checkOptions() finding {
	f := finding{Name: "options", Required: true, Needed: "tcp-close and skip-in-flight in " + criuConfig, Fix: "see images/runc-cr/node/criu.conf"}
	content, err := os.ReadFile(criuConfig)
	if err != nil {
		f.Found = err.Error()
		return f
	}
	set := map[string]bool{}
	for line := range strings.Lines(string(content)) {
		if words := strings.Fields(line); len(words) > 0 && words[0][0] != '#' {
			set[words[0]] = true
		}
	}
	f.Found = strings.Join(sortedKeys(set), " ")
	return f.judged(set["tcp-close"] && set["skip-in-flight"])
}

func checkTar() finding {
	f := finding{Name: "tar", Required: true, Needed: "GNU tar, which CRIU calls for each tmpfs", Fix: "GNU tar in " + ownPrograms}
	said, err := output("tar", "--version")
	f.Found, _, _ = strings.Cut(said, "\n")
	if err != nil && f.Found == "" {
		f.Found = err.Error()
	}
	return f.judged(err == nil && strings.Contains(f.Found, "GNU tar"))
}

func checkRunc() finding {
	f := finding{Name: "runc", Required: true, Needed: "runc 1.1 or newer", Fix: "runc in PATH"}
	said, err := output("runc", "--version")
	f.Found, _, _ = strings.Cut(said, "\n")
	if err != nil {
		f.Found = err.Error()
		return f
	}
	return f.judged(!older(strings.TrimPrefix(f.Found, "runc version "), "1.1"))
}

var handlerPattern = regexp.MustCompile(`(?m)^\s*\[plugins\..*runtimes\.['"]?checkpoint['"]?\]`)

func checkHandler() finding {
	f := finding{Name: "handler", Required: true, Needed: "a runtime `checkpoint` in containerd's settings", Found: "none", Fix: "see images/runc-cr/Dockerfile"}
	for _, pattern := range containerdConfigs {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if content, err := os.ReadFile(file); err == nil && handlerPattern.Match(content) {
				f.Found = file
				return f.judged(true)
			}
		}
	}
	return f
}

func checkStore() finding {
	f := finding{Name: "store", Required: true, Needed: "a folder on a file system of the node's data", Fix: "a volume at " + defaultStore + ", or a link from there to one"}
	s, err := openStore()
	if err != nil {
		f.Found = err.Error()
		return f
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(s.path, &stat); err != nil {
		f.Found = err.Error()
		return f
	}
	f.Found = fmt.Sprintf("%s, %d MB free", s.path, int64(stat.Bavail)*stat.Bsize/1e6)
	if stat.Type == unix.OVERLAYFS_SUPER_MAGIC {
		f.Found += ", in a container's own layer, which goes with the container"
	}
	return f.judged(stat.Type != unix.OVERLAYFS_SUPER_MAGIC)
}

func checkCapability() finding {
	f := finding{Name: "capability", Needed: "CAP_SYS_RESOURCE, to read the limits of processes of other users", Found: "missing: only processes of uid 0 can be dumped", Fix: "a host that has it"}
	if hasCapability(capSysResource) {
		f.Found = "CAP_SYS_RESOURCE"
		return f.judged(true)
	}
	return f
}

func checkCgroups() finding {
	f := finding{Name: "cgroups", Needed: "version 1 or 2", Found: "version 1"}
	var stat unix.Statfs_t
	if err := unix.Statfs("/sys/fs/cgroup", &stat); err == nil && stat.Type == unix.CGROUP2_SUPER_MAGIC {
		f.Found = "version 2"
	}
	return f.judged(true)
}
