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

const (
	logFolder = "/var/log"
	// A log that passes this size is emptied: the folder is in memory.
	maxLogBytes = 32 << 20
)

// supervisor keeps the components running until stop.
type supervisor struct {
	processes *processes
	mutex     sync.Mutex
	running   map[string]child
	stopping  bool
}

type child struct {
	pid   int
	ended chan struct{}
}

type component struct {
	name        string
	argv        []string
	environment []string
}

func newSupervisor() *supervisor {
	return &supervisor{processes: newProcesses(), running: map[string]child{}}
}

// keep starts a component and starts it again whenever it ends. Ends are normal while the others come up.
func (s *supervisor) keep(c component) {
	go func() {
		said := ""
		for pause := 200 * time.Millisecond; ; pause = min(pause*2, 5*time.Second) {
			started, offset := time.Now(), logSize(c.name)
			end := s.once(c)
			if s.isStopping() {
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
			time.Sleep(pause)
		}
	}()
}

func (s *supervisor) once(c component) string {
	log, err := os.OpenFile(logPath(c.name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err.Error()
	}
	defer log.Close()
	pid, status, err := s.processes.start(c.argv, c.environment, log)
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
	output, err := os.CreateTemp("", "run-")
	if err != nil {
		return err
	}
	defer os.Remove(output.Name())
	defer output.Close()
	_, status, err := s.processes.start(argv, nil, output)
	if err != nil {
		return fmt.Errorf("%s: %w", argv[0], err)
	}
	if end := <-status; end != 0 {
		text, _ := os.ReadFile(output.Name())
		return fmt.Errorf("%s: exit code %d: %s", strings.Join(argv, " "), end.ExitStatus(), bytes.TrimSpace(text))
	}
	return nil
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
