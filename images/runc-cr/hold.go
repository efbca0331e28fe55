package main

import (
	"errors"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// CRIU stops the container's process tree. Processes that were exec'd into the container are in its cgroup and not in
// its tree: a holder stops these, by ptrace as CRIU does and not by a freezer, because what a tracer holds goes on by
// itself when the tracer ends, even by kill -9. A cgroup that nobody thaws would stand still for ever.

const (
	// holdPatience is how long a process may take to stop. The container stands still meanwhile.
	holdPatience = time.Second
	holdPause    = 100 * time.Microsecond
	// watchPause is how often newcomers are looked for. One needs several milliseconds from joining to its own code.
	watchPause = time.Millisecond
)

// held is a thread that a holder traces.
type held struct {
	pid     int
	stopped bool
	// signal was on its way to the thread, and is delivered when it is let go.
	signal int
}

// A holder does all its work on one thread of the system, as only that may speak to what it traces.
type holder struct {
	// list names the processes that must stand still.
	list func() ([]int, error)
	// started tells whether a process runs the container's own code already, and not the runtime's that starts it.
	started func(pid int) bool
	work    chan func()
	end     chan struct{}

	threads map[int]*held
	// others were seen to be stopped by CRIU.
	others map[int]bool
	// newcomers since `watch` began, and whether one of them was at work before it was stopped.
	newcomers, ran bool
	failed         error
}

func newHolder(list func() ([]int, error), started func(pid int) bool) *holder {
	h := &holder{list: list, started: started, work: make(chan func()), end: make(chan struct{}),
		threads: map[int]*held{}, others: map[int]bool{}}
	go h.run()
	return h
}

// run never unlocks its thread, which therefore ends with it; whatever is still held goes on then.
func (h *holder) run() {
	runtime.LockOSThread()
	defer close(h.end)
	for job := range h.work {
		job()
	}
	h.letGo()
}

func (h *holder) do(job func()) {
	done := make(chan struct{})
	h.work <- func() { job(); close(done) }
	<-done
}

// hold stops every process of the list that `criu` does not trace, and returns when all of them stand still.
func (h *holder) hold(criu int) (err error) {
	h.do(func() { err = h.holdAll(criu) })
	return err
}

// release lets all go on.
func (h *holder) release() {
	close(h.work)
	<-h.end
}

// watch holds newcomers while `work` goes on. It tells whether there were any, and whether one was at work before it
// was held.
func (h *holder) watch(criu int, work func() error) (newcomers, ran bool, err error) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	h.do(func() { h.newcomers, h.ran, h.failed = false, false, nil })
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(watchPause)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				h.do(func() { h.failed = errors.Join(h.failed, h.holdAll(criu)) })
			}
		}
	}()
	err = work()
	close(stop)
	<-stopped
	h.do(func() { err = errors.Join(err, h.failed, h.holdAll(criu)) })
	return h.newcomers, h.ran, err
}

func (h *holder) holdAll(criu int) error {
	deadline := time.Now().Add(holdPatience)
	for {
		fresh, err := h.seizeNew(criu)
		if err != nil {
			return err
		}
		h.collect()
		if err := h.wait(deadline); err != nil {
			return err
		}
		for _, pid := range fresh {
			h.newcomers = true
			h.ran = h.ran || h.started(pid)
		}
		if len(fresh) == 0 {
			return nil
		}
	}
}

// seizeNew begins to stop processes that are not held yet.
func (h *holder) seizeNew(criu int) (fresh []int, err error) {
	pids, err := h.list()
	if err != nil {
		return nil, err
	}
	own := strconv.Itoa(unix.Gettid())
	known := map[int]bool{}
	for _, thread := range h.threads {
		known[thread.pid] = true
	}
	for _, pid := range pids {
		if known[pid] || h.others[pid] {
			continue
		}
		tracer, err := statusField(pid, "TracerPid")
		switch {
		case ended(err):
			continue
		case err != nil:
			return nil, err
		case tracer == strconv.Itoa(criu):
			h.others[pid] = true
			continue
		case tracer == own:
			continue // A new child of what is held, which `collect` has not heard of yet.
		case tracer != "0":
			return nil, failf(codeTraced,
				"process %d, which was exec'd into the container, is traced by process %s",
				pid, tracer)
		}
		taken, err := h.seize(pid)
		if err != nil {
			return nil, err
		}
		if taken {
			fresh = append(fresh, pid)
		}
	}
	return fresh, nil
}

// collect hears which threads have stopped or ended.
func (h *holder) collect() {
	for {
		var status unix.WaitStatus
		tid, err := unix.Wait4(-1, &status, ownOnly, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || tid == 0 {
			return
		}
		if !status.Stopped() {
			delete(h.threads, tid)
			continue
		}
		thread := h.threads[tid]
		if thread == nil { // A new child or thread of a held one.
			thread = &held{pid: processOf(tid)}
			h.threads[tid] = thread
		}
		thread.stopped, thread.signal = true, 0
		if event := int(status) >> 16; event == 0 {
			thread.signal = int(status.StopSignal())
		}
		// The kernel answers when the thread has left its processor.
		_, _ = unix.PtraceGetEventMsg(tid)
	}
}

// wait returns when all that is held stands still.
func (h *holder) wait(deadline time.Time) error {
	for {
		moving := 0
		for tid, thread := range h.threads {
			if !thread.stopped && !waitsForChild(tid) {
				moving = tid
			}
		}
		if moving == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return failf(codeNotStill,
				"process %d (%s), which was exec'd into the container, did not stop within %v",
				moving, comm(moving), holdPatience)
		}
		time.Sleep(holdPause)
		h.collect()
	}
}

// letGo lets all that is held go on, each with the signal that it was about to get.
func (h *holder) letGo() {
	for deadline := time.Now().Add(holdPatience); len(h.threads) > 0 &&
		time.Now().Before(deadline); time.Sleep(holdPause) {
		h.collect()
		for tid, thread := range h.threads {
			if thread.stopped {
				_ = ptrace(unix.PTRACE_DETACH, tid, uintptr(thread.signal))
				delete(h.threads, tid)
			}
		}
	}
}
