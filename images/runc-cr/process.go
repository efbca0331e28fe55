package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// process is what /proc/PID/stat says.
type process struct {
	state   byte
	parent  int
	flags   uint64
	started uint64
}

func readProcess(pid int) (process, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	return parseStat(string(content))
}

// parseStat reads a line of /proc/PID/stat; the program's name in it may hold blanks and brackets.
func parseStat(line string) (process, error) {
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	const flagsField, startField = 9 - 3, 22 - 3
	if len(fields) <= startField {
		return process{}, errors.New("/proc/PID/stat is too short")
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return process{}, err
	}
	flags, err := strconv.ParseUint(fields[flagsField], 10, 64)
	if err != nil {
		return process{}, err
	}
	started, err := strconv.ParseUint(fields[startField], 10, 64)
	return process{state: fields[0][0], parent: parent, flags: flags, started: started}, err
}

// statusField reads a field of /proc/PID/status.
func statusField(pid int, name string) (string, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(content)) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strings.TrimSpace(value), nil
		}
	}
	return "", nil
}

const capSysResource = 24

// hasCapability tells whether this process has a capability.
func hasCapability(number uint) bool {
	text, err := statusField(os.Getpid(), "CapEff")
	if err != nil {
		return false
	}
	set, err := strconv.ParseUint(text, 16, 64)
	return err == nil && set&(1<<number) != 0
}
