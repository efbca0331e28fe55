package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// noCriu is no process that could trace anything.
	noCriu = -1
	// quiet is how long something is watched that must not move.
	quiet = 100 * time.Millisecond
	soon  = 20 * time.Second
)

// group is a process group of the test's: a shell and what it starts.
type group struct {
	id     int
	folder string
}

func startGroup(t *testing.T, script string) group {
	t.Helper()
	command := exec.Command("sh", "-c", script)
	command.Dir, command.SysProcAttr = t.TempDir(), &syscall.SysProcAttr{Setpgid: true}
	must(t, command.Start())
	g := group{id: command.Process.Pid, folder: command.Dir}
	t.Cleanup(func() {
		_ = unix.Kill(-g.id, unix.SIGKILL)
		_ = command.Wait()
	})
	return g
}

// killGroup ends all of the group, and waits until nothing of it is left but zombies.
func killGroup(g group) error {
	for end := time.Now().Add(soon); time.Now().Before(end); time.Sleep(time.Millisecond) {
		_ = unix.Kill(-g.id, unix.SIGKILL)
		if pids, err := g.members(); err != nil || len(pids) == 0 {
			return err
		}
	}
	return fmt.Errorf("group %d does not end", g.id)
}

// members are the processes of the group, as a cgroup would list them.
func (g group) members() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			if id, err := unix.Getpgid(pid); err == nil && id == g.id && !gone(pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

func (g group) size(name string) int64 {
	info, err := os.Stat(filepath.Join(g.folder, name))
	if err != nil {
		return 0
	}
	return info.Size()
}

// grows waits until a file is longer than it was.
func (g group) grows(t *testing.T, name string) {
	t.Helper()
	before := g.size(name)
	eventually(t, name+" to grow", func() bool { return g.size(name) > before })
}

// stands demands that a file does not grow for a while.
func (g group) stands(t *testing.T, name string) {
	t.Helper()
	before := g.size(name)
	time.Sleep(quiet) // What is promised is that nothing happens.
	if after := g.size(name); after != before {
		t.Errorf("%s grew from %d to %d bytes", name, before, after)
	}
}

func eventually(t *testing.T, what string, seen func() bool) {
	t.Helper()
	for end := time.Now().Add(soon); !seen(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", soon, what)
		}
	}
}

func always(int) bool { return true }

func TestWhatIsHeldStandsStillAndGoesOn(t *testing.T) {
	for name, script := range map[string]string{
		"a loop":             "while :; do echo x >> lines; done",
		"many short ones":    "while :; do /bin/echo x >> lines; done",
		"many at once":       "for i in 1 2 3 4 5 6; do (while :; do /bin/echo x >> lines; done) & done; wait",
		"threads of Python":  "exec python3 -c 'import threading\ndef work():\n while True: open(\"lines\", \"a\").write(\"x\")\nfor i in range(4): threading.Thread(target=work).start()'",
		"one in its wait":    "(while :; do echo x >> lines; done) & wait",
		"children and pipes": "while :; do echo x; done | while read line; do echo $line >> lines; done",
	} {
		t.Run(name, func(t *testing.T) {
			g := startGroup(t, script)
			for range 5 {
				g.grows(t, "lines")
				h := newHolder(g.members, always)
				if err := h.hold(noCriu); err != nil {
					t.Fatal(err)
				}
				g.stands(t, "lines")
				h.release()
			}
			g.grows(t, "lines")
		})
	}
}

func TestWhatATracerHoldsGoesOnWhenItIsKilled(t *testing.T) {
	g := startGroup(t, "(while :; do /bin/echo x >> lines; done) & while :; do echo x >> lines; done")
	g.grows(t, "lines")
	command := startHolder(t, g)
	g.stands(t, "lines")
	must(t, command.Process.Kill())
	_ = command.Wait()
	g.grows(t, "lines")
}

