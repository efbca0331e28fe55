package main

import (
	"os"
	"strconv"
)

// packTries is how often files are packed before a dump is given up because processes came and moved meanwhile.
const packTries = 3

// standstill is the part of a dump in which nothing of the container moves.
type standstill struct {
	container *container
	// trees are packed while all stand still; their archives are whole paths.
	trees []tree
	// room is how many bytes the files may have.
	room   int64
	holder *holder
	packed bool
}

func newStandstill(c *container, plan *dumpPlan) *standstill {
	return &standstill{container: c, trees: plan.trees, room: plan.room, holder: newHolder(c.processes, c.started)}
}

// at does what is to be done at a stage of CRIU's.
func (s *standstill) at(stage string) error {
	criu, err := s.criu()
	if err != nil {
		return err
	}
	switch stage {
	case stageFrozen:
		return s.holder.hold(criu)
	case stageDumped:
		return s.pack(criu)
	}
	return nil
}

// criu is the process that has stopped the container's first one.
func (s *standstill) criu() (int, error) {
	text, err := statusField(s.container.pid, "TracerPid")
	if err != nil {
		return 0, err
	}
	tracer, err := strconv.Atoi(text)
	if err == nil && tracer == 0 {
		err = failf(codeNotStill, "CRIU does not hold process %d", s.container.pid)
	}
	return tracer, err
}

// pack packs files, and again if a process was at work meanwhile: one that was exec'd into the container just then.
func (s *standstill) pack(criu int) error {
	for range packTries {
		if err := s.holder.hold(criu); err != nil {
			return err
		}
		before, told := s.container.usage()
		newcomers, moved, err := s.holder.watch(criu, s.packOnce)
		if err != nil {
			return err
		}
		// A newcomer that was caught before its own code ran has had processor time, and so the sum says nothing then.
		if after, _ := s.container.usage(); told && !newcomers && after != before {
			moved = true
		}
		if !moved {
			s.packed = true
			return nil
		}
	}
	return failf(codeNotStill, "processes were at work while the container's files were packed, %d times", packTries)
}

func (s *standstill) packOnce() error {
	left := s.room
	for _, one := range s.trees {
		if err := os.Remove(one.Archive); err != nil && !missing(err) {
			return err
		}
		if err := packAtMost(one.Folder, one.Archive, &left); err != nil {
			return err
		}
	}
	return nil
}

// end lets all go on that this dump has stopped.
func (s *standstill) end() { s.holder.release() }
