package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// upperDir is the folder in which an overlay keeps what the processes below a root changed. It is taken from the
// node's own mount of the bundle's root: what is mounted in the container's namespace is up to its processes, which
// may name any folder there.
func (c *container) upperDir() (string, error) {
	rootfs := c.spec.rootfs(c.bundle)
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	upper, err := parseUpperDir(string(content), rootfs)
	if err != nil {
		return "", err
	}
	var mounted, seen unix.Stat_t
	if err := unix.Stat(rootfs, &mounted); err != nil {
		return "", err
	}
	if err := unix.Stat(fmt.Sprintf("/proc/%d/root", c.pid), &seen); err != nil {
		return "", err
	}
	if mounted.Dev != seen.Dev || mounted.Ino != seen.Ino {
		return "", failf(codeSnapshotter, "the container's first process has another root than the runtime gave it")
	}
	return upper, nil
}

// parseUpperDir finds the upper folder of the overlay that is mounted on a folder in the text of a mountinfo file.
func parseUpperDir(mountinfo, folder string) (string, error) {
	upper, err := "", error(failf(codeSnapshotter, "no root file system is mounted on %s", folder))
	for line := range strings.Lines(mountinfo) {
		mount, system, found := strings.Cut(strings.TrimSpace(line), " - ")
		fields, options := strings.Fields(mount), strings.Fields(system)
		if !found || len(fields) < 5 || unescape(fields[4]) != folder || len(options) < 3 {
			continue
		}
		upper, err = upperOf(options[0], options[2]) // The last one lies on top.
	}
	return upper, err
}

func upperOf(kind, options string) (string, error) {
	if kind != "overlay" {
		return "", failf(codeSnapshotter,
			"the root file system is %s and no overlay, so its changes cannot be told",
			kind)
	}
	upper := ""
	for option := range strings.SplitSeq(options, ",") {
		switch name, value, _ := strings.Cut(option, "="); {
		case name == "upperdir":
			upper = unescape(value)
		case (name == "metacopy" || name == "redirect_dir") && value == "on":
			return "", failf(codeSnapshotter,
				"the overlay is mounted with %s=on, so changes do not stand in its upper folder alone",
				name)
		}
	}
	if upper == "" {
		return "", failf(codeSnapshotter, "the overlay has no upper folder")
	}
	return upper, nil
}

// unescape undoes the octal escapes of mountinfo, and overlay's own of colons and commas.
func unescape(text string) string {
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if code, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				plain.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		plain.WriteByte(text[i])
	}
	return plain.String()
}
