package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMappingsThatCannotBeRestoredAreRefused(t *testing.T) {
	for line, code := range map[string]string{
		"7f00-7f01 r--p 00000000 fe:00 12   /usr/lib/libc.so.6":                   "",
		"7f00-7f01 rw-s 00000000 00:01 9    /dev/zero (deleted)":                  "",
		"7f00-7f01 rw-s 00000000 00:01 9    /SYSV00000000 (deleted)":              "",
		"7f00-7f01 rw-s 00000000 00:01 9    /memfd:buffer (deleted)":              "",
		"7f00-7f01 rw-p 00000000 00:00 0    [heap]":                               "",
		"7f00-7f01 rw-p 00000000 00:00 0 ":                                        "",
		"7f00-7f01 rw-s 00000000 00:19 3    /dev/shm/area":                        "",
		"7f00-7f01 rw-s 00000000 00:19 3    /dev/shm/sem.mp-x1 (deleted)":         codeDeletedMapping,
		"7f00-7f01 r-xp 00000000 fe:00 12   /usr/lib/old library.so (deleted)":    codeDeletedMapping,
		"7f00-7f01 rw-s 00000000 00:05 400  /dev/nvidia0":                         codeDevice,
		"7f00-7f01 rw-s 00000000 00:0f 400  anon_inode:[io_uring]":                "",
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0      [vsyscall]": "",
	} {
		got := ""
		if refused := inspectMapping(line, "a process"); refused != nil {
			got = refused.Code
		}
		if got != code {
			t.Errorf("%q: %q, wanted %q", line, got, code)
		}
	}
}

func TestDevicesWithoutAStateMayBeOpen(t *testing.T) {
	for _, device := range []struct {
		major, minor uint32
		may          bool
	}{{1, 3, true}, {1, 9, true}, {5, 0, true}, {136, 7, true}, {1, 1, false}, {195, 0, false}, {10, 200, false}} {
		if got := restorableDevice(unix.Mkdev(device.major, device.minor)); got != device.may {
			t.Errorf("device %d/%d: %t", device.major, device.minor, got)
		}
	}
}

func TestOwnFilesAreNoReasonToRefuse(t *testing.T) {
	if err := (&files{ghostLimit: 1 << 20, watches: map[inode]string{}, inTree: always}).inspect(os.Getpid(), "this process"); err != nil {
		t.Error(err)
	}
}

func TestTheUpperFolderOfTheRootIsFound(t *testing.T) {
	const rest = "lowerdir=/a:/b,upperdir=/var/lib/x\\0401/fs,workdir=/w"
	const at = "2 1 0:51 / /run/b\\040x/rootfs rw,relatime shared:3 - "
	for mountinfo, wanted := range map[string]string{
		"1 0 0:50 / / rw - overlay overlay rw,lowerdir=/no,upperdir=/no\n" + at + "overlay overlay rw," + rest: "/var/lib/x 1/fs",
		at + "overlay overlay rw,lowerdir=/a,upperdir=/below,workdir=/w\n" + at + "overlay overlay rw," + rest: "/var/lib/x 1/fs",
		at + "ext4 /dev/vda rw":                              codeSnapshotter,
		at + "overlay overlay ro,lowerdir=/a":                codeSnapshotter,
		at + "overlay overlay rw,metacopy=on," + rest:        codeSnapshotter,
		at + "overlay overlay rw,redirect_dir=on," + rest:    codeSnapshotter,
		"2 1 0:51 / / rw - overlay overlay rw,upperdir=/etc": codeSnapshotter,
		"": codeSnapshotter,
	} {
		got, err := parseUpperDir(mountinfo, "/run/b x/rootfs")
		if err != nil {
			got = asFailure(err).Code
		}
		if got != wanted {
			t.Errorf("%q: %q, wanted %q", mountinfo, got, wanted)
		}
	}
}

func TestAProcessIsToldFromItsNumbersNextOwner(t *testing.T) {
	stat := "42 (a ) R b) S 7 " + strings.Repeat("0 ", 17) + "123456 0"
	got, err := parseStat(stat)
	if err != nil || got.state != 'S' || got.parent != 7 || got.started != 123456 {
		t.Errorf("%+v, %v", got, err)
	}
	own, err := readProcess(os.Getpid())
	must(t, err)
	if !(&runcState{Pid: os.Getpid(), Started: own.started}).alive() {
		t.Error("this process counts as dead")
	}
	if (&runcState{Pid: os.Getpid(), Started: own.started - 1}).alive() {
		t.Error("another process of the same number counts as alive")
	}
}

// message writes a protobuf message of numbers.
func message(fields map[int]uint64) []byte {
	var bytes []byte
	for number, value := range fields {
		bytes = binary.AppendUvarint(bytes, uint64(number)<<bitsOfWireFormat|wireVarint)
		bytes = binary.AppendUvarint(bytes, value)
	}
	return bytes
}

func TestTheFreezeIsReadFromCriusStatistics(t *testing.T) {
	dump := message(map[int]uint64{1: 1500, 2: 60_000, 3: 7, 7: 99})
	image := append(make([]byte, statsHeader), binary.AppendUvarint([]byte{fieldDump<<bitsOfWireFormat | wireBytes}, uint64(len(dump)))...)
	image = append(image, dump...)
	file := filepath.Join(t.TempDir(), statsFile)
	must(t, os.WriteFile(file, image, 0o600))
	if got, err := readFreeze(file); err != nil || got != 61_500 {
		t.Errorf("%d, %v", got, err)
	}
	for _, size := range []int64{0, statsHeader, int64(len(image)) - 3} {
		must(t, os.Truncate(file, size))
		if got, err := readFreeze(file); err == nil {
			t.Errorf("%d bytes of statistics give %d", size, got)
		}
	}
}

func TestVersionsAreComparedByTheirNumbers(t *testing.T) {
	for _, c := range []struct {
		version, than string
		older         bool
	}{{"4.2.1", "4.2", false}, {"4.1", "4.2", true}, {"3.17.1", "3.17", false}, {"6.9.0-x", "6.16", true}, {"6.18.44-fc", "6.16", false}, {"4.10", "4.9", false}, {"1.3.6+ds1", "1.1", false}} {
		if got := older(c.version, c.than); got != c.older {
			t.Errorf("%s older than %s: %t", c.version, c.than, got)
		}
	}
	if got := neededCriu("6.18.0") + " " + neededCriu("5.15.0"); got != "4.2 3.17" {
		t.Error(got)
	}
}

func TestTheHandlerIsFoundHoweverItIsWritten(t *testing.T) {
	for line, wanted := range map[string]bool{
		"[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.checkpoint]":         true,
		"  [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.\"checkpoint\"]":    true,
		"[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]":               false,
		"# [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.checkpoint]":       false,
		"[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.checkpoint.options]": false,
	} {
		if got := handlerPattern.MatchString("version = 3\n" + line + "\n"); got != wanted {
			t.Errorf("%s: %t", line, got)
		}
	}
}
