package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// upperDir is the folder in which an overlay keeps what the processes below a root changed.
func (c *container) upperDir() (string, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", c.pid))
	if err != nil {
		return "", err
	}
	return parseUpperDir(string(content))
}

// parseUpperDir finds the upper folder of the overlay that is mounted on / in the text of a mountinfo file.
func parseUpperDir(mountinfo string) (string, error) {
	for line := range strings.Lines(mountinfo) {
		mount, system, found := strings.Cut(strings.TrimSpace(line), " - ")
		fields, options := strings.Fields(mount), strings.Fields(system)
		if !found || len(fields) < 5 || fields[4] != "/" || len(options) < 3 {
			continue
		}
		if options[0] != "overlay" {
			return "", failf(codeSnapshotter, "the root file system is %s and no overlay, so its changes cannot be told", options[0])
		}
		upper := ""
		for option := range strings.SplitSeq(options[2], ",") {
			switch name, value, _ := strings.Cut(option, "="); {
			case name == "upperdir":
				upper = unescape(value)
			case (name == "metacopy" || name == "redirect_dir") && value == "on":
				return "", failf(codeSnapshotter, "the overlay is mounted with %s=on, so changes do not stand in its upper folder alone", name)
			}
		}
		if upper == "" {
			return "", failf(codeSnapshotter, "the overlay has no upper folder")
		}
		return upper, nil
	}
	return "", failf(codeSnapshotter, "no root file system is mounted")
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
