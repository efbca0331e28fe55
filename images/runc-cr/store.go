package main

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	defaultStore  = "/var/lib/runc-cr"
	storeVariable = "RUNC_CR_STORE"
	// Names that are no ids, so that they and checkpoints do not meet.
	unfinishedPrefix = ".unfinished-"
	logsFolder       = ".logs"
	restoredFolder   = ".restored"
	locksFolder      = ".locks"
	elsewhereFolder  = ".elsewhere"
	logsKept         = 24 * time.Hour
	kubeletPods      = "/var/lib/kubelet/pods"
)

var idPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func validID(id string) bool { return idPattern.MatchString(id) }

// store is the folder of all checkpoints of a node.
type store struct {
	path string
	// pods is the kubelet's folder of the pods that it has.
	pods string
	// runtime is the store that the runtime looks into, where that is another one.
	runtime string
}

// openStore makes the store when there is none. A node image may make its path a link to a file system of the node's
// data; the link's target is made then.
func openStore() (*store, error) {
	path := os.Getenv(storeVariable)
	if path == "" || path == defaultStore {
		return openStoreAt(defaultStore)
	}
	s, err := openStoreAt(path)
	if err == nil {
		s.runtime = defaultStore
	}
	return s, err
}

// resolved follows a link, also to what is not there yet.
func resolved(path string) string {
	target, err := os.Readlink(path)
	switch {
	case err != nil:
		return path
	case filepath.IsAbs(target):
		return target
	}
	return filepath.Join(filepath.Dir(path), target)
}

func openStoreAt(path string) (*store, error) {
	path = resolved(path)
	for _, folder := range []string{"", logsFolder, restoredFolder, locksFolder, elsewhereFolder} {
		if err := os.MkdirAll(filepath.Join(path, folder), 0o700); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(path, 0o700); err != nil {
		return nil, err
	}
	return &store{path: path, pods: kubeletPods}, nil
}

func (s *store) folder(id string) string { return filepath.Join(s.path, id) }

// free is how many bytes the store's file system has left.
func (s *store) free() (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(s.path, &stat); err != nil {
		return 0, err
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}

func (s *store) manifest(id string) (*manifest, error) {
	m, err := readManifest(s.folder(id))
	if missing(err) {
		if _, there := os.Lstat(s.folder(id)); there == nil {
			return nil, failf(codeBroken, "%s of checkpoint %s is missing", manifestFile, id)
		}
		return nil, failf(codeNotFound, "no checkpoint %s on this node", id)
	}
	if err == nil && m.ID != id {
		return nil, failf(codeBroken, "the manifest of checkpoint %s is of %s", id, m.ID)
	}
	return m, err
}

// verify compares a checkpoint with its manifest.
func (s *store) verify(id string) (*manifest, error) {
	m, err := s.manifest(id)
	if err != nil {
		return nil, err
	}
	if err := m.compare(s.folder(id)); err != nil {
		return nil, err
	}
	return m, nil
}

type removal struct {
	ID      string `json:"id"`
	Removed bool   `json:"removed"`
	Bytes   int64  `json:"bytes"`
}

// remove deletes a checkpoint. It loses its name first, so that nobody begins to restore from a half of it.
func (s *store) remove(id string) (*removal, error) {
	if err := s.known().forget(id); err != nil {
		return nil, err
	}
	gone := filepath.Join(s.path, unfinishedPrefix+"removed-"+id)
	if err := os.RemoveAll(gone); err != nil {
		return nil, err
	}
	err := os.Rename(s.folder(id), gone)
	if missing(err) {
		return &removal{ID: id}, nil
	}
	if err != nil {
		return nil, err
	}
	bytes, err := diskUse(gone)
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(gone); err != nil {
		return nil, err
	}
	return &removal{ID: id, Removed: true, Bytes: bytes}, nil
}

type listing struct {
	Store       string      `json:"store"`
	Bytes       int64       `json:"bytes"`
	FreeBytes   int64       `json:"freeBytes"`
	Checkpoints []*manifest `json:"checkpoints"`
}

// list gives what is in the store, oldest first. A checkpoint that is broken is there with its id alone.
func (s *store) list() (*listing, error) {
	free, err := s.free()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(s.path)
	if err != nil {
		return nil, err
	}
	all := &listing{Store: s.path, FreeBytes: free, Checkpoints: []*manifest{}}
	for _, entry := range entries {
		if !validID(entry.Name()) {
			continue
		}
		m, err := s.manifest(entry.Name())
		if err != nil {
			m = &manifest{ID: entry.Name(), Files: map[string]fileRecord{}}
		}
		if m.Bytes, err = diskUse(s.folder(entry.Name())); missing(err) {
			continue // Removed meanwhile.
		} else if err != nil {
			return nil, err
		}
		all.Bytes += m.Bytes
		all.Checkpoints = append(all.Checkpoints, m)
	}
	slices.SortFunc(all.Checkpoints, func(a, b *manifest) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

// diskUse is the sum of the sizes of the files in a folder.
func diskUse(folder string) (bytes int64, err error) {
	err = filepath.WalkDir(folder, func(_ string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}
