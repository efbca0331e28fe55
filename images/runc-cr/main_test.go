package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMain lets the test's own program be the `runc` and the `runc-cr` of tests: under these names it does their work.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "runc":
		said, _ := json.Marshal(os.Args[1:])
		fmt.Println(string(said))
		os.Exit(fakeRunc(os.Args[1:]))
	case "runc-cr":
		main()
	case "holder":
		holdForEver(os.Args[1:])
	default:
		os.Exit(m.Run())
	}
}

// fakeRunc fails a `restore` of images that are not there, as runc does, with CRIU's log beside it.
func fakeRunc(words []string) int {
	if !slices.Contains(words, "restore") {
		return 0
	}
	log := "(00.000001) Running\n(00.010000)     17: Error (criu/sk-inet.c:1): Can't bind\n(00.020000) Error (criu/cr-restore.c:2): Restoring FAILED.\n"
	_ = os.WriteFile(filepath.Join(valueOf(words, "work-path"), restoreLog), []byte(log), 0o600)
	return 1
}

func TestEveryCodeIsDescribed(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "### Codes")
	table, _, _ = strings.Cut(table, "\n## ")
	var described []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)`").FindAllStringSubmatch(table, -1) {
		described = append(described, row[1])
	}
	known := slices.Clone(codes)
	slices.Sort(described)
	slices.Sort(known)
	if !slices.Equal(described, known) {
		t.Errorf("README.md describes\n%v, the program has\n%v", described, known)
	}
}

func TestTheToolIsCalledByItsFirstWordOnly(t *testing.T) {
	for words, tool := range map[string]bool{"list": true, "dump --id x": true, "check": true, "--root /r list": false, "create --bundle b c": false, "state c": false} {
		if got := isTool(strings.Fields(words)[0]); got != tool {
			t.Errorf("%q goes to the tool: %t, wanted %t", words, got, tool)
		}
	}
}

func TestCriuErrorsAreTheFirstAndTheLastOnesWithoutTimes(t *testing.T) {
	log := filepath.Join(t.TempDir(), "dump.log")
	lines := []string{
		"(00.1) Error (criu/util.c:1): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted",
		"(00.2)      7: Error (criu/a.c:1): first", "(00.3) fine", "(00.4) Error (criu/a.c:2): second",
		"(00.5) Error (criu/a.c:3): third", "(00.6) Error (criu/a.c:4): " + strings.Repeat("x", 500), "(00.7) Error (criu/a.c:5): last",
	}
	if err := os.WriteFile(log, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	got := criuErrors(log)
	if len(got) != maxCriuLines || got[0] != "Error (criu/a.c:1): first" || !strings.HasPrefix(got[2], "Error (criu/a.c:4): x") || got[3] != "Error (criu/a.c:5): last" {
		t.Errorf("got %q", got)
	}
	if len(got[2]) > maxLineLength+len("…") {
		t.Errorf("a line of %d characters was kept whole", len(got[2]))
	}
	if got := criuErrors(log + ".none"); len(got) != 0 || got == nil {
		t.Errorf("no log gives %#v, wanted an empty list", got)
	}
}
