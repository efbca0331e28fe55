package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// The stable codes of failures; README.md says what each means, and a test compares the two.
const (
	codeUsage               = "usage"
	codeNotRoot             = "not_root"
	codeContainerNotFound   = "container_not_found"
	codeContainerNotRunning = "container_not_running"
	codeBusy                = "busy"
	codeExists              = "exists"
	codeTTY                 = "tty"
	codeUserNamespace       = "user_namespace"
	codeIOUring             = "io_uring"
	codeTraced              = "traced"
	codeDeletedMapping      = "deleted_mapping"
	codeDevice              = "device"
	codeDescriptor          = "descriptor"
	codeDeletedFile         = "deleted_file"
	codeWatch               = "watch"
	codeEpoll               = "epoll"
	codeSocket              = "socket"
	codeNamespace           = "namespace"
	codeLease               = "lease"
	codeNestedMount         = "nested_mount"
	codeNotStill            = "not_still"
	codeNotPermitted        = "not_permitted"
	codeSnapshotter         = "snapshotter"
	codeTooLarge            = "too_large"
	codeStoreFull           = "store_full"
	codeDumpFailed          = "dump_failed"
	codeNotFound            = "checkpoint_not_found"
	codeBroken              = "checkpoint_broken"
	codeWrongContainer      = "wrong_container"
	codeUnsafeArchive       = "unsafe_archive"
	codeRestoreFailed       = "restore_failed"
	codeIncomplete          = "incomplete"
	codeInternal            = "internal"
)

// codes is every code.
var codes = []string{
	codeUsage, codeNotRoot, codeContainerNotFound, codeContainerNotRunning, codeBusy, codeExists, codeTTY, codeUserNamespace, codeIOUring,
	codeTraced, codeDeletedMapping, codeDevice, codeDescriptor, codeDeletedFile, codeWatch, codeEpoll, codeSocket, codeNamespace, codeLease, codeNestedMount, codeNotStill, codeNotPermitted, codeSnapshotter, codeTooLarge, codeStoreFull, codeDumpFailed, codeNotFound,
	codeBroken, codeWrongContainer, codeUnsafeArchive, codeRestoreFailed, codeIncomplete, codeInternal,
}

// failure is an error with a stable code.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// CRIU's last error lines.
	Criu []string `json:"criu"`
}

func (f *failure) Error() string {
	if len(f.Criu) == 0 {
		return f.Code + ": " + f.Message
	}
	return f.Code + ": " + f.Message + "; CRIU: " + strings.Join(f.Criu, " | ")
}

func failf(code, format string, values ...any) *failure {
	return &failure{Code: code, Message: fmt.Sprintf(format, values...), Criu: []string{}}
}

func asFailure(err error) *failure {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	return failf(codeInternal, "%v", err)
}

const (
	maxCriuLines  = 4
	maxLineLength = 200
)

// Lines of CRIU's log begin with a time and perhaps a process id: `(00.123456)     17: Error (criu/x.c:1): …`.
var logPrefix = regexp.MustCompile(`^\(\d+\.\d+\)\s*(\d+:\s*)?`)

// harmless is what CRIU calls an error on each host without CAP_SYS_RESOURCE, and goes on.
const harmless = "Can't setup RLIMIT_NOFILE for self"

// criuErrors gives the first error line of a CRIU log, which is the cause more often than not, and the last ones, without times;
// none where there is no log.
func criuErrors(log string) []string {
	lines := []string{}
	file, err := os.Open(log)
	if err != nil {
		return lines
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		line := scanner.Text()
		if !strings.Contains(line, "Error") || strings.Contains(line, harmless) {
			continue
		}
		line = logPrefix.ReplaceAllString(line, "")
		if len(line) > maxLineLength {
			line = line[:maxLineLength] + "…"
		}
		if lines = append(lines, line); len(lines) > maxCriuLines {
			lines = append(lines[:1], lines[2:]...)
		}
	}
	return lines
}
