package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	controlFolder = "/run/node"
	controlSocket = controlFolder + "/control"
)

// units are the components that `systemctl`, which is this program under another name, starts and stops for kind,
// kubeadm and users. It asks process 1 over a socket that only root can reach.
type units struct {
	supervisor *supervisor
	byName     map[string]unit
	mutex      sync.Mutex
}

type unit struct {
	component component
	// needsFile is a file without which a start does nothing, as with systemd's ConditionPathExists.
	needsFile string
	// after is closed when a start may go on; may be nil.
	after <-chan struct{}
	// answers says whether the component is ready for requests; may be nil.
	answers func() error
}

const unitStopLimit = 10 * time.Second

func (u *units) start(name string) error {
	unit := u.byName[name]
	if unit.needsFile != "" {
		if _, err := os.Stat(unit.needsFile); err != nil {
			return nil
		}
	}
	if unit.after != nil {
		<-unit.after
	}
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.supervisor.keep(unit.component)
	if unit.answers == nil {
		return nil
	}
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = unit.answers(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s does not answer: %w", name, err)
}

func (u *units) stop(name string) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.supervisor.halt(name, unitStopLimit)
}

// command answers one command line of systemctl with its exit code and what it prints.
func (u *units) command(words []string) (int, string) {
	words = slices.DeleteFunc(slices.Clone(words), func(word string) bool { return slices.Contains([]string{"--no-pager", "--quiet", "-q", "--now"}, word) })
	if len(words) == 1 && (words[0] == "daemon-reload" || words[0] == "daemon-reexec") {
		return 0, ""
	}
	if len(words) != 2 {
		return 1, refusal(words)
	}
	verb, name := words[0], strings.TrimSuffix(words[1], ".service")
	if _, known := u.byName[name]; !known {
		return 4, fmt.Sprintf("Unit %s.service could not be found.", name)
	}
	switch verb {
	case "start", "restart", "try-restart", "reload-or-restart":
		if verb != "start" {
			u.stop(name)
		}
		if err := u.start(name); err != nil {
			return 1, err.Error()
		}
		return 0, ""
	case "stop":
		u.stop(name)
		return 0, ""
	case "is-active":
		state, code := u.activity(name)
		return code, state
	case "is-enabled":
		return 0, "enabled"
	case "status":
		state, code := u.activity(name)
		return code, fmt.Sprintf("%s.service (kept by %s; no systemd here)\n     Loaded: loaded\n     Active: %s\n\n%s", name, standIn, state, tail(name, 0, 10))
	default:
		return 1, refusal(words)
	}
}

func (u *units) activity(name string) (string, int) {
	switch wanted, pid := u.supervisor.state(name); {
	case pid != 0:
		return "active", 0
	case wanted:
		return "activating", 3
	default:
		return "inactive", 3
	}
}

func refusal(words []string) string {
	return fmt.Sprintf("systemctl %s: no systemd here; this stand-in knows start, stop, restart, status, is-active, is-enabled of kubelet and containerd, and daemon-reload", strings.Join(words, " "))
}

// listen answers commands until the context ends.
func (u *units) listen(ctx context.Context) error {
	_ = os.Remove(controlSocket)
	listener, err := net.Listen("unix", controlSocket)
	if err != nil {
		return err
	}
	if err := os.Chmod(controlSocket, 0o600); err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go u.answer(connection)
		}
	}()
	return nil
}

func (u *units) answer(connection net.Conn) {
	defer connection.Close()
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return
	}
	code, text := u.command(strings.Fields(line))
	fmt.Fprintf(connection, "%d\n%s", code, text)
}

// systemctl hands a command line to process 1; it returns the exit code.
func systemctl(arguments []string) int {
	connection, err := net.Dial("unix", controlSocket)
	if err != nil {
		fmt.Fprintf(os.Stderr, "systemctl: the node's process 1 does not answer: %v\n", err)
		return 1
	}
	defer connection.Close()
	fmt.Fprintln(connection, strings.Join(arguments, " "))
	answer, err := io.ReadAll(connection)
	if err != nil {
		fmt.Fprintf(os.Stderr, "systemctl: %v\n", err)
		return 1
	}
	first, text, _ := strings.Cut(string(answer), "\n")
	code := 1
	_, _ = fmt.Sscan(first, &code)
	if text != "" {
		fmt.Println(text)
	}
	return code
}
