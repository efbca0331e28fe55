package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// logFolder holds one file for each component.
var logFolder = "/var/log"

// A log that passes this size is emptied: the folder may be in memory.
const maxLogBytes = 32 << 20

// supervisor keeps the components running until they are halted or everything is stopped.
type supervisor struct {
	processes *processes
	mutex     sync.Mutex
	running   map[string]child
	kept      map[string]*keeper
	stopping  bool
}

// A keeper is the loop that starts one component again and again.
type keeper struct {
	halt, done chan struct{}
}

type child struct {
	pid   int
	ended chan struct{}
}

type component struct {
	name        string
	argv        []string
	environment []string
	// more gives arguments that are read anew at each start; may be nil.
	more func() []string
}

func newSupervisor() *supervisor {
	return &supervisor{processes: newProcesses(), running: map[string]child{}, kept: map[string]*keeper{}}
}

// keep starts a component and starts it again whenever it ends. Ends are normal while the others come up.
// A component that is kept already is left as it is.
func (s *supervisor) keep(c component) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.kept[c.name] != nil {
		return
	}
	k := &keeper{halt: make(chan struct{}), done: make(chan struct{})}
	s.kept[c.name] = k
	go func() {
		defer close(k.done)
		said := ""
		for pause := 200 * time.Millisecond; ; pause = min(pause*2, 5*time.Second) {
			started, offset := time.Now(), logSize(c.name)
			end := s.once(c)
			if s.isStopping() || k.halted() {
				return
			}
			// A component that ends again and again for one reason is told of once.
			if why := end + "; last lines:\n" + tail(c.name, offset, 4); why != said {
				say("%s ended after %.1f s: %s", c.name, time.Since(started).Seconds(), why)
				said = why
			}
			if time.Since(started) > 30*time.Second {
				pause = 200 * time.Millisecond
			}
			select {
			case <-k.halt:
				return
			case <-time.After(pause):
			}
		}
	}()
}

func (k *keeper) halted() bool {
	select {
	case <-k.halt:
		return true
	default:
		return false
	}
}

// halt ends a component and keeps it ended: asked first, killed after the limit.
func (s *supervisor) halt(name string, limit time.Duration) {
	s.mutex.Lock()
	k := s.kept[name]
	if k == nil {
		s.mutex.Unlock()
		return
	}
	delete(s.kept, name)
	close(k.halt)
	s.mutex.Unlock()
	kill := time.After(limit)
	for {
		// Asked again and again, because the loop may be about to start it.
		s.signal(name, syscall.SIGTERM)
		select {
		case <-k.done:
			return
		case <-kill:
			s.signal(name, syscall.SIGKILL)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *supervisor) signal(name string, signal syscall.Signal) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if c, runs := s.running[name]; runs {
		_ = syscall.Kill(c.pid, signal)
	}
}

// state says whether a component is wanted, and its process's number while it has one.
func (s *supervisor) state(name string) (wanted bool, pid int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.kept[name] != nil, s.running[name].pid
}

func (s *supervisor) once(c component) string {
	log, err := os.OpenFile(logPath(c.name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err.Error()
	}
	defer log.Close()
	argv := c.argv
	if c.more != nil {
		argv = slices.Concat(argv, c.more())
	}
	pid, status, err := s.processes.start(argv, c.environment, nil, log)
	if err != nil {
		return err.Error()
	}
	current := child{pid: pid, ended: make(chan struct{})}
	s.mutex.Lock()
	s.running[c.name] = current
	late := s.stopping
	s.mutex.Unlock()
	if late {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
	end := <-status
	s.mutex.Lock()
	delete(s.running, c.name)
	s.mutex.Unlock()
	close(current.ended)
	if end.Signaled() {
		return end.Signal().String()
	}
	return fmt.Sprintf("exit code %d", end.ExitStatus())
}

// run starts a program once and gives its output when it fails.
func (s *supervisor) run(argv ...string) error {
	_, err := s.output(nil, argv...)
	return err
}

// output starts a program once, with a file as its input or none, and gives what it prints.
func (s *supervisor) output(input *os.File, argv ...string) (string, error) {
	output, err := os.CreateTemp("", "run-")
	if err != nil {
		return "", err
	}
	defer os.Remove(output.Name())
	defer output.Close()
	_, status, err := s.processes.start(argv, nil, input, output)
	if err != nil {
		return "", fmt.Errorf("%s: %w", argv[0], err)
	}
	end := <-status
	text, _ := os.ReadFile(output.Name())
	if end != 0 {
		return "", fmt.Errorf("%s: exit code %d: %s", strings.Join(argv, " "), end.ExitStatus(), bytes.TrimSpace(text))
	}
	return string(text), nil
}

func (s *supervisor) isStopping() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.stopping
}

// stop ends the components: those with state on the volume are asked and waited for, after the others were killed,
// whose open connections would hold etcd up.
func (s *supervisor) stop(limit time.Duration, stateful ...string) {
	s.mutex.Lock()
	s.stopping = true
	children := maps.Clone(s.running)
	s.mutex.Unlock()
	for name, c := range children {
		if !slices.Contains(stateful, name) {
			_ = syscall.Kill(c.pid, syscall.SIGKILL)
		}
	}
	for name, c := range children {
		if slices.Contains(stateful, name) {
			_ = syscall.Kill(c.pid, syscall.SIGTERM)
		}
	}
	deadline := time.After(limit)
	for _, name := range stateful {
		c, started := children[name]
		if !started {
			continue
		}
		select {
		case <-c.ended:
		case <-deadline:
			say("%s did not end within %s", name, limit)
			return
		}
	}
}

// trimLogs empties logs that grew too large; the components append, so they go on at the start.
func trimLogs() {
	for range time.Tick(time.Minute) {
		entries, _ := os.ReadDir(logFolder)
		for _, entry := range entries {
			if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && info.Size() > maxLogBytes {
				_ = os.Truncate(logFolder+"/"+entry.Name(), 0)
			}
		}
	}
}

func logPath(name string) string { return logFolder + "/" + name + ".log" }

func logSize(name string) int64 {
	info, err := os.Stat(logPath(name))
	if err != nil {
		return 0
	}
	return info.Size()
}

// tail gives the last lines of a component's log that came after an offset.
func tail(name string, offset int64, count int) string {
	content, _ := os.ReadFile(logPath(name))
	content = content[min(offset, int64(len(content))):]
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	lines = lines[max(0, len(lines)-count):]
	return "    " + strings.Join(lines, "\n    ")
}

var bootTime = time.Now()

// say prints one line for `docker logs`.
func say(format string, values ...any) {
	fmt.Printf("[%6.2f s] %s\n", time.Since(bootTime).Seconds(), fmt.Sprintf(format, values...))
}
