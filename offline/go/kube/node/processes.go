package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// processes starts children and reaps every process of the container: as process 1 this program also inherits
// containerd's orphaned shims, and os/exec's own Wait would race with reaping those.
type processes struct {
	mutex   sync.Mutex
	waiting map[int]chan syscall.WaitStatus
}

func newProcesses() *processes {
	p := &processes{waiting: map[int]chan syscall.WaitStatus{}}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			p.reap()
		}
	}()
	return p
}

func (p *processes) reap() {
	// The lock also covers start, so that a child cannot be reaped before it is known.
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if channel, known := p.waiting[pid]; known {
			channel <- status
			delete(p.waiting, pid)
		}
	}
}

// start runs a program with its output in a file and its input from one, if any; the channel gives its end.
func (p *processes) start(argv []string, environment []string, input, output *os.File) (int, <-chan syscall.WaitStatus, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if input == nil {
		null, err := os.Open(os.DevNull)
		if err != nil {
			return 0, nil, err
		}
		defer null.Close()
		input = null
	}
	// A session of its own, so that a signal from a terminal (docker run -it) reaches process 1 alone.
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Env: append(os.Environ(), environment...), Files: []uintptr{input.Fd(), output.Fd(), output.Fd()}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, nil, err
	}
	channel := make(chan syscall.WaitStatus, 1)
	p.waiting[pid] = channel
	return pid, channel, nil
}