// startHolder starts another process that holds a group, and waits until it does; the test's end kills it.
func startHolder(t *testing.T, g group) *exec.Cmd {
	t.Helper()
	own, err := os.Executable()
	must(t, err)
	tool := filepath.Join(t.TempDir(), "holder")
	must(t, os.Symlink(own, tool))
	command := exec.Command(tool, strconv.Itoa(g.id))
	said, err := command.StdoutPipe()
	must(t, err, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return command
}

// holdForEver is what a test's program does under the name `holder`.
func holdForEver(words []string) {
	id, _ := strconv.Atoi(words[0])
	if err := newHolder(group{id: id}.members, always).hold(noCriu); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	select {}
}

func TestASignalMeanwhileIsDeliveredAfterwards(t *testing.T) {
	g := startGroup(t, "trap 'echo x >> caught' USR1; while :; do echo x >> lines; done")
	for range 5 {
		g.grows(t, "lines")
		before := g.size("caught")
		h := newHolder(g.members, always)
		must(t, h.hold(noCriu), unix.Kill(g.id, unix.SIGUSR1))
		h.release()
		eventually(t, "the signal", func() bool { return g.size("caught") > before })
	}
}

func TestASignalThatStopsWhatIsBeingHeldIsNotLost(t *testing.T) {
	g := startGroup(t, "trap 'echo x >> caught' USR1; while :; do echo x >> lines; done")
	g.grows(t, "lines")
	h := newHolder(g.members, always)
	h.do(func() {
		// Between the two calls by which a process is stopped.
		must(t, ptrace(unix.PTRACE_SEIZE, g.id, traceOptions), unix.Kill(g.id, unix.SIGUSR1))
		h.threads[g.id] = &held{pid: g.id}
	})
	must(t, h.hold(noCriu))
	h.do(func() {
		if h.threads[g.id].signal != int(unix.SIGUSR1) {
			t.Errorf("it was stopped with signal %d on its way", h.threads[g.id].signal)
		}
	})
	h.release()
	eventually(t, "the signal", func() bool { return g.size("caught") > 0 })
}

func TestWhatWasStoppedBeforeStaysSo(t *testing.T) {
	g := startGroup(t, "while :; do echo x >> lines; done")
	g.grows(t, "lines")
	must(t, unix.Kill(g.id, unix.SIGSTOP))
	state := func() byte {
		process, err := readProcess(g.id)
		must(t, err)
		return process.state
	}
	eventually(t, "the stop", func() bool { return state() == 'T' })
	h := newHolder(g.members, always)
	must(t, h.hold(noCriu))
	h.release()
	eventually(t, "the stop", func() bool { return state() == 'T' })
	g.stands(t, "lines")
	must(t, unix.Kill(g.id, unix.SIGCONT))
	g.grows(t, "lines")
}

func TestOneThatDiesMeanwhileIsLeftToItsParent(t *testing.T) {
	g := startGroup(t, "sh -c 'while :; do echo x >> lines; done'; echo ended $? > end; while :; do echo x >> after; done")
	g.grows(t, "lines")
	h := newHolder(g.members, always)
	must(t, h.hold(noCriu))
	pids, err := g.members()
	must(t, err)
	for _, pid := range pids {
		if pid != g.id {
			must(t, unix.Kill(pid, unix.SIGKILL))
		}
	}
	must(t, h.hold(noCriu))
	h.release()
	g.grows(t, "after")
	if got := content(t, filepath.Join(g.folder, "end")); got != "ended 137\n" {
		t.Errorf("its parent heard %q", got)
	}
}

func TestNewcomersAreHeldAndTold(t *testing.T) {
	for _, ran := range []bool{true, false} {
		first := startGroup(t, "while :; do echo x >> lines; done")
		lists := []func() ([]int, error){first.members}
		list := func() (all []int, err error) {
			for _, one := range lists {
				pids, failed := one()
				all, err = append(all, pids...), failed
			}
			return all, err
		}
		h := newHolder(list, func(int) bool { return ran })
		must(t, h.hold(noCriu))
		var late group
		newcomers, moved, err := h.watch(noCriu, func() error {
			late = startGroup(t, "while :; do echo x >> lines; done")
			late.grows(t, "lines")
			h.do(func() { lists = append(lists, late.members) })
			eventually(t, "the newcomer to be traced", func() bool {
				tracer, err := statusField(late.id, "TracerPid")
				return err == nil && tracer != "0"
			})
			return nil
		})
		if must(t, err); !newcomers || moved != ran {
			t.Errorf("newcomers %t, moved %t, wanted %t", newcomers, moved, ran)
		}
		late.stands(t, "lines")
		if newcomers, moved, err = h.watch(noCriu, func() error { return nil }); err != nil || newcomers || moved {
			t.Errorf("nobody came, and it says %t, %t, %v", newcomers, moved, err)
		}
		h.release()
		late.grows(t, "lines")
		first.grows(t, "lines")
	}
}

func TestOneUnderAnotherTracerIsRefused(t *testing.T) {
	g := startGroup(t, "while :; do echo x >> lines; done")
	startHolder(t, g)
	h := newHolder(g.members, always)
	defer h.release()
	wantCode(t, h.hold(noCriu), codeTraced)
	tracer, err := statusField(g.id, "TracerPid")
	must(t, err)
	other, err := strconv.Atoi(tracer)
	must(t, err)
	if err := h.hold(other); err != nil {
		t.Errorf("what CRIU holds counts as moving: %v", err)
	}
}

// inStandstill gives a container whose first process is held as CRIU would, and a process beside it that counts.
func inStandstill(t *testing.T) (s *standstill, exec group) {
	t.Helper()
	first := startGroup(t, "while :; do echo x >> lines; done")
	exec = startGroup(t, "i=0; while :; do i=$((i+1)); for f in 1 2 3 4 5 6 7 8 9; do echo $i > $f; done; echo x >> lines; done")
	exec.grows(t, "lines")
	criu := newHolder(first.members, always)
	must(t, criu.hold(noCriu))
	t.Cleanup(criu.release)
	c := &container{pid: first.id, cgroups: map[string]string{"cpuacct": t.TempDir()}}
	archive := filepath.Join(t.TempDir(), rootfsDiff)
	s = &standstill{container: c, trees: []tree{{Folder: exec.folder, Archive: archive}}, room: 1 << 20}
	s.holder = newHolder(func() ([]int, error) {
		one, _ := first.members()
		two, err := exec.members()
		return append(one, two...), err
	}, always)
	t.Cleanup(s.end)
	return s, exec
}

func TestFilesArePackedWhileNothingMoves(t *testing.T) {
	s, _ := inStandstill(t)
	must(t, s.at(stageFrozen), s.at(stageDumped))
	folder := t.TempDir()
	must(t, unpackTree(s.trees[0].Archive, folder))
	var numbers []int
	for name := 1; name <= 9; name++ {
		number, _ := strconv.Atoi(strings.TrimSpace(content(t, filepath.Join(folder, strconv.Itoa(name)))))
		numbers = append(numbers, number)
	}
	for i := 1; i < len(numbers); i++ {
		// A file that was just being written is empty.
		if numbers[i] != 0 && (numbers[i] > numbers[i-1] && numbers[i-1] != 0 || numbers[i] < numbers[0]-1) {
			t.Errorf("files of several moments: %v", numbers)
		}
	}
	if !s.packed {
		t.Error("it does not say so")
	}
}

func TestFilesThatGrewMeanwhileDoNotFillTheDisk(t *testing.T) {
	s, exec := inStandstill(t)
	must(t, s.at(stageFrozen), os.WriteFile(filepath.Join(exec.folder, "grown"), nil, 0o600))
	must(t, os.Truncate(filepath.Join(exec.folder, "grown"), 1<<40))
	wantCode(t, s.at(stageDumped), codeTooLarge)
}

func TestFilesThatOthersMovedAreNotTaken(t *testing.T) {
	s, _ := inStandstill(t)
	usage := filepath.Join(s.container.cgroups["cpuacct"], "cpuacct.usage")
	spent := 0
	spend := func() { spent++; must(t, os.WriteFile(usage, []byte(strconv.Itoa(spent)), 0o600)) }
	spend()
	must(t, s.at(stageFrozen), s.at(stageDumped))
	// Something runs that nobody sees: only the cgroup's processor time tells.
	list := s.holder.list
	s.holder.list = func() ([]int, error) { spend(); return list() }
	wantCode(t, s.at(stageDumped), codeNotStill)
}

func TestTheProcessorTimeOfACgroupIsRead(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, map[string]string{"one/cpuacct.usage": "123456\n",
		"two/cpu.stat": "usage_usec 789\nuser_usec 700\n"})
	for _, c := range []struct {
		cgroups map[string]string
		time    uint64
		told    bool
	}{
		{map[string]string{"cpuacct": folder + "/one", "": folder + "/two"}, 123456, true},
		{map[string]string{"": folder + "/two"}, 789, true}, {map[string]string{"": folder + "/none"}, 0, false},
	} {
		if time, told := (&container{cgroups: c.cgroups}).usage(); time != c.time || told != c.told {
			t.Errorf("%v: %d, %t", c.cgroups, time, told)
		}
	}
}

func TestTheHookBringsWordAndTheAnswer(t *testing.T) {
	folder := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	must(t, os.MkdirAll(folder, 0o700))
	call := func(stage string) int {
		return runHook(func(name string) string {
			return map[string]string{hookStage: stage,
				hookSocket: folder}[name]
		})
	}
	if call(stageDumped) == 0 {
		t.Error("without a dump that hears it CRIU may not go on")
	}
	var heard []string
	stop, err := hearStages(folder, func(stage string) error {
		heard = append(heard, stage)
		if stage == stageDumped {
			return failf(codeNotStill, "no")
		}
		return nil
	})
	must(t, err)
	if got := fmt.Sprint(call("pre-dump"), call(stageFrozen), call("post-restore"),
		call(stageDumped)); got != "0 0 0 1" {
		t.Errorf("exit codes are %s", got)
	}
	wantCode(t, stop(), codeNotStill)
	if fmt.Sprint(heard) != fmt.Sprint([]string{stageFrozen, stageDumped}) {
		t.Errorf("heard %v", heard)
	}
	if left, _ := os.ReadDir(folder); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}
