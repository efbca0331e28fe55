package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// newFilesOf looks at a folder as at the root file system.
func newFilesOf(t *testing.T, root string) *files {
	t.Helper()
	var stat unix.Stat_t
	must(t, unix.Stat(root, &stat))
	return &files{ghostLimit: 4096, root: stat.Dev, queues: map[uint64]bool{}, watches: map[inode]string{},
		inTree: always, namespaces: map[string]string{}}
}

// onlyThis inspects one descriptor of this process.
func (f *files) onlyThis(t *testing.T, fd int) error {
	t.Helper()
	d := openDescriptor(os.Getpid(), "/proc/self", strconv.Itoa(fd), "this process")
	if d == nil {
		t.Fatalf("descriptor %d is not open", fd)
	}
	switch kind, anonymous := strings.CutPrefix(d.target, "anon_inode:"); {
	case anonymous:
		return f.object(d, kind, []*descriptor{d})
	case strings.HasPrefix(d.target, "socket:"):
		return f.socket(d)
	default:
		return f.regular(d)
	}
}

func TestObjectsThatCannotBeRestoredAreRefused(t *testing.T) {
	eventfd, err := unix.Eventfd(0, 0)
	must(t, err)
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, 0)
	must(t, err)
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	must(t, err)
	for _, fd := range []int{eventfd, timer, pidfd} {
		if err := newFilesOf(t, t.TempDir()).onlyThis(t, fd); err != nil {
			t.Error(err)
		}
		must(t, unix.Close(fd))
	}
	for _, kind := range []string{"[userfaultfd]", "bpf-map", "bpf-prog", "[perf_event]", "[landlock-ruleset]",
		"[io_uring]", "kvm-vm", "seccomp notify", "[fscontext]"} {
		err := newFilesOf(t, t.TempDir()).object(&descriptor{target: "anon_inode:" + kind}, kind, nil)
		wanted := codeDescriptor
		if kind == "[io_uring]" {
			wanted = codeIOUring
		}
		wantCode(t, err, wanted)
	}
}

func TestDeletedFilesCountUpToTheLimit(t *testing.T) {
	root := t.TempDir()
	f := newFilesOf(t, root)
	for name, c := range map[string]struct {
		bytes int
		code  string
	}{"small": {4096, ""}, "large": {64 << 10, codeDeletedFile}} {
		path := filepath.Join(root, name)
		must(t, os.WriteFile(path, make([]byte, c.bytes), 0o600))
		file, err := os.Open(path)
		must(t, err)
		if err := f.onlyThis(t, int(file.Fd())); err != nil {
			t.Errorf("%s is refused while it has a name: %v", name, err)
		}
		must(t, os.Remove(path))
		err = f.onlyThis(t, int(file.Fd()))
		if c.code == "" {
			must(t, err)
		} else {
			wantCode(t, err, c.code)
		}
		must(t, file.Close())
	}
	if f.deleted != 4096 {
		t.Errorf("deleted files of %d bytes were counted", f.deleted)
	}
}

func TestTheLimitOfDeletedFilesIsCrius(t *testing.T) {
	for options, wanted := range map[string]int64{
		"": 1 << 20, "tcp-close\nghost-limit 64M\n": 64 << 20, "ghost-limit 100": 100, "ghost-limit 2G": 2 << 30,
		"ghost-limit 3K # x": 3 << 10, "# ghost-limit 5M": 1 << 20,
	} {
		if got := ghostLimitOf(options); got != wanted {
			t.Errorf("%q: %d, wanted %d", options, got, wanted)
		}
	}
}

func TestWatchedFilesAreFoundByTheirInode(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"a/b/file": "x", "a/gone": "x", "odd name": "x"})
	watch, err := unix.InotifyInit1(0)
	must(t, err)
	defer unix.Close(watch)
	look := func(names ...string) ([]string, error) {
		f := newFilesOf(t, root)
		for _, name := range names {
			wd, err := unix.InotifyAddWatch(watch, filepath.Join(root, name), unix.IN_MODIFY)
			must(t, err)
			defer func() { _, _ = unix.InotifyRmWatch(watch, uint32(wd)) }()
		}
		if err := f.onlyThis(t, watch); err != nil {
			return nil, err
		}
		if len(f.watches) != len(names) {
			t.Fatalf("%d watches of %d were seen", len(f.watches), len(names))
		}
		return pathsOf(f.watches, root)
	}
	paths, err := look("a/b/file", "a", ".")
	must(t, err)
	if got := strings.Join(paths, " "); got != "/a /a/b/file" {
		t.Errorf("found %q", got)
	}
	_, err = look("odd name")
	wantCode(t, err, codeWatch)
	held, err := os.Open(filepath.Join(root, "a/gone"))
	must(t, err)
	defer held.Close()
	f := newFilesOf(t, root)
	_, err = unix.InotifyAddWatch(watch, held.Name(), unix.IN_MODIFY)
	must(t, err, os.Remove(held.Name()), f.onlyThis(t, watch))
	_, err = pathsOf(f.watches, root)
	wantCode(t, err, codeWatch)
}

