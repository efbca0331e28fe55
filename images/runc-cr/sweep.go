package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

type swept struct {
	Removed []string `json:"removed"`
}

// sweep removes what nobody needs: half-written checkpoints of dumps that died, logs of failed restores that are a day
// old, notes on pods that are gone, and links to checkpoints that are gone.
func (s *store) sweep() (*swept, error) {
	result := &swept{Removed: []string{}}
	err := errors.Join(
		s.sweepFolder(result, "", func(name, path string, _ time.Time) bool {
			return strings.HasPrefix(name, unfinishedPrefix) && !locked(path)
		}),
		s.sweepFolder(result, logsFolder, func(_, _ string, changed time.Time) bool { return time.Since(changed) > logsKept }),
		s.sweepFolder(result, restoredFolder, func(name, _ string, _ time.Time) bool { return s.podGone(name) }),
		s.sweepFolder(result, elsewhereFolder, func(id, link string, _ time.Time) bool {
			path, err := os.Readlink(link)
			_, there := os.Lstat(filepath.Join(path, id))
			return err != nil || missing(there)
		}),
		s.sweepFolder(result, locksFolder, func(_, path string, changed time.Time) bool { return time.Since(changed) > logsKept && !locked(path) }),
	)
	if err != nil {
		return nil, err
	}
	return result, nil
}

func (s *store) sweepFolder(result *swept, folder string, unneeded func(name, path string, changed time.Time) bool) error {
	entries, err := os.ReadDir(filepath.Join(s.path, folder))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(s.path, folder, entry.Name())
		info, err := entry.Info()
		if missing(err) {
			continue
		}
		if err != nil {
			return err
		}
		if !unneeded(entry.Name(), path, info.ModTime()) {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		result.Removed = append(result.Removed, path)
	}
	return nil
}

// podGone tells whether the kubelet has forgotten a pod. Where it keeps its pods elsewhere nothing is known.
func (s *store) podGone(uid string) bool {
	if _, err := os.Stat(s.pods); err != nil {
		return false
	}
	_, err := os.Stat(filepath.Join(s.pods, uid))
	return missing(err)
}

// lock takes a file or folder for this process until that ends or unlocks it; nothing when another has it.
func lock(path string) (unlock func(), taken bool, err error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, false, file.Close()
	}
	if err != nil {
		return nil, false, errors.Join(err, file.Close())
	}
	return func() { _ = file.Close() }, true, nil
}

func locked(path string) bool {
	unlock, taken, err := lock(path)
	if err != nil {
		return false
	}
	if taken {
		unlock()
	}
	return !taken
}
