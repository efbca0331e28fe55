package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// CRIU calls its action script (see state.go) at each stage of a dump, with the stage in CRTOOLS_SCRIPT_ACTION, and
// waits for its end. The script is this program under another name, and only brings word to the dump, which does the
// work: a dump that is killed takes all that it holds with it, and a script that was left alone would not.
const (
	hookStage = "CRTOOLS_SCRIPT_ACTION"
	// hookSocket is the variable with the folder of the dump's socket.
	hookSocket = "RUNC_CR_HOOK"
	socketName = "hook.sock"

	// stageFrozen: CRIU's tasks have just been stopped. Not called for a container in the node's network.
	stageFrozen = "network-lock"
	// stageDumped: all is written and the processes still stand: the one moment in which files and memory fit together.
	stageDumped = "post-dump"

	stageDone = "done"
)

// runHook brings word of a stage to the dump; it returns the exit code, which ends CRIU's dump if it is not 0.
func runHook(variable func(string) string) int {
	stage, folder := variable(hookStage), variable(hookSocket)
	if folder == "" || stage != stageFrozen && stage != stageDumped {
		return 0
	}
	if err := bringWord(folder, stage); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func bringWord(folder, stage string) error {
	address, done, err := socketAddress(folder)
	if err != nil {
		return err
	}
	defer done()
	dump, err := net.DialUnix("unix", nil, address)
	if err != nil {
		return err
	}
	defer dump.Close()
	if _, err := fmt.Fprintln(dump, stage); err != nil {
		return err
	}
	answer, err := io.ReadAll(dump)
	if err == nil && string(answer) != stageDone {
		err = errors.New("the dump refused, or ended")
	}
	return err
}

// socketAddress leads to the socket in a folder whose path may be longer than an address.
func socketAddress(folder string) (address *net.UnixAddr, done func(), err error) {
	fd, err := unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, &os.PathError{Op: "open", Path: folder, Err: err}
	}
	name := filepath.Join(fmt.Sprintf("/proc/self/fd/%d", fd), socketName)
	return &net.UnixAddr{Name: name, Net: "unix"}, func() { _ = unix.Close(fd) }, nil
}

// hearStages answers the hook's words with what `work` gives until `stop` is called, which returns the first failure.
func hearStages(folder string, work func(stage string) error) (stop func() error, err error) {
	address, done, err := socketAddress(folder)
	if err != nil {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", address)
	if err != nil {
		done()
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- answerAll(listener, work) }()
	return func() error {
		_ = listener.Close()
		done()
		return <-ended
	}, nil
}

func answerAll(listener *net.UnixListener, work func(stage string) error) error {
	var first error
	for {
		hook, err := listener.AcceptUnix()
		if err != nil {
			return first // Closed: CRIU has ended.
		}
		word, err := bufio.NewReader(hook).ReadString('\n')
		if err == nil {
			err = work(strings.TrimSpace(word))
		}
		if err == nil {
			_, err = io.WriteString(hook, stageDone)
		}
		if first == nil {
			first = err
		}
		_ = hook.Close()
	}
}