func TestNoNameBecomesAnOption(t *testing.T) {
	for name, may := range map[string]bool{"/srv/app-1.2_x@y": true, "/a b": false, "/a\naction-script /x": false,
		"/a\taction": false, "/#": false, "/\"x\"": false, "/ä": false} {
		if plainPath.MatchString(name) != may {
			t.Errorf("%q may be an option: %t", name, !may)
		}
	}
}

func TestAnEpollOfWhatIsClosedIsRefused(t *testing.T) {
	waits, err := unix.EpollCreate1(0)
	must(t, err)
	defer unix.Close(waits)
	var pipe [2]int
	must(t, unix.Pipe(pipe[:]), unix.EpollCtl(waits, unix.EPOLL_CTL_ADD, pipe[0],
		&unix.EpollEvent{Events: unix.EPOLLIN}))
	inspect := func() error { return newFilesOf(t, t.TempDir()).inspect(os.Getpid(), "this process") }
	ours := func(err error) bool { return err != nil && asFailure(err).Code == codeEpoll }
	if ours(inspect()) {
		t.Error("one of an open pipe is refused")
	}
	copied, err := unix.Dup(pipe[0])
	must(t, err, unix.Close(pipe[0]))
	if ours(inspect()) {
		t.Error("one of a pipe that is open under another number is refused")
	}
	// Another process still has it.
	child := exec.Command("sleep", "1000")
	child.ExtraFiles = []*os.File{os.NewFile(uintptr(copied), "pipe")}
	must(t, child.Start())
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	must(t, child.ExtraFiles[0].Close())
	if err := inspect(); !ours(err) {
		t.Errorf("one of a pipe that another process has is taken: %v", err)
	}
	must(t, unix.Close(pipe[1]))
}

func TestATimerThatNobodyReadIsRefused(t *testing.T) {
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, 0)
	must(t, err)
	defer unix.Close(timer)
	f := newFilesOf(t, t.TempDir())
	tick := unix.NsecToTimespec(int64(20e6))
	must(t, unix.TimerfdSettime(timer, 0, &unix.ItimerSpec{Interval: tick, Value: tick}, nil))
	eventually(t, "the timer to expire", func() bool {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(timer), Events: unix.POLLIN}}, 0)
		return err == nil && ready == 1
	})
	wantCode(t, f.onlyThis(t, timer), codeDescriptor)
	must(t, unix.TimerfdSettime(timer, 0, &unix.ItimerSpec{}, nil), f.onlyThis(t, timer))
}

func TestSocketsOfOtherKindsAndToOutsideAreRefused(t *testing.T) {
	f := newFilesOf(t, t.TempDir())
	for _, c := range []struct {
		family, kind, protocol int
		code                   string
	}{
		{unix.AF_INET, unix.SOCK_STREAM, 0, ""}, {unix.AF_INET6, unix.SOCK_DGRAM, 0, ""}, {unix.AF_UNIX,
			unix.SOCK_STREAM, 0, ""},
		{unix.AF_NETLINK, unix.SOCK_RAW, 0, ""}, {unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP, codeSocket},
		{unix.AF_VSOCK, unix.SOCK_STREAM, 0, codeSocket},
		{unix.AF_ALG, unix.SOCK_SEQPACKET, 0, codeSocket},
	} {
		fd, err := unix.Socket(c.family, c.kind, c.protocol)
		if err != nil {
			t.Logf("family %d, protocol %d: %v", c.family, c.protocol, err)
			continue // This kernel has none of that kind.
		}
		if err := f.onlyThis(t, fd); c.code == "" && err != nil {
			t.Error(err)
		} else if c.code != "" {
			wantCode(t, err, c.code)
		}
		must(t, unix.Close(fd))
	}
	address := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", address)
	must(t, err)
	defer listener.Close()
	connection, err := net.Dial("unix", address)
	must(t, err)
	defer connection.Close()
	raw, err := connection.(syscall.Conn).SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		if err := f.onlyThis(t, int(fd)); err != nil {
			t.Error(err)
		}
		f.inTree = func(int) bool { return false }
		wantCode(t, f.onlyThis(t, int(fd)), codeSocket)
	}))
}

func TestMountsAreFoundByTheirKind(t *testing.T) {
	const text = "1 0 0:50 / /dev/mqueue rw - mqueue mqueue rw\n2 0 0:51 / /a\\040b rw,shared:1 - tmpfs mqueue rw\n"
	got := mountsOf(text, "mqueue")
	if len(got) != 1 || got[unix.Mkdev(0, 50)] != "/dev/mqueue" {
		t.Errorf("%v", got)
	}
	if got := mountsOf(text, "tmpfs")[unix.Mkdev(0, 51)]; got != "/a b" {
		t.Error(got)
	}
}
